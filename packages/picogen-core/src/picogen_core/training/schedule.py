"""When things are due: the learning rate of a moment, and the next checkpoint."""

from __future__ import annotations

import math
import time

SAVING_SHARE = 0.01
"""Left to itself a run spends at most so much of its time on checkpoints between evaluations."""


def learning_rate(peak: float, warmup: float, fraction: float) -> float:
    """Linear warm-up over a share `warmup` of the run, then a cosine down to a twentieth."""
    if fraction < warmup:
        return peak * max(fraction / warmup, 1e-2)
    done = (fraction - warmup) / (1 - warmup)
    return peak * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)


class SaveClock:
    """Every `every` steps if that is given, else as often as costs `SAVING_SHARE` of the time; at
    least every `minutes`. Without `every` the first is after the first step, so that a disk without
    room is noticed at once.
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
        """A checkpoint has just been written and took so long."""
        self._saved_at, self._cost = time.monotonic(), seconds
