"""Summaries of a folder by a metric: values, plots, and how they are shown."""

from __future__ import annotations

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
class Summary:
    """A folder in numbers.

    unused:  counts of the pieces that could not be used, by reason.
    pieces:  facts of each row, in order, that depend on the whole folder or the reference: plain
             JSON values. A report reads two of them. `why` lists the reasons of a piece's failure.
             The number named by `order`, if any, is lowest in the best piece.
    plots:   the folder's curves and histograms, for a report.
    more_headlines: values to show beside the headline when runs are compared.
    absent:  values that these pieces do not have, with the reason.
    usual:   the shipped reference to show if none is given.
    """

    values: Mapping[str, Value]
    unused: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    headline: str | None = None
    pieces: Sequence[Mapping[str, Any]] = ()
    plots: Mapping[str, Plot] = field(default_factory=dict)
    order: str | None = None
    more_headlines: Sequence[str] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    usual: str | None = None
