"""What a metric says of a folder: values, plots, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Value:
    """A number with its unit, its direction, its count and its 95 % interval where there is one.

    reference:  the same number of real music, with its interval; for a distance, how far pieces
                drawn from the reference itself are from it.
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
    """Numbers to draw, for a report: a line over numbers `x`, or bars over names.

    low, high:  the 95 % interval of each y, if there is one; likewise of the reference.
    log:        both axes are logarithmic.
    None is where there is no number.
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
    """A square of numbers from 0 to 1; None where there is none. `label` is of both axes."""

    title: str
    label: str
    cells: Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class Summary:
    """A folder in numbers. `unused` counts the pieces that could not be used, by reason.

    `pieces`, where it is not empty, says of each row, in order, what only the whole folder or the
    reference tells: plain JSON values. Two of its keys mean something to a report: `why`, a list,
    says why a piece has failed, and the number called `order`, if the summary names one, is lowest
    in the best piece. `plots` are the folder's curves and histograms, for a report.

    `more_headlines` name the values that stand beside the headline where runs are compared.
    `absent` names the values that these pieces do not have, with the reason. `usual` names the
    shipped reference whose values stand beside its own where no reference is given.
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
