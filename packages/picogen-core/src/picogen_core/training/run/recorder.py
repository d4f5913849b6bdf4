"""What a run records: rows of metrics.jsonl, checkpoints best/ and last/, the progress line."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from picogen_core import __version__
from picogen_core.errors import BadInput
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.student import components
from picogen_core.runtime.progress import Reporter
from picogen_core.runtime.signals import Signals, Stopped
from picogen_core.training.config import TrainConfig
from picogen_core.training.optimizers import pack_optimizer
from picogen_core.training.setup import RunParts
from picogen_core.training.state import STATE, Progress

REPORT_SECONDS = 1.0
SAVING_SHARE = 0.01
"""Default for the largest share of a run's time spent on checkpoints between evaluations."""


class MetricsLog:
    """Append-only metrics.jsonl: one row per step and per evaluation, each once, even after a kill.

    It keeps `size` bytes of an older file and cuts off the rest."""

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        try:
            with path.open("ab") as file:
                file.truncate(min(size, file.tell()))
        except OSError as error:
            raise self._fault(error) from None

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Append a row. Raises `BadInput` if the disk is full."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise self._fault(error) from None

    def flush(self) -> int:
        """Flush to disk; return the size in bytes."""
        try:
            with self.path.open("r+b") as file:
                os.fsync(file.fileno())
            return self.path.stat().st_size
        except OSError as error:
            raise self._fault(error) from None

    def _fault(self, error: OSError) -> BadInput:
        return BadInput(f"{self.path} cannot be written: {error.strerror}.")


class SaveClock:
    """Decides when to save: every `every` steps, at least every `minutes`.

    Without `every`, saving takes `SAVING_SHARE` of the time. The first save is then after the first
    step, so that a full disk is noticed at once.
    """

    def __init__(self, every: int | None, minutes: float) -> None:
        self.every, self.seconds = every, 60 * minutes
        self._saved_at = time.monotonic() if every else -math.inf
        self._cost = 0.0

    def due(self, step: int) -> bool:
        passed = time.monotonic() - self._saved_at
        soon = step % self.every == 0 if self.every else passed >= self._cost / SAVING_SHARE
        return soon or passed >= self.seconds

    def saved(self, seconds: float) -> None:
        """Record that a checkpoint has just been written, in so many seconds."""
        self._saved_at, self._cost = time.monotonic(), seconds


class Recorder:
    """Logs and saves in process 0; writes nothing in others, where `log` is None."""

    def __init__(
        self,
        config: TrainConfig,
        parts: RunParts,
        progress: Progress,
        signals: Signals,
        log: MetricsLog | None,
    ) -> None:
        self.config, self.parts, self.progress, self.signals = config, parts, progress, signals
        self.log = log
        self.clock = SaveClock(config.save_every, config.save_minutes)
        self.saved_step = progress.step

    def record(self, values: Mapping[str, Any]) -> None:
        """Log the values of a step or an evaluation as a row of metrics.jsonl."""
        if self.log is None:
            return
        progress = self.progress
        row = {
            "step": progress.step,
            "seconds": round(progress.seconds, 3),
            "cpu_seconds": round(progress.cpu_seconds, 3),
            "waited": round(progress.waited, 3),
            "characters": progress.characters,
            **values,
        }
        self.log(row)

    def save_if_due(self) -> None:
        """Save last/ if the clock is due."""
        if self.clock.due(self.progress.step):
            self.save("last")

    def save(self, name: str) -> None:
        """Save best/, or last/ with the state to resume from."""
        if self.log is None:
            return
        begun = time.monotonic()
        with self.signals.held():
            self.progress.log_bytes = self.log.flush()
            model = self.parts.model
            manifest = {
                "picogen": __version__,
                "progress": asdict(self.progress),
                "components": components(model.config),
                "parameters": model.parameter_count(),
                "seed": self.config.seed,
                **self.parts.origin,
            }
            extra = {STATE: pack_optimizer(self.parts.optimizer)} if name == "last" else None
            save_checkpoint(self.config.run_dir / name, model, manifest, extra)
            if name == "last":
                self.saved_step = self.progress.step
                self.clock.saved(time.monotonic() - begun)

    def save_rest(self) -> None:
        """Save last/ if steps were taken since."""
        if self.saved_step != self.progress.step:
            self.save("last")

    def stopped(self, stop: Stopped) -> str:
        """Save unless the signal interrupted a step; return the message for the user."""
        if not stop.whole:
            return f"Stopped at once. {self.kept} {self.way_on}"
        self.save_rest()
        steps = self.progress.step
        return f"Stopped after {steps} steps; all of them are saved. {self.way_on}"

    @property
    def kept(self) -> str:
        """A sentence on the checkpoint that is on disk."""
        if not self.saved_step:
            return "Nothing was saved yet."
        last = self.config.run_dir / "last"
        return f"The checkpoint of step {self.saved_step} in {last} is whole."

    @property
    def way_on(self) -> str:
        return f"Resume with: {self.config.resume_command}"


class ProgressLine:
    """Sends figures to the reporter, for steps at most once per `REPORT_SECONDS`."""

    def __init__(self, progress: Progress, reporter: Reporter) -> None:
        self.progress, self.reporter = progress, reporter
        self.reported = 0.0  # seconds of the run
        self.judged: dict[str, str] = {}  # figures of the last evaluation

    def after_step(self, fraction: float, terms: Mapping[str, float]) -> None:
        """Report a step: `fraction` of the run, and its losses in nats per character."""
        progress = self.progress
        if progress.seconds - self.reported < REPORT_SECONDS:
            return
        self.reported = progress.seconds
        shown = {"bits/char": f"{terms['ce'] / math.log(2):.3f}"} if "ce" in terms else {}
        hidden = ("loss", "ce")
        shown |= {k: f"{x:.3f}" for k, x in terms.items() if "/" not in k and k not in hidden}
        if progress.own_text_seconds:
            shown["sampling"] = f"{progress.own_text_seconds / progress.seconds:.0%} of the time"
        shown["chars/s"] = f"{progress.characters / progress.seconds:,.0f}"
        self.reporter.advance(fraction, shown | self.judged)

    def after_evaluation(self, fraction: float, bits: float, samples: Mapping[str, float]) -> None:
        """Report an evaluation: `bits` per held-out character, and values of `samples`."""
        self.judged = {"held-out bits/char": f"{bits:.3f}"}
        for name in ("sample/beta", "sample/valid"):
            if name in samples:
                self.judged[name] = f"{samples[name]:.3g}"
        self.reporter.advance(fraction, self.judged)
