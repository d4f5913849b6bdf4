"""Summaries of a folder by a metric: values, plots, and how they are shown."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Value:
    """A number with its unit, its direction, its count and its 95 % interval if there is one.

    reference:  the same number of real music, with its interval; for a distance, that of pieces
                drawn from the reference itself.
    p:          probability of a difference from the reference as large as this by chance alone.
    detail:     for plots; tables leave it out.
    """

    value: float
    unit: str
    n: int
    low: float | None = None
    high: float | None = None
    better: Literal["higher", "lower", "closer"] | None = None
    reference: float | None = None
    reference_low: float | None = None
    reference_high: float | None = None
    p: float | None = None
    detail: bool = False


def with_interval(value: Value) -> str:
    """Return text like `1.354 [1.324, 1.377]`, `1.354` without an interval, or `undefined`."""
    if value.low is None or value.high is None:
        return short(value.value)
    return f"{short(value.value)} [{short(value.low)}, {short(value.high)}]"


def short(number: float) -> str:
    """Return a number with three digits after the point, one from 10 on; `undefined` for NaN."""
    if math.isnan(number):
        return "undefined"
    return f"{number:.3f}" if abs(number) < 10 else f"{number:.1f}"


@dataclass(frozen=True)
class Plot:
    """A plot for a report: a line over numbers `x`, or bars over names.

    low, high:  the 95 % interval of each y, if there is one; likewise of the reference.
    log:        both axes are logarithmic.
    None stands for a missing number.
    """

    title: str
    x_label: str
    y_label: str
    x: Sequence[float | str]
    y: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    reference: Sequence[float | None] = ()
    reference_low: Sequence[float | None] = ()
    reference_high: Sequence[float | None] = ()
    log: bool = False


@dataclass(frozen=True)
class HeatMap:
    """A square of numbers from 0 to 1; None is a missing one. `label` is that of both axes."""

    title: str
    label: str
    cells: Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class PieceFacts:
    """Facts of a piece that depend on the whole folder or the reference, for reports.

    values: plain JSON values by name.
    why:    the reasons of its failure, one line each; None if the metric fails no pieces.
    rank:   lowest in the best piece; None if the metric does not order it.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    why: Sequence[str] | None = None
    rank: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the values, and `why` among them."""
        return {**self.values, **({} if self.why is None else {"why": list(self.why)})}

    def __getitem__(self, name: str) -> Any:
        """Return a value by name, as in 0.1, where the facts were a mapping."""
        warnings.warn(
            "facts of a piece are a picogen_core.PieceFacts: read `facts.values[name]` or "
            "`facts.why` in place of `facts[name]`, which ends with 0.3",
            FutureWarning,
            stacklevel=2,
        )
        return self.as_json()[name]


@dataclass(frozen=True)
class Summary:
    """A folder in numbers.

    unused:  counts of the pieces that could not be used, by reason.
    pieces:  facts of each row, in order, that depend on the whole folder or the reference.
    order:   the value of `pieces` that is their `rank`.
    plots:   the folder's curves and histograms, for a report.
    more_headlines: values to show beside the headline when runs are compared.
    absent:  values that these pieces do not have, with the reason.
    usual:   the shipped reference to show if none is given.
    """

    values: Mapping[str, Value]
    unused: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    headline: str | None = None
    pieces: Sequence[PieceFacts] = ()
    plots: Mapping[str, Plot] = field(default_factory=dict)
    order: str | None = None
    more_headlines: Sequence[str] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    usual: str | None = None

    def __post_init__(self) -> None:
        if all(isinstance(facts, PieceFacts) for facts in self.pieces):
            return
        warnings.warn(
            "Summary.pieces holds PieceFacts(values, why, rank), of picogen_core, in place of "
            "mappings with the keys `why` and `order`; these are taken until 0.3",
            FutureWarning,
            stacklevel=3,
        )
        pieces = [_typed(facts, self.order) for facts in self.pieces]
        object.__setattr__(self, "pieces", pieces)


def _typed(facts: PieceFacts | Mapping[str, Any], order: str | None) -> PieceFacts:
    """Return the facts of 0.1 in the form of 0.2."""
    if isinstance(facts, PieceFacts):
        return facts
    values = dict(facts)
    why, rank = values.pop("why", None), values.get(order or "")
    known = isinstance(rank, int | float)
    return PieceFacts(
        values, tuple(why) if isinstance(why, list | tuple) else None, rank if known else None
    )
