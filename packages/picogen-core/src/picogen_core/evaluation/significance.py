"""Significance of a difference of two values, and Holm's correction for many values."""

from __future__ import annotations

import math
from collections.abc import Mapping

from picogen_core.evaluation.summaries import Value

LEVEL = 0.05
_WIDTH = 2 * 1.959964  # of a 95 % interval in standard errors


def standard_error(value: float, low: float | None, high: float | None) -> float | None:
    """Return the standard error of a number, from its 95 % interval; None without one."""
    return None if low is None or high is None else (high - low) / _WIDTH


def difference_p(value: Value, other: Value) -> float | None:
    """Return the two-sided p of value = other, both normal with the errors of their intervals.

    An `other` without an interval counts as exact. A percentage that is the same in every piece
    has an interval of no width: it gets Agresti and Coull's standard error (1998). None if `value`
    has no interval.
    """
    ours = _error(value)
    if ours is None:
        return None
    error = math.hypot(ours, _error(other) or 0.0)
    if error == 0:
        return 1.0 if value.value == other.value else None
    return math.erfc(abs(value.value - other.value) / error / math.sqrt(2))


def _error(value: Value) -> float | None:
    error = standard_error(value.value, value.low, value.high)
    if error == 0 and value.unit == "%":
        share = (value.value / 100 * value.n + 2) / (value.n + 4)
        error = 100 * math.sqrt(share * (1 - share) / (value.n + 4))
    return error


def holm(ps: Mapping[str, float]) -> dict[str, float]:
    """Return adjusted p by name (Holm 1979).

    Values below 0.05 differ; the chance of any false one among them is at most 5 %.
    """
    adjusted: dict[str, float] = {}
    worst = 0.0
    for rank, name in enumerate(sorted(ps, key=ps.__getitem__)):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[name]))
        adjusted[name] = worst
    return adjusted
