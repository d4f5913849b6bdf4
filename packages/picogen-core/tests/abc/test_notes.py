"""The reader of notes: what each form of ABC sounds like, and that bad text does no harm."""

from __future__ import annotations

import random
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import pytest
from picogen_core.abc.pitch.keys import key_signature, octave_shift
from picogen_core.abc.reading.notes import (
    Note,
    melody,
    read_notes,
    read_tune,
    split_tunes,
)

HEAD = "X:1\nM:4/4\nL:1/8\nK:C\n"
HOSTILE = (
    "X:1\nK:C\nZ99999999",
    HEAD + "C11111111111/3 " * 1000,
    HEAD + "".join(f"C1/{number} " for number in range(1, 5000)),
    HEAD + "a<>" * 5000,
    HEAD + "(3" * 5000 + "C",
    HEAD + "&C" * 5000,
    HEAD + "C|" + "| " * 200_000,
    HEAD + "C|" + ":" * 200_000 + "|1" + ",1" * 100_000,
    HEAD + "[" + "C11" * 3000,
    HEAD + "[A:" * 5000,
    HEAD + "[C" + " " * 5000,
    HEAD + "C," * 5000,
    "[r:0/1]" + "".join(f"[V:{voice}]C|" for voice in range(3000)) + "\n[V:1]C|" * 3000,
    "M:0/0\nL:0/1\nK:Cb loc exp ^q\n(0:1:2abc(999:99:99abc",
    "\x00" * 1000,
)


def pitches(body: str, head: str = HEAD) -> list[int | None]:
    return [note.pitch for note in read_notes(head + body)["1"]]


def durations(body: str, head: str = HEAD) -> list[Fraction]:
    return [note.duration for note in read_notes(head + body)["1"]]


def corpus(name: str) -> list[str]:
    spec = find_spec("music21")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "corpus" / name
    files = sorted(folder.glob("*.abc"))
    return [tune for file in files for tune in split_tunes(file.read_text("utf-8", "replace"))]


def test_a_note_knows_its_pitch_time_and_place() -> None:
    text = HEAD + "C2 ^c'z/ G,-G,"
    assert read_notes(text)["1"] == (
        Note(60, 28, Fraction(0), Fraction(1), text.index("C2")),
        Note(85, 42, Fraction(1), Fraction(1, 2), text.index("c'"), octave=True),
        Note(None, 0, Fraction(3, 2), Fraction(1, 4), text.index("z/")),
        Note(55, 25, Fraction(7, 4), Fraction(1, 2), text.index("G,"), octave=True, tied=True),
        Note(55, 25, Fraction(9, 4), Fraction(1, 2), text.rindex("G,"), octave=True),
    )


def test_every_start_is_the_index_of_a_letter() -> None:
    for tune in corpus("airdsAirs")[::40]:
        for note in (note for notes in read_notes(tune).values() for note in notes):
            assert tune[note.start] in ("zxZX" if note.pitch is None else "ABCDEFGabcdefg")


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        ("G", {"F": 1}),
        ("Bb", {"B": -1, "E": -1}),
        ("F#m", {"F": 1, "C": 1, "G": 1}),
        ("E Dorian", {"F": 1, "C": 1}),
        ("Amix", {"F": 1, "C": 1}),
        ("D PHRYGIAN", {"B": -1, "E": -1}),
        ("Flyd", {}),
        ("B loc", {}),
        ("C aeo", {"B": -1, "E": -1, "A": -1}),
        ("Cion % plain", {}),
        ("G#", {"F": 2, "C": 1, "G": 1, "D": 1, "A": 1, "E": 1, "B": 1}),
        ("D =c ^g", {"F": 1, "C": 0, "G": 1}),
        ("D exp _b ^f", {"B": -1, "F": 1}),
        ("D clef=bass", {"F": 1, "C": 1}),
        ("HP", {"F": 1, "C": 1}),
        ("Hp", {"F": 1, "C": 1}),
        ("none", {}),
        ("", {}),
        ("clef=alto", None),
        ("bass", None),
    ],
)
def test_keys(key: str, signature: dict[str, int] | None) -> None:
    assert key_signature(key) == signature


def test_clefs_shift_octaves() -> None:
    assert [octave_shift(clef) for clef in ("treble-8", "bass+15", "octave=-2", "bass", "G")] == [
        -1, 2, -2, 0, None,
    ]  # fmt: skip
    notes = read_notes("K:C\nV:1 treble-8\nV:2\n[V:1]c|[V:2]c|\n")
    assert [(notes[v][0].pitch, notes[v][0].step) for v in "12"] == [(60, 35), (72, 35)]


