"""Validity: what is planted is found, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picogen_core import PieceFacts, Undefined
from picogen_core.abc.reading.notes import split_tunes
from picogen_core.score.helper import Converter
from picogen_core.score.reading import Piece, ScoreText, piece_from_abc, read_score
from picogen_core.testing import metric_checks
from picogen_metrics.validity import align_bars, announced_bars, complete_voices
from picogen_metrics.validity_metric import ValidityMetric, ValidityOptions

HEAD = "L:1/8\nM:4/4\nK:C\nV:1\nV:2\nV:3\n"
ENDING_INSIDE_A_BAR = """X:1
M:12/8
L:1/8
K:D
F2D DFD DFD DFD|E2A, A,EA, A,EA, A,EA,|Bcd edc [1 d2B A2G:|[2 d2z d2z||
A|f2d def gag fgf|ecA AcA ecA AcA| ecA ABc [1 d2z d2z:|[2 d2B A2G|]
"""
QUICK = ValidityMetric(ValidityOptions(convert=False))
WHOLE = ValidityMetric(ValidityOptions())


@metric_checks("validity", options={"convert": False})
def test_the_kit(check: Any) -> None:
    check()


@pytest.mark.parametrize(
    ("body", "bars", "wrong"),
    [
        ("[V:1]C8|[V:2]C8|\n[V:1]C8|[V:2]C4 C4|\n", 2, ()),
        ("[V:1]C8|[V:2]C7|\n[V:1]C8|[V:2]C8|\n", 2, (1,)),
        ("[r:0/1][V:1]C2|[V:2]C2|\n[r:1/0][V:1]C8|[V:2]C8|\n", 2, ()),  # a pickup is no error
        ("[V:1]C8|[V:3]C8|\n[V:2]C8|[V:3]C8|\n", 2, ()),  # absent voices have rested
        ("[V:1]C8|[V:2]C8|[V:3]C8|\n[V:2]C8|[V:3]C6|\n", 2, (2,)),
        ("[V:1]C8|D8|[V:2]C8|D8|\n", 2, ()),
        ("[V:1]C8|D8|[V:2]C8|\n", 2, (2,)),  # a bar is missing
        ("[V:1](3CDE F6|[V:2]C3>D3 E2|\n[V:1]C8|[V:2]z8|\n", 2, ()),
        ("[V:1]{g}C8|[V:2]C8|\n[V:1]C4:|[V:2]C4:|\n[V:1]C4|[V:2]C4|\n", 3, ()),
        ("[V:1][M:3/4]C6|[V:2][M:3/4]C6|\n[V:1][1C6:|[V:2][1C6:|\n", 2, ()),
        ("V:1\nC8|D8|\nV:2\nC8|D6|\nV:1\nE8|\nV:2\nE8|\n", 3, (2,)),
        ("V:1\nZ2|\nV:2\nC8|D8|\n", 2, ()),
        ("V:1\nC8|D8|E8|\nV:2\nC8|D4|D4|E8|\n", 4, ()),  # a barline more is no error
        ("V:1\nC8|D8|E8|\nV:2\nC8|D8|\n", 3, (3,)),
        ("[V:1]C4 & E2|D4|[V:2]C4|D4|\n", 2, ()),
    ],
)
def test_bars_that_disagree(body: str, bars: int, wrong: tuple[int, ...]) -> None:
    found = align_bars(piece_from_abc("a", HEAD + body).bars)
    assert (found.bars, found.wrong) == (bars, wrong)


def test_every_planted_bar_is_found_and_no_other() -> None:
    rng = random.Random(0)
    for planted in range(40):
        lines = [f"[V:1]{'CDEF' * 2}|[V:2]{'GA' * 4}|[V:3]c8|" for _ in range(16)]
        bar, voice = rng.randrange(16), rng.choice(["GA" * 4, "c8"])
        broken = {"GA" * 4: "GA" * 3 + "G", "c8": rng.choice(["c7", "c9", "c15/2", "(3c8"])}[voice]
        lines[bar] = lines[bar].replace(voice, broken)
        found = align_bars(piece_from_abc("a", HEAD + "\n".join(lines)).bars)
        assert found.wrong == (bar + 1,), (planted, lines[bar])


def xml(*parts: str) -> bytes:
    def part(number: int, measures: str) -> str:
        return f'<part id="P{number}">{measures}</part>'

    body = "".join(part(i, measures) for i, measures in enumerate(parts))
    return f'<score-partwise version="4.0">{body}</score-partwise>'.encode()


def measure(*durations: int, voice: int = 1, back: int = 0) -> str:
    notes = "".join(
        f"<note><pitch><step>C</step><octave>4</octave></pitch><duration>{d}</duration>"
        f"<voice>{voice}</voice></note>"
        for d in durations
    )
    return (f"<backup><duration>{back}</duration></backup>" if back else "") + notes


def bars(*inner: str) -> str:
    start = "<attributes><divisions>1</divisions></attributes>"
    return "".join(
        f"<measure>{start if not i else ''}{text}</measure>" for i, text in enumerate(inner)
    )


@pytest.mark.parametrize("encoding", ["UTF-16", "ISO-8859-1", "UTF-8"])
def test_musicxml_is_valid_in_any_encoding(encoding: str) -> None:
    with Converter() as converter:
        xml = converter.to_musicxml("X:1\nT:Élan\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|]\n").decode()
    body = xml[xml.index("?>") + 2 :]
    data = f"<?xml version='1.0' encoding='{encoding}' standalone='no'?>{body}".encode(encoding)
    piece = read_score(ScoreText("a.musicxml", data))
    assert isinstance(piece, Piece)
    row = WHOLE.measure(piece)
    assert row["valid"] and row["schema_valid"], row["why"]


def test_musicxml_is_compared_measure_by_measure() -> None:
    two = measure(4) + measure(2, 2, voice=2, back=4)
    short = measure(4) + measure(2, voice=2, back=4)
    moved = short + "<forward><duration>2</duration></forward>"
    for parts, wrong in (
        ((bars(measure(1), two), bars(measure(1), measure(4))), ()),
        ((bars(two, measure(4)), bars(measure(4), measure(3))), (2,)),
        ((bars(two, short), bars(measure(4), measure(4))), (2,)),
        ((bars(two, moved), bars(measure(4), measure(4))), ()),
    ):
        piece = read_score(ScoreText("a.xml", xml(*parts)))
        assert isinstance(piece, Piece)
        assert align_bars(piece.bars).wrong == wrong


def test_incomplete_voices_of_musicxml_are_valid() -> None:
    short = measure(4) + measure(2, voice=2, back=4)
    for parts, valid in (
        ((bars(short), bars(measure(4))), True),
        ((bars(measure(4)), bars(measure(3))), False),
    ):
        piece = read_score(ScoreText("a.xml", xml(*parts)))
        assert isinstance(piece, Piece)
        assert (align_bars(complete_voices(piece.bars)).wrong == ()) is valid
        assert QUICK.measure(piece)["aligned"] is valid


def test_bars_are_as_the_counters_announce() -> None:
    lines = [f"[r:{i}/{3 - i}][V:1]C8|[V:2]C8|\n" for i in range(4)]
    assert announced_bars(HEAD + "".join(lines)) == (4, 4)
    assert announced_bars(HEAD + "".join(lines[:3])) == (3, 4)
    assert announced_bars(HEAD + "[V:1]C8|\n") is None


def test_a_piece_is_in_meter_if_all_its_bars_are() -> None:
    head = "M:3/4\nL:1/4\nK:C\n"
    bodies = ["CDE|CDE|]", "CDE|CD|CDE|CDE|", "CDEF|CDE|", "[M:none]C|C|"]
    rows = [QUICK.measure(piece_from_abc("a", head + body)) for body in bodies]
    assert [row["pieces_in_meter"] for row in rows] == [True, False, False, None]
    summary = QUICK.summarise(rows, None, np.random.default_rng(0))
    values = summary.values
    assert summary.usual == "oneills"
    assert values["pieces_in_meter"].value == pytest.approx(100 / 3)
    faults = {name: value.value for name, value in values.items() if name.startswith("out of")}
    assert faults == {"out of meter: long": 1 / 3, "out of meter: short": 1 / 3}
    assert list(values)[:3] == ["valid", "meter_agreement", "pieces_in_meter"]
    assert summary.more_headlines == ("meter_agreement", "repairs", "pieces_in_meter")


def test_real_tunes_are_valid(oneill_texts: Callable[[], list[str]]) -> None:
    tunes = oneill_texts()
    rows = [QUICK.measure(piece_from_abc("a", tune)) for tune in tunes]
    assert len(rows) == 150 and all(row["valid"] for row in rows)
    judged = [WHOLE.measure(piece_from_abc("a", t)) for t in (*tunes[:2], ENDING_INSIDE_A_BAR)]
    assert all(row["converts"] and row["schema_valid"] and row["valid"] for row in judged)


def test_conversion_is_judged_without_repair() -> None:
    good = "X:1\nM:4/4\nL:1/4\nK:G\n[V:1]GABc|\n[V:1]d4|]\n"
    dialect = "X:1\nM:4/4\nL:1/8\nK:D\n[V:1] A2|d8|\n[V:2] F2|A8|\n%\n[V:1] e8|\n[V:2] c8|\n"
    for text in (good, dialect):
        assert WHOLE.measure(piece_from_abc("a", text))["why"] == []
    hostile = WHOLE.measure(piece_from_abc("a", "X:1\nK:C\nCDEF Z9999|\n"))
    assert not hostile["converts"] and not hostile["valid"] and hostile["why"]


def test_a_folder_with_what_cannot_be_read() -> None:
    whole, short = "[V:1]C8|[V:2]C8|\n", "[V:1]C8|[V:2]C7|\n"
    raw = HEAD + "[r:0/1]" + short
    record = {"raw": raw, "repairs": [{"name": "align bars", "count": 3, "detail": ""}]}
    rows = [
        QUICK.measure(piece_from_abc("a", HEAD + whole * 3)),
        QUICK.measure(piece_from_abc("b", HEAD + whole, record)),
        QUICK.measure(Piece("c", "", {}, fault="no ABC")),
    ]
    assert rows[2] == {"valid": False, "converts": False, "why": ["no ABC"]}
    summary = QUICK.summarise(rows, None, np.random.default_rng(0))
    values = summary.values
    assert (values["valid"].value, values["valid"].n) == (pytest.approx(100 / 3), 3)
    assert (values["aligned"].value, values["aligned"].n) == (50, 2)
    error = values["bar_alignment_error"]
    assert (error.value, error.unit, error.n, error.better) == (25, "%", 4, "lower")
    assert (values["bars_as_announced"].value, values["bars_as_announced"].n) == (0, 1)
    assert (values["repairs"].value, values["repairs: align bars"].value) == (3, 3)
    facts = {"valid": False, "bars_in_meter": "2 of 2", "repairs": 3}
    assert summary.pieces[1] == PieceFacts(facts, ["voices differ in bars 1"])
    assert summary.notes == ["1 of 3 pieces are judged before repair, by the JSON beside them"]
    assert set(summary.absent) == {"converts", "schema_valid"} - set(values)
    assert summary.usual == "bach"
    with pytest.raises(Undefined, match="no notes"):
        QUICK.measure(Piece("d", "X:1\nK:C\n", {}))


def test_a_piece_is_judged_before_repair() -> None:
    head = "L:1/4\nM:3/4\nK:C\nV:1\n"
    mended = piece_from_abc("a", "X:1\n" + head + "[V:1]CDE|\n" * 4)

    def row(raw: str, **more: object) -> dict[str, Any]:
        record = {"raw": raw, "repairs": [], **more}
        return dict(WHOLE.measure(Piece("a", mended.text, mended.voices, mended.bars, record)))

    lines = [f"[r:{i}/{3 - i}][V:1]CDE|\n" for i in range(4)]
    good = row(head + "".join(lines))
    assert (good["valid"], good["in_meter"], good["repairs"]) == (True, [4, 4], 0)
    assert good["bars_as_announced"]
    wrong = row(head + "".join(lines).replace("1][V:1]CDE", "1][V:1]CDEF"))
    assert (wrong["in_meter"], wrong["pieces_in_meter"]) == ([3, 4], False)
    cut = row(head + "".join(lines[:3]) + "[r:3/0][V:1]C", complete=False)
    assert (cut["valid"], cut["in_meter"], cut["bars_as_announced"]) == (True, [3, 3], False)
    empty = row("M:3/4\nK:C\n")
    assert (empty["valid"], empty["why"]) == (False, ["before repair: no notes in it"])
    assert WHOLE.measure(mended)["repairs"] is None


def test_a_draft_out_of_all_proportion_is_not_valid() -> None:
    raw = "L:1/4\nM:4/4\nK:C\nV:1\n[V:1]C2222222222|\n[V:1]CD[1EF:|\n[V:1][2E2F2|]\n"
    row = WHOLE.measure(piece_from_abc("a", "X:1\nK:C\nCDEF|\n", {"raw": raw}))
    assert (row["valid"], row["why"]) == (False, ["a <duration> is out of all proportion"])


@pytest.fixture
def oneill_texts() -> Callable[[], list[str]]:
    def read() -> list[str]:
        import music21

        folder = Path(music21.__file__).parent / "corpus" / "oneills1850"
        files = sorted(folder.glob("*.abc"))
        text = "".join(file.read_text("utf-8", "replace") + "\n\n" for file in files[18:22])
        return split_tunes(text)[:150]

    return read


def test_lengths_are_exact() -> None:
    third = piece_from_abc("a", HEAD + "[V:1](3CDE(3CDE C4|[V:2]C8|\n").bars
    assert [bar.length for bar in third["1"]] == [Fraction(4)] and not align_bars(third).wrong
