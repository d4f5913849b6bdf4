"""Groups of runs that differ only in their seed: means, with intervals over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from picogen_core.comparison.runs import Run
from picogen_core.evaluation.summaries import Value

SEED = "seed"
# 97.5 % quantile of Student's t with 1 … 9 degrees of freedom; the normal's beyond.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


@dataclass(frozen=True)
class Group:
    """One run, or several with different seeds; `places` are their numbers among all runs."""

    name: str
    runs: tuple[Run, ...]
    places: tuple[int, ...]

    def one_of_each(self, values: Sequence[Any]) -> Any:
        """Return the value of this group's first run, from values of all runs."""
        return values[self.places[0]]


def group_seeds(runs: Sequence[Run]) -> list[Group]:
    """Return runs grouped by their settings without seeds, in the order of first runs."""
    groups: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        settings = {key: value for key, value in run.config.items() if key != SEED}
        groups.setdefault(repr((sorted(settings.items(), key=str), _made_of(run))), []).append(
            place
        )
    return [
        Group(_name([runs[i] for i in places]), tuple(runs[i] for i in places), tuple(places))
        for places in groups.values()
    ]


def _made_of(run: Run) -> list[Any]:
    """Return digests of data and teacher, and the parts with their versions."""
    manifest = run.manifest
    digests = [
        part.get("sha256") if isinstance(part := manifest.get(name), Mapping) else None
        for name in ("data", "teacher", "init")
    ]
    return [*digests, manifest.get("components")]


def _name(runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        return runs[0].name
    columns = zip(*(run.name for run in runs), strict=False)
    letters = takewhile(lambda column: len(set(column)) == 1, columns)
    common = "".join(column[0] for column in letters).rstrip("0123456789").rstrip("-_./ ")
    return f"{common or runs[0].name} ({len(runs)} seeds)"


def over_seeds(values: Sequence[Value | None]) -> Value | None:
    """Return the mean over seeds with Student's 95 % interval; a single value stays unchanged.

    `n` is the number of seeds. None if a seed has no value.
    """
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return None
    if len(known) == 1:
        return known[0]
    numbers = [value.value for value in known]
    mean = statistics.fmean(numbers)
    quantile = _T[len(numbers) - 2] if len(numbers) - 2 < len(_T) else 1.96
    half = quantile * statistics.stdev(numbers) / math.sqrt(len(numbers))
    return replace(known[0], value=mean, low=mean - half, high=mean + half, n=len(numbers), p=None)


def mean_curve(curves: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Return the mean of curves point by point, up to the end of the shortest."""
    return [
        (statistics.fmean(x for x, _ in points), statistics.fmean(y for _, y in points))
        for points in zip(*curves, strict=False)
    ]


def doubts(groups: Sequence[Group], logged: bool) -> list[str]:
    """Return remarks on why the groups may not be comparable.

    With `logged` they are compared by the bits per character of their logs.
    """
    remarks = []
    if logged and len({group.runs[0].evaluated_on for group in groups}) > 1:
        remarks.append(
            "bits_per_character were logged on different pieces or crops, so they cannot be "
            "compared: --data DIR measures all runs on the same."
        )
    if len({_trained_on(group.runs[0]) for group in groups}) > 1:
        remarks.append("The runs were trained on different data.")
    for group in groups:
        for run in group.runs:
            reached = run.share_of_budget
            if reached is not None and reached < 0.995:
                remarks.append(f"{run.name} stopped at {reached:.0%} of its length.")
    if len(groups) > 1 and not any(_alike(groups, name) for name in MEASURES):
        budgets = "; ".join(f"{group.name}: {_budget(group.runs[0])}" for group in groups)
        remarks.append(
            "The runs have no common budget of steps, characters or time, so a "
            f"difference may be one of length ({budgets})."
        )
    return remarks


MEASURES = {"step": "steps", "characters": "characters", "cpu_seconds": "CPU s", "seconds": "s"}
NEAR = 0.05
"""Largest difference of budgets that count as the same."""


def _alike(groups: Sequence[Group], name: str) -> bool:
    found = [run.last(name) for group in groups for run in group.runs]
    known = [value for value in found if value]
    return len(known) == len(found) and max(known) <= (1 + NEAR) * min(known)


def _budget(run: Run) -> str:
    figures = [(run.last(name), unit) for name, unit in MEASURES.items()]
    return ", ".join(f"{value:,.0f} {unit}" for value, unit in figures if value is not None)


def _trained_on(run: Run) -> Any:
    data = run.manifest.get("data")
    return data.get("sha256") if isinstance(data, Mapping) else data
