"""Pieces generated during training, and their metrics.

Likelihood alone does not choose the best music. Sampling leaves the random state of training
untouched: piece k has its own stream, derived from the run's seed and k.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from picogen_core.errors import BadInput
from picogen_core.evaluation.scoring import ScoreRequest, score_folder
from picogen_core.generation.decoding.decode import generate
from picogen_core.generation.output import finish, write_score
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.generation.request.prompt import place_prompt
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import registry
from picogen_core.runtime.progress import Reporter
from picogen_core.training.config import TrainConfig
from picogen_core.training.state import Progress

SHOWN = {
    "powerlaw": ("beta", "rep", "lambda_int"),
    "validity": (
        "valid",
        "meter_agreement",
        "pieces_in_meter",
        "aligned",
        "bars_as_announced",
        "repairs",
    ),
}
"""Values of installed metrics that are logged in a row as `sample/NAME`."""

SAMPLING = SamplingOptions()
MOST_PATCHES = 512
PROBE = 8  # patches, to estimate the cost of all samples
WORTH = 0.5  # seconds; with less time, sampling is not tried


class Sampler:
    """Writes `config.samples` pieces into samples/step-N, if the run's time allows it."""

    def __init__(self, config: TrainConfig, model: GenericStudent, reporter: Reporter) -> None:
        self.config, self.model, self.reporter = config, model, reporter
        self.max_patches = min(config.max_patches, MOST_PATCHES)
        self.cost: float | None = None  # seconds of the last time
        self.silent = config.samples == 0

    def __call__(self, progress: Progress) -> dict[str, Any]:
        """Return values for an evaluation's row, and their folder `samples`; {} without samples.

        An error of a model or plugin here costs the samples and never the run.
        """
        if not self.config.samples:
            return {}
        begun = time.monotonic()
        training = self.model.training
        self.model.eval()
        try:
            allowed = self.config.sample_share * progress.seconds - progress.sample_seconds
            if not self._fits(allowed):
                return {}
            found = self._sample(f"samples/step-{progress.step}")
            self.cost = time.monotonic() - begun
            self.silent = False
            return found
        except Exception as error:
            self.reporter.message(f"No samples after step {progress.step}: {error}")
            return {}
        finally:
            self.model.train(training)
            progress.sample_seconds += time.monotonic() - begun

    def _fits(self, allowed: float) -> bool:
        """Return whether the samples take at most `allowed` seconds; log once if not."""
        expected = self.cost
        if expected is None and allowed >= WORTH:
            begun = time.monotonic()
            self._write(PROBE)
            expected = (time.monotonic() - begun) / PROBE * self.max_patches
        if expected is not None and expected <= allowed:
            return True
        if not self.silent:
            about = "" if expected is None else f" They take about {expected:.0f} s."
            self.reporter.message(
                f"No samples yet: they may take {self.config.sample_share:.0%} of the run's time, "
                f"{max(0.0, allowed):.1f} s so far.{about} Allow more with --set sample_share=0.5."
            )
        self.silent = True
        return False

    def _sample(self, folder: str) -> dict[str, Any]:
        path = self.config.run_dir / folder
        drafts = self._write(self.max_patches)
        scores = [finish(draft, (), {"seed": self.config.seed}) for draft in drafts]
        for score in scores:
            write_score(path, score)
        count = len(scores) / 100
        found = {
            "sample/complete": sum(draft.complete for draft in drafts) / count,
            "sample/readable": sum(bool(score.abc) for score in scores) / count,
        }
        return {"samples": folder, **found, **measure(path, self.config.seed)}

    def _write(self, max_patches: int) -> list[Any]:
        return generate(
            self.model,
            place_prompt("").text,
            seed=self.config.seed,
            numbers=range(1, self.config.samples + 1),
            max_patches=max_patches,
            sampling=SAMPLING,
        )


def measure(folder: Path, seed: int) -> dict[str, float]:
    """Return the values of `SHOWN` for a folder of scores, by the installed metrics."""
    installed = {entry.name for entry in registry().all("metric")}
    names = [name for name in SHOWN if name in installed]
    if not names:
        return {}
    try:
        report = score_folder(folder, ScoreRequest(names, seed=seed))
    except BadInput:  # no readable score; `sample/readable` shows it
        return {}
    return {
        f"sample/{key}": round(values[key].value, 6)
        for name in names
        if (values := report.metrics[name].values)
        for key in SHOWN[name]
        if key in values and math.isfinite(values[key].value)
    }
