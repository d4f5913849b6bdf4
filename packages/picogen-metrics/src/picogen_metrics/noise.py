"""Noise floor of a distance: that of real music from itself.

A folder of n pieces has a distance to a reference even if both are of one kind. So n pieces and
another reference are drawn from the reference many times, with replacement. The noise is the mean
and the spread of their distances.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from picogen_core import Value

from picogen_metrics.powerlaw import Floats

SIZES = (20, 32, 50, 100, 200, 500, 1000)
"""Sizes of the folders whose noise a shipped reference contains."""
DRAWS = 200

Noise = Mapping[str, list[list[float]]]
"""Name -> [n, mean, standard deviation], n rising."""
Distances = Callable[[Floats, Floats], Mapping[str, Floats]]
"""[R, pieces] weights of R folders and of R references -> their distances [R], by name."""


def table(
    distances: Distances, pieces: int, sizes: Sequence[int], rng: np.random.Generator
) -> Noise:
    """Return the distances of folders of these sizes, drawn from `pieces` of the reference."""
    found: dict[str, list[list[float]]] = {}
    for size in sizes:
        even = np.full(pieces, 1 / pieces)
        folders = rng.multinomial(size, even, size=DRAWS).astype(float)
        references = rng.multinomial(pieces, even, size=DRAWS).astype(float)
        for name, drawn in distances(folders, references).items():
            if np.isfinite(drawn).sum() > 1:
                row = [float(size), float(np.nanmean(drawn)), float(np.nanstd(drawn))]
                found.setdefault(name, []).append(row)
    return found


def with_noise(value: Value, rows: list[list[float]] | None, size: int) -> Value:
    """Return the distance with that of real music, and p of one as large (one-sided, normal)."""
    if not rows:
        return value
    mean, spread = _at(rows, size)
    z = (value.value - mean) / spread if spread > 0 else math.inf
    low, high = max(0.0, mean - 1.96 * spread), mean + 1.96 * spread
    p = math.erfc(z / math.sqrt(2)) / 2
    return replace(value, reference=mean, reference_low=low, reference_high=high, p=p)


def _at(rows: list[list[float]], size: int) -> tuple[float, float]:
    """Return mean and spread at a size: log-linear between entries, the nearest beyond them."""
    if len(rows) == 1 or size <= rows[0][0]:
        return rows[0][1], rows[0][2]
    for (a, *low), (b, *high) in pairwise(rows):
        if size <= b:
            share = math.log(size / a) / math.log(b / a)
            mean, spread = (
                x ** (1 - share) * y**share if x > 0 and y > 0 else x + (y - x) * share
                for x, y in zip(low, high, strict=True)
            )
            return mean, spread
    return rows[-1][1], rows[-1][2]
