"""Bar-alignment error: what counts as a bar whose voices disagree."""

from __future__ import annotations

import numpy as np
import pytest
from picogen_core import Undefined
from picogen_core.pieces import Piece, piece_from_abc
from picogen_metrics.alignment import AlignmentMetric, AlignmentOptions, count_misaligned

HEAD = "L:1/8\nM:4/4\nK:C\nV:1\nV:2\nV:3\n"
METRIC = AlignmentMetric(AlignmentOptions())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[V:1]C8|[V:2]C8|\n[V:1]C8|[V:2]C4 C4|\n", (2, 0)),
        ("[V:1]C8|[V:2]C7|\n[V:1]C8|[V:2]C8|\n", (2, 1)),
        ("[r:0/1][V:1]C2|[V:2]C2|\n[r:1/0][V:1]C8|[V:2]C8|\n", (2, 0)),  # a pickup is no error
        ("[V:1]C8|[V:3]C8|\n[V:2]C8|[V:3]C8|\n", (2, 0)),  # absent voices have rested
        ("[V:1]C8|[V:2]C8|[V:3]C8|\n[V:2]C8|[V:3]C6|\n", (2, 1)),
        ("[V:1]C8|D8|[V:2]C8|D8|\n", (2, 0)),
        ("[V:1]C8|D8|[V:2]C8|\n", (2, 1)),  # a bar is missing
        ("[V:1](3CDE F6|[V:2]C3>D3 E2|\n[V:1]C8|[V:2]z8|\n", (2, 0)),
        ("V:1\nC8|D8|\nV:2\nC8|D6|\nV:1\nE8|\nV:2\nE8|\n", (3, 1)),
        ("V:1\nZ2|\nV:2\nC8|D8|\n", (2, 0)),
        ("[V:1]C4 & E2|D4|[V:2]C4|D4|\n", (2, 0)),
    ],
)
def test_bars_that_disagree(body: str, expected: tuple[int, int]) -> None:
    assert count_misaligned(HEAD + body) == expected


def test_a_folder_is_the_share_of_all_its_bars() -> None:
    good = METRIC.measure(piece_from_abc("a", HEAD + "[V:1]C8|[V:2]C8|\n" * 3))
    bad = METRIC.measure(piece_from_abc("b", HEAD + "[V:1]C8|[V:2]C7|\n"))
    assert (good, bad) == ({"bars": 3, "misaligned": 0}, {"bars": 1, "misaligned": 1})
    summary = METRIC.summarise([good, bad], [good], np.random.default_rng(0))
    value = summary.values["bar_alignment_error"]
    assert (value.value, value.unit, value.n, value.better, value.reference) == (
        25, "%", 4, "lower", 0,
    )  # fmt: skip
    assert (value.low, value.high) == (0, 100)


def test_it_is_undefined_for_one_voice_and_for_musicxml() -> None:
    with pytest.raises(Undefined, match="one voice"):
        METRIC.measure(piece_from_abc("a", "K:C\nCDE & C|"))
    voices = piece_from_abc("a", HEAD + "[V:1]C8|[V:2]C8|\n").voices
    with pytest.raises(Undefined, match="MusicXML"):
        METRIC.measure(Piece("a.xml", "<?xml version='1.0'?><score-partwise/>", voices))
