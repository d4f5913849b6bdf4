"""Curves of runs: training and held-out loss against steps, characters, and time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from picogen_core.comparison.seeds import Group, mean_curve
from picogen_core.report.charts import lines, standalone
from picogen_core.report.drawing import Series

AXES = {
    "step": "steps",
    "characters": "training characters",
    "cpu_seconds": "CPU seconds of training",
    "seconds": "seconds of training",
}
POINTS = 200


def curves(groups: Sequence[Group]) -> bytes | None:
    """Return one SVG file: training loss above, held-out loss below, in bits per character.

    Several seeds are averaged. A column without logged values is left out. None without curves.
    """
    runs = [run for group in groups for run in group.runs]
    axes = [axis for axis in AXES if any(run.curve("eval_bits", axis) for run in runs)]
    if not axes:
        return None
    charts = []
    for name, title, scale in (
        ("ce", "Training", 1 / math.log(2)),
        ("eval_bits", "Held out", 1.0),
    ):
        for axis in axes:
            series = [_series(group, name, axis, scale) for group in groups]
            charts.append(lines(title, AXES[axis], "bits per character", series))
    return standalone(charts, [group.name for group in groups], len(axes))


def _series(group: Group, name: str, axis: str, scale: float) -> Series:
    points = thin(mean_curve([run.curve(name, axis) for run in group.runs]))
    return Series(group.name, [x for x, _ in points], [scale * y for _, y in points])


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most `POINTS` points, each the mean of equally many neighbours."""
    size = max(1, math.ceil(len(points) / POINTS))
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]
