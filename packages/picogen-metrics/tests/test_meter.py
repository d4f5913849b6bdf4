"""Which bars keep their meter, by what is played one after the other."""

from __future__ import annotations

import pytest
from picogen_core.score.reading import piece_from_abc
from picogen_core.score.xml.notes import read_xml_notes
from picogen_metrics.meter import meter_agreement, meter_faults

HEAD = "M:3/4\nL:1/4\nK:C\n"


def agreement(body: str) -> tuple[int, int]:
    return meter_agreement(piece_from_abc("a", HEAD + body).bars)


@pytest.mark.parametrize(
    ("body", "good", "count"),
    [
        ("C|CDE|CDE|CD|]", 4, 4),  # the first and the last
        ("CDE|CDEF|[M:4/4]CDEF|CDEFG|CDEF|", 3, 5),
        ("[M:none]CDE|CD|", 0, 0),
        ("CDE|CD|E|CDE|CDE|", 3, 5),  # a plain barline cuts no bar in two
        ("CDE|CD||E|CDE|CDE|", 5, 5),
        ("CDE|CD:|:E|CDE|CDE|", 5, 5),
        ("CDE|CD:| |:E|CDE|CDE|", 5, 5),
        ("CDE|!fermata!CD|E|CDE|CDE|", 3, 5),  # it is not on the last note
        ("CDE|C!fermata!D|E|CDE|CDE|", 5, 5),
        ("CDE|CHD|E|CDE|CDE|", 5, 5),
        ("CDE|CHD|DE|CDE|CDE|", 3, 5),
        # What a repeat leads back to, not what stands behind it.
        ("C|CDE|CD:|DE|CDE|C:|", 6, 6),
        ("C|CDE|CD:|DE|CDE|CDE:|", 6, 6),  # a pickup is played in the time of the whole bar
        ("CDE|CDE|CD:|DE|CDE|CDE|", 4, 6),  # neither is completed
        ("|:C|CDE|CD:|CDE|CDE|", 5, 5),
        ("C|CDE|CDE||E|CDE|CD:|CDE|", 7, 7),
        ("CDE|CDE|CD:|CDE|CDE|", 5, 5),  # a rest is left out
        # A repeat without a start, in a piece whose first section has one.
        ("|:C|CDE|CD:|DE|CDE|C:|C|CDE|CD:|", 9, 9),
        # A section that ends with a double bar is repeated by custom.
        ("C|CDE|CD||DE|CDE|C||CDE|", 7, 7),
        # Endings: the first leads back, the second follows what stands before the first.
        ("C|CDE|1 CD:|2 CDE||CDE|", 5, 5),
        ("C|CDE|1 CD:|2 CD||E|CDE|", 6, 6),
        ("CDE|CDE|1 CD:|2 CD||DE|CDE|", 4, 6),
        ("CDE|CD|1 E|CDE:|2 E|CDE|]", 6, 6),
        ("CDE|CD|1 E|CDE:|2 DE|CDE|]", 5, 6),
        # An ending that begins within a bar.
        ("CDE|CD[1E:|[2E|CDE|]", 4, 4),
        ("CDE|CD[1E:|[2DE|CDE|]", 3, 4),
        # A rest that only carries a fermata over the barline takes no time.
        ("z|CDE|CDHx||E|CDE|CD:|", 6, 6),
        ("z|CDE|CDEHx||CDE|CDE|", 5, 5),
        ("z|CDE|CDEx||CDE|CDE|", 4, 5),
        # A change of meter: the halves belong to the one or to the other.
        ("C|CDE|CD||[M:4/4]E|CDEF|CDEF|", 6, 6),
    ],
)
def test_a_short_bar_is_an_end_or_one_half(body: str, good: int, count: int) -> None:
    assert agreement(body) == (good, count)


def test_the_kinds_of_faults() -> None:
    bars = piece_from_abc("a", HEAD + "CDE|CDEF|CD|CDE|CDE|C:|E|CDE|CDE|").bars
    assert meter_faults(bars) == {"cut": 2, "long": 1, "short": 1}


def test_signs_and_rests_of_the_other_voices_count() -> None:
    voices = "M:3/4\nL:1/4\nK:C\nV:1\nV:2\n"
    lines = ["[V:1]CDE|[V:2]CDE|", "[V:1]C!fermata!D|[V:2]CD|", "[V:1]E|[V:2]E|"]
    piece = piece_from_abc("a", voices + "\n".join([*lines, *lines[:1]]) + "\n")
    assert meter_agreement(piece.bars) == (8, 8)
    lines = ["[V:1]C|[V:2]C|", "[V:1]CDE|[V:2]CDE|", "[V:1]CD:|", "[V:1]E|[V:2]E|", "[V:1]CDE|"]
    rests = piece_from_abc("a", voices + "\n".join([*lines, lines[1]]) + "\n")
    assert meter_agreement(rests.bars) == (10, 10)


def test_barlines_and_endings_of_musicxml() -> None:
    def measure(quarters: int, barlines: str = "") -> str:
        note = (
            f"<note><pitch><step>C</step><octave>4</octave></pitch><duration>{quarters}</duration>"
            "</note>"
        )
        return f"<measure>{barlines}{note}</measure>"

    back = '<barline location="right"><repeat direction="backward"/></barline>'
    forth = '<barline location="left"><repeat direction="forward"/></barline>'
    ending = '<barline location="left"><ending number="{}" type="start"/></barline>'
    double = '<barline location="right"><bar-style>light-light</bar-style></barline>'
    start = (
        "<attributes><divisions>1</divisions><time><beats>3</beats><beat-type>4</beat-type></time>"
        "</attributes>"
    )
    inner = [
        measure(1, start),
        measure(3),
        measure(2, ending.format(1) + back),
        measure(3, ending.format(2) + double),
        measure(3, forth),
    ]
    part = f'<part id="P1">{"".join(inner)}</part>'
    voices = read_xml_notes(f"<score-partwise>{part}</score-partwise>".encode())[2]
    bars = voices["P1:1"]
    assert [bar.right for bar in bars] == ["|", "|", ":|", "|| |:", "|"]
    assert [bar.ending for bar in bars] == ["", "", "1", "2", ""]
    assert meter_agreement(voices) == (5, 5)
