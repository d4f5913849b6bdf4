"""Metrics of 0.1 are taken with a warning: no base class, magic keys, a list for a reference."""

from typing import Any

import numpy as np
import pytest
from picogen_core import CONDENSED, Condensed, HeatMap, Metric, PieceFacts, Summary, Value
from picogen_core.evaluation.measuring import OldMetric
from picogen_core.score.reading import Piece, piece_from_abc

PIECE = piece_from_abc("a", "L:1/4\nK:C\nCDEF|\n")


class Bare:
    def measure(self, piece: Piece) -> dict[str, Any]:
        return {"voices": len(piece.voices)}

    def summarise(self, rows: Any, reference: Any, rng: Any) -> Summary:
        known = reference[0][CONDENSED]["voices"] if reference else 0
        return Summary({"voices": Value(float(len(rows) + known), "voices", len(rows))})


class Drawing(Bare):
    def condense(self, rows: Any, rng: Any) -> dict[str, Any]:
        return {"voices": len(rows)}

    def figures(self, piece: Piece) -> dict[str, HeatMap]:
        return {"map": HeatMap("one", "bars", [[1.0]])}


def test_a_metric_without_the_base_is_taken():
    with pytest.warns(FutureWarning, match=r"here: write `class Bare\(picogen_core\.Metric\)`"):
        metric = OldMetric(Bare(), "here")
    rng = np.random.default_rng(0)
    assert isinstance(metric, Metric) and metric.measure(PIECE) == {"voices": 1}
    assert metric.summarise([{}], Condensed({"voices": 4}), rng).values["voices"].value == 5
    assert metric.summarise([{}], None, rng).values["voices"].value == 1
    assert metric.condense([{}], rng) is None and metric.figures(PIECE) == {}


def test_methods_that_were_looked_for_are_used():
    with pytest.warns(FutureWarning, match="Drawing"):
        metric = OldMetric(Drawing(), "here")
    assert metric.condense([{}, {}], np.random.default_rng(0)) == {"voices": 2}
    assert metric.figures(PIECE) == {"map": HeatMap("one", "bars", [[1.0]])}


def test_a_condensed_reference_reads_as_the_list_it_was():
    with pytest.warns(FutureWarning, match=r"reference\.numbers"):
        assert Condensed({"beta": 1.5})[0][CONDENSED] == {"beta": 1.5}


def test_magic_keys_of_facts_become_fields():
    facts = [{"odd": 2.5, "why": ["too short"]}, {"odd": None}, PieceFacts({"odd": 1}, rank=1)]
    with pytest.warns(FutureWarning, match="PieceFacts"):
        summary = Summary({}, pieces=facts, order="odd")  # type: ignore[arg-type]
    assert summary.pieces == [
        PieceFacts({"odd": 2.5}, ("too short",), 2.5),
        PieceFacts({"odd": None}),
        PieceFacts({"odd": 1}, rank=1),
    ]
    assert [one.as_json() for one in summary.pieces][:2] == facts[:2]


def test_facts_read_as_the_mapping_they_were():
    facts = PieceFacts({"odd": 2.5}, ("too short",))
    with pytest.warns(FutureWarning, match=r"facts\.values"):
        assert facts["odd"] == 2.5 and facts["why"] == ["too short"]


def test_the_defaults_of_the_base():
    class Least(Metric):
        def measure(self, piece: Piece) -> dict[str, Any]:
            return {}

        def summarise(self, rows: Any, reference: Any, rng: Any) -> Summary:
            return Summary({}, pieces=[PieceFacts({"a": 1})])

    assert Least().condense([], np.random.default_rng(0)) is None
    assert Least().figures(PIECE) == {}
    with pytest.raises(TypeError, match="abstract"):
        Metric()  # type: ignore[abstract]
