"""Files written during a run: rows of metrics.jsonl, checkpoints best/ and last/."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from picogen_core import __version__
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.student import components
from picogen_core.runtime.signals import Signals, Stopped
from picogen_core.training.config import TrainConfig
from picogen_core.training.optimizers import pack_optimizer
from picogen_core.training.run.log import MetricsLog
from picogen_core.training.setup import RunParts
from picogen_core.training.state import STATE, Progress

SAVING_SHARE = 0.01
"""Default for the largest share of a run's time spent on checkpoints between evaluations."""


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

    def stopped(self, stop: Stopped) -> str:
        """Save unless the signal interrupted a step; return the message for the user."""
        if not stop.whole:
            return f"Stopped at once. {self.kept} {self.way_on}"
        if self.saved_step != self.progress.step:
            self.save("last")
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
