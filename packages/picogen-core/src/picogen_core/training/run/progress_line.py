"""The progress line of a run: figures of the last step and the last evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping

from picogen_core.runtime.progress import Reporter
from picogen_core.training.state import Progress

REPORT_SECONDS = 1.0


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
        if progress.sampling:
            shown["sampling"] = f"{progress.sampling / progress.seconds:.0%} of the time"
        shown["chars/s"] = f"{progress.characters / progress.seconds:,.0f}"
        self.reporter.advance(fraction, shown | self.judged)

    def after_evaluation(self, fraction: float, bits: float, samples: Mapping[str, float]) -> None:
        """Report an evaluation: `bits` per held-out character, and values of `samples`."""
        self.judged = {"held-out bits/char": f"{bits:.3f}"}
        for name in ("sample/beta", "sample/valid"):
            if name in samples:
                self.judged[name] = f"{samples[name]:.3g}"
        self.reporter.advance(fraction, self.judged)