def test_an_accidental_holds_for_its_octave_to_the_end_of_the_bar() -> None:
    assert pitches("^F F f | F =f f", "K:D\n") == [66, 66, 78, 66, 77, 77]
    assert pitches("^C C :: C || _E E |] E") == [61, 61, 60, 63, 63, 64]
    assert pitches("{^c}d c | c") == [74, 73, 72]


def test_a_tie_carries_its_accidental_over_the_barline() -> None:
    notes = read_notes(HEAD + "^F4-|F4 F4")["1"]
    assert [(note.pitch, note.tied) for note in notes] == [(66, True), (66, False), (65, False)]
    assert melody(notes) == [66, 65]


def test_chords_give_all_tones_and_melody_the_top() -> None:
    notes = read_notes(HEAD + "[C-E2!f!G]4- [C^G]/ [z2] D")["1"]
    assert [(n.pitch, n.chord, n.tied) for n in notes] == [
        (60, 1, True), (64, 2, True), (67, 3, True), (60, 1, False), (68, 2, False),
        (None, 0, False), (62, 0, False),
    ]  # fmt: skip
    assert [note.duration for note in notes] == [2, 2, 2, Fraction(1, 4), Fraction(1, 4), 1, 0.5]
    assert melody(notes) == [67, 68, 62]


def test_melody_breaks_a_tie_that_leads_elsewhere() -> None:
    assert melody(read_notes(HEAD + "C-C-C D-E C-z C")["1"]) == [60, 62, 64, 60, 60]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("(3abc d", ["1/3", "1/3", "1/3", "1/2"]),
        ("(2ab (4abcd", ["3/4", "3/4", "3/8", "3/8", "3/8", "3/8"]),
        ("(5abcde", ["1/5"] * 5),
        ("(3:4:2abc", ["2/3", "2/3", "1/2"]),
        ("(3::2ab c", ["1/3", "1/3", "1/2"]),
        ("(3a[ce]z2 d", ["1/3", "1/3", "1/3", "2/3", "1/2"]),
        ("a>b c<d e>>f", ["3/4", "1/4", "1/4", "3/4", "7/8", "1/8"]),
        ("[ac] > b", ["3/4", "3/4", "1/4"]),
        ("a3/2 b// c/4 d0", ["3/4", "1/8", "1/8", "1/2"]),
        ("Z2 X z", ["8", "4", "1/2"]),
        ("[L:1/4]a [M:3/4] Z", ["1", "3"]),
        ("a99999 b1/9999", ["1/2", "1/2"]),
    ],
)
def test_durations(body: str, expected: list[str]) -> None:
    assert durations(body) == [Fraction(value) for value in expected]


def test_compound_meters_change_the_default_tuplet_and_short_ones_the_unit() -> None:
    assert durations("(5abcde", "M:6/8\nL:1/8\nK:C\n") == [Fraction(3, 10)] * 5
    assert durations("a", "M:2/4\nK:C\n") == [Fraction(1, 4)]
    assert durations("a", "M:C|\nK:C\n") == [Fraction(1, 2)]


def test_what_is_no_note_is_passed_over() -> None:
    first = '"Am7"!trill!(a{bag}~b.c) |1 "^cafe"d :|2 ef\\\nw: la la\n'
    second = "% abc\ng [I:x abc] +fermata+a y %b"
    assert pitches(first + second + "\nd:|\nW: abc\n%%begintext\nabc\n%%endtext\nc") == [
        81, 83, 72, 74, 76, 77, 79, 81, 74, 72,
    ]  # fmt: skip


def test_voices_on_lines_and_inline() -> None:
    lines = read_notes(HEAD + "V:1\nC D|\nV:2 bass\nE|\nV:1\nK:D\nF|\nV:2\nF|")
    inline = read_notes(HEAD + "[V:1]C D|[K:D]F|\n[V:2]E|\n[V:2]F|")
    for voices in (lines, inline):
        assert [[note.pitch for note in voices[v]] for v in "12"] == [[60, 62, 66], [64, 65]]
        assert voices["2"][1].onset == Fraction(1, 2)


def test_the_interleaved_form_starts_all_voices_of_a_line_together() -> None:
    text = "%%score 1 2\nL:1/8\nM:4/4\nK:C\nV:1\nV:2\n[r:0/2][V:1]C8|[V:2]C4 C4|\n[r:1/1][V:1]D8|\n"
    notes = read_notes(text + "[r:2/0][V:1]E8|[V:2]G8|]\n")
    assert [(note.pitch, note.onset) for note in notes["2"]] == [(60, 0), (60, 2), (67, 8)]
    assert notes["1"][2].onset == 8
    bars = read_tune(text + "[r:2/0][V:1]E8|[V:2]G8|]\n")[1]
    assert [(bar.line, bar.start) for bar in bars["2"]] == [(1, 0), (3, 8)]


