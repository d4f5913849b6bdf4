"""Means over pieces with a bootstrap interval, as most metrics use them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from picogen_core import Row, Value
from picogen_core.plugins.protocols import NAME

from picogen_metrics.powerlaw import Floats

_PREFIX = 200  # characters of a row's content that are kept to sort by


@dataclass(frozen=True)
class Column:
    """Unit and direction of a mean; `scale` 100 turns a share into percent."""

    unit: str
    better: Literal["higher", "lower", "closer"]
    scale: float = 1.0


def in_order(rows: Sequence[Row]) -> list[int]:
    """Return the order of the rows by content: resamples do not depend on names or file order."""
    found = ((content(row), i) for i, row in enumerate(rows))
    keys = [_Key(text[:_PREFIX], hash(text), i, rows) for text, i in found]
    return [key.place for key in sorted(keys)]


@dataclass(frozen=True, slots=True)
class _Key:
    """The content of a row by its beginning, since all contents together may be large."""

    prefix: str
    digest: int
    place: int
    rows: Sequence[Row]

    def __lt__(self, other: _Key) -> bool:
        if self.prefix != other.prefix:
            return self.prefix < other.prefix
        if self.digest == other.digest:
            return self.place < other.place
        return content(self.rows[self.place]) < content(other.rows[other.place])


def content(row: Row) -> str:
    """Return a row as text, without its name."""
    return json.dumps({key: row[key] for key in row if key != NAME}, sort_keys=True)


def resample(count: int, times: int, rng: np.random.Generator) -> Floats:
    """Return counts [times, count] of pieces in resamples of `count`, drawn with replacement."""
    return rng.multinomial(count, np.full(count, 1 / count), size=times).astype(np.float64)


def mean_values(
    rows: Sequence[Row], columns: Mapping[str, Column], times: int, rng: np.random.Generator
) -> dict[str, Value]:
    """Return the mean of each column over the pieces that have it, n = their number.

    A row's entry is a number, True or False, or None where it is undefined. The interval is the
    middle 95 % of the means of `times` resamples of the pieces; a single piece has none.
    """
    entries = np.array([[_number(row.get(name)) for name in columns] for row in rows])
    entries = entries.reshape(-1, len(columns))[in_order(rows)]
    weights = resample(len(rows), times, rng) if len(rows) > 1 else None
    values = {}
    for place, (name, column) in enumerate(columns.items()):
        numbers = np.ascontiguousarray(entries[:, place]) * column.scale
        known = np.isfinite(numbers)
        count = int(known.sum())
        if not count:
            continue
        low = high = None
        if weights is not None and count > 1:
            drawn = weights[:, known]
            totals = drawn.sum(axis=1)
            means = (drawn @ numbers[known])[totals > 0] / totals[totals > 0]
            low, high = np.percentile(means, [2.5, 97.5]).tolist()
        mean = float(numbers[known].mean())
        values[name] = Value(mean, column.unit, count, low, high, column.better)
    return values


def _number(entry: Any) -> float:
    return float("nan") if entry is None else float(entry)


def ratio_value(
    parts: Sequence[tuple[float, float]], column: Column, times: int, rng: np.random.Generator
) -> Value | None:
    """Return Σ numerators ÷ Σ denominators, one pair per piece, n = Σ denominators.

    The interval resamples the pieces, as in `mean_values`. None if n is 0.
    """
    counts = np.array(sorted(parts), dtype=float).reshape(-1, 2)
    above, below = counts.sum(axis=0)
    if not below:
        return None
    low = high = None
    if len(counts) > 1:
        drawn = resample(len(counts), times, rng) @ counts
        ratios = drawn[drawn[:, 1] > 0]
        low, high = np.percentile(column.scale * ratios[:, 0] / ratios[:, 1], [2.5, 97.5]).tolist()
    return Value(
        float(column.scale * above / below), column.unit, int(below), low, high, column.better
    )
