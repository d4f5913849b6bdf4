"""Scores and rows of a folder take little memory, and are what they were."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from picogen_core.evaluation import kept, workers
from picogen_core.evaluation.kept import KeptRows, KeptScores, NamedRows
from picogen_core.plugins.protocols import NAME
from picogen_core.score.reading import ScoreText

ABC = "X:1\nM:4/4\nL:1/4\nK:C\nCDEF|\n"


def test_scores_are_as_they_were() -> None:
    scores = [
        ScoreText("a.abc", ABC + "T:\ud800é\n", Path("x/a.abc"), {"raw": "C|", "complete": True}),
        ScoreText("b.mxl", b"PK\x03\x04\xff", Path("x/b.mxl")),
        ScoreText("c", ABC),
    ]
    found = KeptScores()
    for score in scores:
        found.append(score)
    assert list(found) == scores and found[1:] == scores[1:]
    assert found.digests == [score.digest() for score in scores]


def test_many_scores_are_not_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "IN_MEMORY", 1_000_000)
    found = KeptScores()
    tracemalloc.start()
    for number in range(40):
        found.append(ScoreText(f"{number}.abc", "C" * 1_000_000))
    assert sum(len(score.data) for score in found) == 40_000_000
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()


def test_rows_are_kept_small_and_named_when_they_are_read() -> None:
    rows = KeptRows()
    tracemalloc.start()
    for i in (3, 1, 2):
        rows[i] = {"series": [[60 + (i + k) % 12 for k in range(100_000)]], "beta": 0.1 * i}
    assert tracemalloc.get_traced_memory()[0] < 200_000  # 2,400,000 as lists
    tracemalloc.stop()
    named = NamedRows(rows, ["w", "x", "y", "z"], [{"valid": False, NAME: "bad"}])
    assert [row[NAME] for row in named] == ["x", "y", "z", "bad"]
    assert named[0]["series"][0][:3] == [61, 62, 63] and named[0]["beta"] == 0.1
    assert named[-1]["valid"] is False and [row[NAME] for row in named[1:3]] == ["y", "z"]
    with pytest.raises(IndexError):
        named[4]


def _measure(tasks: list[Any]) -> list[str]:
    return [f"{score.name} {plan}" for score, plan in tasks]


def test_scores_are_measured_in_their_order_the_large_ones_alone() -> None:
    large = b"<score-partwise>" + bytes(30_000_000)
    scores = [ScoreText(f"{i}", large if i % 50 == 7 else ABC) for i in range(100)]
    tasks = [(score, "p") for score in scores]
    assert workers.weight(scores[7]) > 7 * workers._BUDGET // 8 > workers.weight(scores[0])
    one, other = [tasks[7]], [tasks[0]]
    assert workers._has_room([], one, 4) and not workers._has_room([one], one, 4)
    assert workers._has_room([other] * 7, other, 4) and not workers._has_room([other] * 8, other, 4)
    for jobs in (1, 2):
        found = workers.measured(iter(tasks), _measure, str, jobs)
        assert list(found) == [f"{i} p" for i in range(100)]
