"""What a run's progress line says: of the last step and of the last evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping

from picogen_core.runtime.progress import Reporter
from picogen_core.training.state import Progress

REPORT_SECONDS = 1.0


class ProgressLine:
    """Told to the reporter, of steps at most once in `REPORT_SECONDS`."""

    def __init__(self, progress: Progress, reporter: Reporter) -> None:
        self.progress, self.reporter = progress, reporter
        self.told = 0.0  # seconds of the run
        self.judged: dict[str, str] = {}  # by the last evaluation; shown until the next

    def after_step(self, fraction: float, terms: Mapping[str, float]) -> None:
        """`fraction` of the run is over; `terms` are the step's losses in nats per character."""
        progress = self.progress
        if progress.seconds - self.told < REPORT_SECONDS:
            return
        self.told = progress.seconds
        shown = {"bits/char": f"{terms['ce'] / math.log(2):.3f}"} if "ce" in terms else {}
        hidden = ("loss", "ce")
        shown |= {k: f"{x:.3f}" for k, x in terms.items() if "/" not in k and k not in hidden}
        if progress.sampling:
            shown["sampling"] = f"{progress.sampling / progress.seconds:.0%} of the time"
        shown["chars/s"] = f"{progress.characters / progress.seconds:,.0f}"
        self.reporter.advance(fraction, shown | self.judged)

    def after_evaluation(self, fraction: float, bits: float, samples: Mapping[str, float]) -> None:
        """`bits` per held-out character, and what was measured on `samples`."""
        self.judged = {"held-out bits/char": f"{bits:.3f}"}
        for name in ("sample/beta", "sample/valid"):
            if name in samples:
                self.judged[name] = f"{samples[name]:.3g}"
        self.reporter.advance(fraction, self.judged)
