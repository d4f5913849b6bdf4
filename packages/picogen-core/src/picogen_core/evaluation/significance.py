"""Whether a value differs from another beyond noise, and Holm's correction for many values."""

from __future__ import annotations

import math
from collections.abc import Mapping

from picogen_core.evaluation.summaries import Value

LEVEL = 0.05
_WIDTH = 2 * 1.959964  # of a 95 % interval in standard errors


def standard_error(value: float, low: float | None, high: float | None) -> float | None:
    """Of a number, from its 95 % interval; None without one."""
    return None if low is None or high is None else (high - low) / _WIDTH


def difference_p(value: Value, other: Value) -> float | None:
    """Two-sided p of value = other, both normal with the errors that their intervals tell.

    An `other` without an interval counts as exact. A percentage that is the same in every piece
    has an interval of no width: it gets Agresti and Coull's standard error (1998). None where
    `value` has no interval.
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
    """Adjusted p by name (Holm 1979): below 0.05, a value differs; the chance that any of those
    that do not differ is among them is then at most 5 %."""
    adjusted: dict[str, float] = {}
    worst = 0.0
    for rank, name in enumerate(sorted(ps, key=ps.__getitem__)):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[name]))
        adjusted[name] = worst
    return adjusted