def test_overlays_go_back_to_the_start_of_the_bar() -> None:
    notes = read_notes(HEAD + "C8|^E4 F4 & G8|E8|")
    assert [(note.pitch, note.onset) for note in notes["1"]] == [
        (60, 0), (65, 4), (65, 6), (64, 8),
    ]  # fmt: skip
    assert [(note.pitch, note.onset) for note in notes["1&2"]] == [(67, 4)]


def test_bars_have_durations_and_a_long_rest_is_many() -> None:
    bars = read_tune(HEAD + "C2|D8|Z2|:E8:|[M:3/4]F6 & G6|]")[1]
    assert list(bars) == ["1"]
    assert [bar.length for bar in bars["1"]] == [1, 4, 4, 4, 4, 3]
    assert [bar.start for bar in bars["1"]] == [0, 1, 5, 9, 13, 17]
    assert [bar.meter for bar in bars["1"]] == [4, 4, 4, 4, 4, 3]


def test_bars_know_their_barlines_endings_and_fermatas() -> None:
    text = HEAD + 'C2|:D8|1 E8:|2 F6 HF2||\n|:C4[1D4:| [2E4"D.C." Hx4 |]'
    bars = read_tune(text)[1]["1"]
    assert [bar.right for bar in bars] == ["|:", "|", ":|", "|| |:", ":|", "|]"]
    assert [bar.ending for bar in bars] == ["", "", "1", "2", "1", "2"]
    assert [bar.before for bar in bars] == [0, 0, 0, 0, 2, 0]
    assert [bar.held for bar in bars] == [False, False, False, True, False, True]
    assert [bar.anchor for bar in bars] == [0, 0, 0, 0, 0, 2]
    several = read_tune(HEAD + 'Z2:|!fermata!C4 D4|C4 !fermata!D4|1,3 x8|x8|["last" C8')[1]["1"]
    assert [bar.right for bar in several] == ["|", ":|", "|", "|", "|", "|", ""]
    assert [bar.held for bar in several] == [False, False, False, True, False, False, False]
    assert [bar.ending for bar in several] == ["", "", "", "", "1,3", "", "?"]
    assert not any(bar.anchor for bar in several)


def test_a_body_without_a_header_is_read() -> None:
    assert pitches("CDE|", head="") == [60, 62, 64]
    assert pitches("[V:1]CDE|", head="T:no key\n") == [60, 62, 64]
    assert read_notes(HEAD) == {}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_gives_no_more_than_it_has(text: str) -> None:
    """That it ends at all is the point: a reader that backtracks or sums fractions freely hangs."""
    notes = [note for notes in read_notes(text).values() for note in notes]
    assert len(notes) <= len(text)
    assert all(note.duration <= 4 * 10**4 for note in notes)


def test_random_text_never_raises() -> None:
    rng = random.Random(0)
    alphabet = "ABCdefg[]()|:<>-&{}\"!+%^_=,'/0123456789zZXyVKLMr \n\\`~.$\u00e9"
    for _ in range(200):
        text = HEAD + "".join(rng.choices(alphabet, k=300))
        for note in (note for notes in read_notes(text).values() for note in notes):
            assert note.duration > 0 and (note.pitch is None or 0 <= note.pitch <= 127)


def test_books_are_split_and_prose_is_dropped() -> None:
    book = (
        "%abc\nA book\n\nX:1\nT:a\nK:C\nCDE|\n\nabc is prose\n\nX: 2\r\nK:G\r\nGAB|\r\n\r\nc|\r\n"
    )
    assert split_tunes(book) == ["X:1\nT:a\nK:C\nCDE|\n", "X: 2\nK:G\nGAB|\nc|\n"]
    assert split_tunes("K:C\nCDE") == ["K:C\nCDE\n"]
    assert split_tunes(" \n") == []


def test_the_tune_books_are_read_whole() -> None:
    tunes = corpus("oneills1850")
    assert len(tunes) == 2009
    series = [melody(notes) for tune in tunes[::20] for notes in read_notes(tune).values()]
    assert len(series) == 101
    assert (sum(map(len, series)), series[0][:6]) == (10800, [67, 69, 70, 72, 74, 76])
