"""PiCo-Gen's conformance kit on the head, the loss, the metric and the source."""

import json
from pathlib import Path

from picogen_core import build
from picogen_core.testing import head_checks, loss_checks, metric_checks, source_checks

TUNES = Path(__file__).parent / "three.jsonl"


@head_checks("bigram")
def test_bigram(check):
    check()


@loss_checks("entropy")
def test_entropy(check):
    check()


@metric_checks("leaps")
def test_leaps(check):
    check()


@source_checks("jsonl", which=TUNES)
def test_jsonl(check):
    check()


def test_a_line_without_abc_costs_only_itself(tmp_path):
    rows = [*TUNES.read_text().splitlines(), "{", json.dumps({"title": "Air"})]
    (tmp_path / "tunes.jsonl").write_text("\n".join(rows))
    pieces = list(build("source", "jsonl", {"licence": "CC0"})(str(tmp_path / "tunes.jsonl")))
    assert [bool(piece.fault) for piece in pieces] == [False, False, False, True, True]
    assert pieces[4].fault == "line 5 has no 'abc': KeyError('abc')"
    assert {piece.licence for piece in pieces} == {"CC0"}
