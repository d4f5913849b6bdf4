"""The properties of a metric."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from picogen_core.errors import PicogenError, Undefined
from picogen_core.evaluation.summaries import Summary, Value
from picogen_core.plugins.protocols import Row
from picogen_core.plugins.registry import Entry
from picogen_core.score.reading import Piece
from picogen_core.testing.configs import CONFIG_CHECKS
from picogen_core.testing.kit import Check
from picogen_core.testing.samples import EMPTY


@dataclass(frozen=True)
class MetricSubject:
    """A metric, its options and pieces for which it is defined."""

    entry: Entry[Any]
    options: Mapping[str, Any]
    pieces: tuple[Piece, ...]

    def build(self) -> Any:
        return self.entry.build(self.options)

    def rows(self) -> list[Row]:
        """Return a row of each piece."""
        metric = self.build()
        return [metric.measure(piece) for piece in self.pieces]

    def summarise(self, rows: Sequence[Row], seed: int = 0, beside: bool = False) -> Summary:
        """Return the summary, compared with all pieces if it needs a reference, or `beside`."""
        import numpy as np

        needs = "reference" in self.entry.spec.needs
        reference = self.rows() if needs or beside else None
        summary = self.build().summarise(rows, reference, np.random.default_rng(seed))
        assert isinstance(summary, Summary), f"returned a {type(summary).__name__}, no Summary"
        return summary


def measures_plain_rows(subject: MetricSubject) -> None:
    """A row is JSON and comes back equal, so that it can be cached: no NaN, tuple or array."""
    for piece, row in zip(subject.pieces, subject.rows(), strict=True):
        assert json.loads(json.dumps(row, allow_nan=False)) == row, f"{piece.name}: {row}"


def measures_the_same_twice(subject: MetricSubject) -> None:
    """A piece gives the same row each time, in any order of pieces."""
    backwards = [subject.build().measure(piece) for piece in reversed(subject.pieces)]
    assert subject.rows() == backwards[::-1], "a piece gave two different rows"


def is_undefined_for_nothing(subject: MetricSubject) -> None:
    """A piece without notes raises `Undefined`, with a reason, instead of giving 0.0."""
    try:
        row = subject.build().measure(EMPTY)
    except Undefined as error:
        assert str(error), "Undefined without a reason"
        return
    raise AssertionError(f"measured {row} on a piece without notes; raise Undefined")


def gives_numbers_with_units(subject: MetricSubject) -> None:
    """Each value is finite and has a unit, a count and a valid interval."""
    _check_values(subject.summarise(subject.rows()))


def takes_a_reference(subject: MetricSubject) -> None:
    """Beside real music too, each value is finite and has a unit, a count and a valid interval.

    Every metric gets the rows of `--reference` if a user gives one.
    """
    _check_values(subject.summarise(subject.rows(), beside=True))


def _check_values(summary: Summary) -> None:
    assert summary.values, "the summary of the sample pieces is empty"
    for name, value in summary.values.items():
        assert isinstance(value, Value), f"{name} is a {type(value).__name__}, not a Value"
        assert value.unit, f"{name} has no unit"
        assert isinstance(value.n, int) and value.n > 0, f"{name} has n = {value.n}"
        assert math.isfinite(value.value), f"{name} is {value.value}"
        assert (value.low is None) == (value.high is None), f"{name} has half an interval"
        if value.low is not None and value.high is not None:
            assert value.low <= value.high, f"{name} has the interval [{value.low}, {value.high}]"


def headline_keeps_the_spec(subject: MetricSubject) -> None:
    """The headline is one of the values, in the unit and the direction of the spec."""
    summary, spec = subject.summarise(subject.rows()), subject.entry.spec
    assert summary.headline is not None and summary.headline in summary.values, (
        f"headline {summary.headline!r} is none of {', '.join(summary.values)}"
    )
    value = summary.values[summary.headline]
    assert value.unit == spec.unit, f"the headline is in {value.unit!r}, the spec in {spec.unit!r}"
    assert value.better in (None, spec.better), f"better {value.better}, the spec: {spec.better}"


def ignores_the_order_of_rows(subject: MetricSubject) -> None:
    """Rows in another order give the same values and counts; intervals may vary by chance."""
    rows = subject.rows()
    forwards, backwards = subject.summarise(rows), subject.summarise(rows[::-1])
    assert forwards.values.keys() == backwards.values.keys()
    for name, value in forwards.values.items():
        other = backwards.values[name]
        close = math.isclose(value.value, other.value, rel_tol=1e-6, abs_tol=1e-9)
        assert close and value.n == other.n, f"{name} is {value}, then {other}"


def summarises_the_same_twice(subject: MetricSubject) -> None:
    """Randomness comes from the generator alone: its seed fixes the summary."""
    rows = subject.rows()
    first, second = subject.summarise(rows), subject.summarise(rows)
    assert first == second, f"{first} became {second}"


def summarises_cached_rows(subject: MetricSubject) -> None:
    """Rows read back from JSON give the same summary."""
    rows = subject.rows()
    cached = json.loads(json.dumps(rows))
    assert subject.summarise(cached) == subject.summarise(rows), "cached rows change the summary"


def makes_nothing_of_nothing(subject: MetricSubject) -> None:
    """No rows give no values, or a readable error; never a number."""
    try:
        summary = subject.summarise([])
    except (Undefined, PicogenError):
        return
    assert not summary.values, f"no rows at all gave {dict(summary.values)}"


CHECKS: Sequence[Check] = (
    measures_plain_rows,
    measures_the_same_twice,
    is_undefined_for_nothing,
    gives_numbers_with_units,
    takes_a_reference,
    headline_keeps_the_spec,
    ignores_the_order_of_rows,
    summarises_the_same_twice,
    summarises_cached_rows,
    makes_nothing_of_nothing,
    *CONFIG_CHECKS,
)
