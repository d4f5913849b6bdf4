from pathlib import Path

import pytest
from picogen_core import BadInput
from picogen_core.abc.interleaved.interleave import interleave, merge_barlines
from picogen_core.abc.reading.notes import melody, read_notes, split_tunes
from picogen_core.data.sources import Music21Options, read_music21

JIG = """X:7
T:A Jig
C:nobody
M:6/8
L:1/8
K:G mix
|:D|GAB "G"d2B||^cde (3fga g|1 G3 G2 :|2 G3 G3 |]
w:la la
[M:2/4] [K:D] z4 | | c4 || |:d4:|
"""


def test_tune_book_tune():
    assert interleave(JIG).splitlines() == [
        "L:1/8",
        "M:6/8",
        "K:Gmix",
        "V:1 treble",
        "[V:1]|:D|",
        '[V:1]GAB "G"d2B||',
        "[V:1]^cde (3fga g|1",
        "[V:1]G3 G2:|2",
        "[V:1]G3 G3|]",
        "[V:1][M:2/4] [K:D] z4|",
        "[V:1]c4|:",
        "[V:1]d4:|",
    ]


def test_two_voices():
    tune = 'X:1\nM:C\nK:Am\n%%score (a b)\nV:a name="Flute"\nc4|d4|\nV:b clef=bass\nz4|C,4|\n'
    assert interleave(tune).splitlines() == [
        "%%score ( 1 2 )",
        "L:1/8",
        "M:4/4",
        "K:Amin",
        'V:1 treble nm="Flute"',
        "V:2 bass",
        "[V:1]c4|[V:2]z4|",
        "[V:1]d4|[V:2]C,4|",
    ]


@pytest.mark.parametrize(
    ("barlines", "merged"),
    [
        ([":|", "|:"], "::"),
        (["||", "|"], "||"),
        (["|", "[2"], "|2"),
        ([":|", "[2"], ":|2"),
        (["|", "|]"], "|]"),
        ([":||"], ":|"),
        (["||", "|:"], "|:"),
    ],
)
def test_adjacent_barlines_are_one(barlines, merged):
    assert merge_barlines(barlines) == merged


@pytest.mark.parametrize(
    ("tune", "reason"),
    [
        ("X:1\nT:x\n", "no K: line"),
        ("X:1\nK:C\n% nothing\n", "no note"),
        ("X:1\nK:H\nabc|\n", "key"),
        ("X:1\nK:C\nab|Z99999999|\n", "rests over 999 bars"),
    ],
)
def test_refusals(tune, reason):
    with pytest.raises(BadInput, match=reason):
        interleave(tune)


@pytest.mark.parametrize("book", ["oneills", "ryans", "airds"])
def test_no_note_of_a_real_book_is_lost(book):
    for number, piece in enumerate(read_music21(book, Music21Options())):
        if number % 7 == 0:
            source = [n for voice in read_notes(piece.abc).values() for n in voice]
            made = [n for voice in read_notes(interleave(piece.abc)).values() for n in voice]
            assert [(n.onset, n.duration, n.pitch) for n in made] == [
                (n.onset, n.duration, n.pitch) for n in source
            ], piece.name


def test_split_tunes_of_a_file(tmp_path: Path):
    assert [len(melody(read_notes(t)["1"])) for t in split_tunes(JIG + "\n" + JIG)] == [19, 19]


@pytest.mark.parametrize(
    ("field", "key"),
    [("Dmix=c", "Dmix"), ("D mixolydian =c ^g", "Dmix =c ^g"), ("Dm^c", "Dmin ^c"), ("C =f", "C")],
)
def test_accidentals_that_the_mode_has_go_from_the_key(field: str, key: str) -> None:
    assert f"K:{key}\n" in interleave(f"X:1\nL:1/4\nK:{field}\nDEFG|\n")
