"""Curves of runs: training and held-out loss against steps, seconds and characters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from picogen_core.report.charts import lines, standalone
from picogen_core.report.drawing import Series
from picogen_core.runs import Run

AXES = {"step": "steps", "seconds": "seconds of training", "characters": "characters read"}
POINTS = 200


def curves(runs: Sequence[Run]) -> bytes | None:
    """One SVG file: above, what training saw, below, held-out pieces; in bits per character.

    A column is left out where no run has logged its axis. None without any curve.
    """
    axes = [axis for axis in AXES if any(run.curve("eval_bits", axis) for run in runs)]
    if not axes:
        return None
    charts = []
    for name, title, scale in (
        ("ce", "Training", 1 / math.log(2)),
        ("eval_bits", "Held out", 1.0),
    ):
        for axis in axes:
            series = [_series(run, name, axis, scale) for run in runs]
            charts.append(lines(title, AXES[axis], "bits a character", series))
    return standalone(charts, [run.name for run in runs], len(axes))


def _series(run: Run, name: str, axis: str, scale: float) -> Series:
    points = thin(run.curve(name, axis))
    return Series(run.name, [x for x, _ in points], [scale * y for _, y in points])


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `POINTS` points, each the mean of as many in a row."""
    size = max(1, math.ceil(len(points) / POINTS))
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]
