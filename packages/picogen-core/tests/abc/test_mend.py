"""Bars written anew from notes: accidentals first, whole bars where that is not enough."""

from __future__ import annotations

from fractions import Fraction

import pytest
from picogen_core.abc.compare import Heard, are_same, differences, pair_voices
from picogen_core.abc.pitch.spell import Event, Place, layers_of, spell_bar, spell_by_key
from picogen_core.abc.reading.mend import mend
from picogen_core.abc.reading.notes import Note, read_tune

HEAD = "L:1/8\nM:4/4\nK:G\nV:1 treble\nV:2 bass\n"
GOOD = HEAD + '[V:1]"G"!f!GABc dcBA|[V:2]G,8|\n[V:1]F4 G4|]\n[V:2]D,8|]\n'.replace(
    "|]\n[V:2]", "|][V:2]"
)
Q = Fraction


def listen(text: str) -> Heard:
    return Heard.of(*read_tune(text))


@pytest.mark.parametrize(
    ("good", "bad", "mended"),
    [
        ("F4 G4", "=F4 G4", "^F4 G4"),
        ("GABc dcBA", "GABc dcBB", "GA Bc dc BA"),
        ('"G"!f!GABc', '"G"!f!GAB_c', '"G"!f!GAB=c'),
    ],
)
def test_a_bar_gets_its_notes_back(good: str, bad: str, mended: str) -> None:
    made = mend(GOOD.replace(good, bad, 1), listen(GOOD))
    assert are_same(listen(made.text), listen(GOOD))
    assert mended in made.text and made.left == ()
    assert len(made.mended) == 1


def test_a_text_with_the_right_notes_is_left_alone() -> None:
    assert mend(GOOD, listen(GOOD)).text == GOOD


def test_differences_name_bar_voice_and_kind() -> None:
    for changed, said in (
        (("F4 G4", "=F4 G4"), "bar 2, voice 1: other pitches"),
        (("F4 G4", "F6 G2"), "bar 2, voice 1: other durations and onsets"),
        (("G,8", "G,4 G,4"), "bar 1, voice 2: 1 notes became 2"),
        (("[V:2]D,8", "[V:2]z8"), "bar 2, voice 2: 1 notes became 0"),
    ):
        assert [str(d) for d in differences(listen(GOOD), listen(GOOD.replace(*changed)))] == [said]


def test_a_bar_of_another_length_is_named_where_it_moves_notes() -> None:
    book = "X:1\nL:1/8\nM:4/4\nK:G\nGABc dc|F4 G2|A4 B4|]\n"
    moved = differences(listen(book), listen(book.replace("F4 G2", "F4 G2 z2")))
    assert [str(d) for d in moved] == [
        "bar 2, voice 1: lasts 4 quarters, not 3, which moves what follows"
    ]
    assert differences(listen(book), listen(book.replace("A4 B4", "A4 B4 z2"))) == []


def test_a_bar_that_is_filled_up_beside_a_longer_one_is_the_same() -> None:
    short = GOOD.replace("F4 G4", "F4 G2").replace("GABc dcBA", "GABc dc")
    assert differences(listen(short), listen(short.replace("GABc dc|", "GABc dcz2|"))) == []


def test_the_closest_voices_are_paired_first() -> None:
    head = "X:1\nL:1/4\nK:C\nV:1\nV:2\n"
    source = listen(head + "[V:1]CD_EF|CD_EF|\n[V:2]CDEF|CDEF|\n")
    made = listen(head + "[V:1]CD_EF|GABc|\n[V:2]CDEF|CDEF|\n")
    assert pair_voices(source, made) == [("1", "1"), ("2", "2")]


@pytest.mark.parametrize(
    ("lengths", "text"),
    [
        ("1 1 2", "C2 C2 C4"),
        ("1/3 1/3 1/3 1", "(3C2/3C2/3C2/3 C2"),
        ("1/3 2/3 3", "(3:2:2CC2 C6"),
        ("1/5 1/5 1/5 1/5 1/5 3", "(5:4:5C/C/C/C/C/ C6"),
        ("5/4 3/4 2", "C2-C/ C3/2 C4"),
        ("1/12 1/24 7/8 3", "(3:2:3C/4C/8C21/16-C21/16"),
    ],
)
def test_lengths_are_written_with_tuplets_and_ties(lengths: str, text: str) -> None:
    durations = [Q(length) for length in lengths.split()]
    note = Note(60, 28, Q(0), Q(1), -1)
    spelt = spell_bar([[Event(d, (note,)) for d in durations]], Place({}))
    heard = Heard.of(*read_tune(f"L:1/8\nM:4/4\nK:C\n[V:1]{spelt}|\n"))
    ends = [sum(durations[:i], Q(0)) for i in range(len(durations))]
    from picogen_core.abc.compare import sounds

    assert [(s[0], s[1]) for s in sounds(heard.notes["1"])] == list(
        zip(ends, durations, strict=True)
    )
    if text.startswith(("C", "(3:2:2", "(5")):
        assert spelt == text


def test_notes_that_overlap_are_layers() -> None:
    notes = [
        Note(60, 28, Q(0), Q(4), -1),
        Note(67, 32, Q(1), Q(1), -1),
        Note(72, 35, Q(0), Q(4), -1),
    ]
    layers = layers_of(notes, Q(0), Q(4))
    assert [[(e.duration, len(e.notes)) for e in layer] for layer in layers] == [
        [(4, 2)],
        [(1, 0), (1, 1), (2, 0)],
    ]


@pytest.mark.parametrize(
    ("pitch", "fifths", "letter"),
    [(61, 0, "C"), (63, 0, "E"), (66, 2, "F"), (70, -2, "B"), (68, 3, "G"), (63, 4, "D")],
)
def test_bare_pitches_are_spelt_by_the_key(pitch: int, fifths: int, letter: str) -> None:
    note = spell_by_key(Q(0), Q(1), pitch, fifths)
    assert "CDEFGAB"[note.step % 7] == letter and note.step // 7 == 4
