"""Interleaving keeps every note: keys, clefs, overlays, uneven voices, long rests."""

from collections import Counter

import pytest
from picogen_core.abc.interleaved.interleave import interleave, renumber
from picogen_core.abc.interleaved.reduce import leave_out_rests
from picogen_core.abc.interleaved.separate import separate
from picogen_core.abc.reading.notes import read_notes


def sounds(text: str) -> Counter[tuple]:
    voices = (
        tuple((n.onset, n.duration, n.pitch) for n in notes if n.pitch is not None)
        for notes in read_notes(text).values()
    )
    return Counter(voice for voice in voices if voice)


def body(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("[V:")]


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("D exp _b ^c", "D exp _b ^c"),
        ("A mix =g", "Amix"),  # it has that anyway
        ("A mix ^d", "Amix ^d"),
        ("Hp", "D"),
        ("", "C"),
        ("none", "none"),
        ("clef=bass", "C"),
        ("G minor % a remark", "Gmin"),
    ],
)
def test_a_key_keeps_its_pitches(key, kept):
    tune = f"X:1\nL:1/4\nM:4/4\nK:{key}\nCDEF|GABc|defg|\n"
    made = interleave(tune)
    assert f"\nK:{kept}\n" in made
    assert sounds(made) == sounds(tune)


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("V:1 treble-8", "V:1 treble-8"),
        ('V:1 clef=treble+8 nm="Flute"', 'V:1 treble+8 nm="Flute"'),
        ("V:1 bass octave=-1", "V:1 bass-8"),
        ("V:1 octave=2", "V:1 octave=2"),
        ("V:1 perc", "V:1 perc"),
    ],
)
def test_a_clef_keeps_its_octave(line, header):
    tune = f"X:1\nL:1/4\nK:C\n{line}\nCDEF|GABc|\n"
    made = interleave(tune)
    assert header in made.splitlines()
    assert sounds(made) == sounds(tune)


def test_the_key_line_gives_voices_their_clef():
    tune = "X:1\nL:1/4\nK:G treble-8\nGABc|\n"
    made = interleave(tune)
    assert "V:1 treble-8" in made.splitlines() and "K:G" in made.splitlines()
    assert [n.pitch for n in read_notes(made)["1"]] == [55, 57, 59, 60]


def test_a_clef_or_octave_that_changes_later_stays():
    tune = "X:1\nL:1/4\nK:C\nV:1\nCDEF|[K:treble-8]CDEF|\nV:1 octave=0\n[K:bass]CDEF|\n"
    made = interleave(tune)
    assert body(made)[1] == "[V:1][K:treble-8]CDEF|"
    assert sounds(made) == sounds(tune)
    assert [n.pitch for n in read_notes(made)["1"]][::4] == [60, 48, 60]


def test_fields_of_one_voice_stay_in_it():
    tune = (
        "X:1\nL:1/8\nM:3/4\nK:C\nV:1\nc2 c2 c2|\nL:1/4\nM:2/4\nK:Eb\nB2|\n"
        "V:2\nC6|[M:2/4][K:Eb]B,4|\n"
    )
    made = interleave(tune)
    assert body(made) == [
        "[V:1]c2 c2 c2|[V:2]C6|",
        "[V:1][L:1/4][M:2/4][K:Eb]B2|[V:2][M:2/4][K:Eb]B,4|",
    ]
    assert sounds(made) == sounds(tune)
    assert [n.pitch for n in read_notes(made)["1"]] == [72, 72, 72, 70]


def test_overlays_and_inline_voices():
    tune = "X:1\nL:1/4\nM:2/4\nK:G\n[V:1] f2 & B d|g2|\n[V:2] G2|G,2|\n"
    made = interleave(tune)
    assert body(made) == ["[V:1]f2 & B d|[V:2]G2|", "[V:1]g2|[V:2]G,2|"]
    assert sounds(made) == sounds(tune)
    assert set(read_notes(made)) == {"1", "1&2", "2"}


def test_rests_of_several_bars_become_bars_of_rests():
    tune = "X:1\nL:1/8\nM:3/4\nK:C\nV:1\nc6|Z3|c6|\nV:2\nC6|C6|C6|C6|X|\n"
    made = interleave(tune)
    assert body(made)[1:4] == ["[V:1]z6|[V:2]C6|"] * 3
    assert body(made)[4] == "[V:1]c6|[V:2]x6|"
    assert sounds(made) == sounds(tune)


def test_bars_in_which_all_voices_rest_survive():
    tune = "X:1\nL:1/4\nM:2/4\nK:C\nV:1\nc2|z2|c2|\nV:2\nC2|z2|C2|\n"
    made = leave_out_rests(interleave(tune))
    assert body(made) == ["[V:1]c2|[V:2]C2|", "[V:1]z2|", "[V:1]c2|[V:2]C2|"]
    assert sounds(made) == sounds(tune)


def test_a_voice_that_ends_early_rests():
    tune = "X:1\nL:1/4\nM:2/4\nK:C\n%%score (1 2)\nV:1\nc2|d2|e2|]\nV:2\nC2|\n"
    assert body(interleave(tune)) == ["[V:1]c2|[V:2]C2|", "[V:1]d2|[V:2]x2|", "[V:1]e2|][V:2]x2|]"]


def test_voices_with_other_bars_meet_at_the_barlines_they_share():
    tune = "X:1\nL:1/4\nK:C\nV:1\ncd|ef|ga|bc'|\nV:2\nCDEF|GABc|\n"
    made = interleave(tune)
    assert body(made) == ["[V:1]cd|ef|[V:2]CDEF|", "[V:1]ga|bc'|[V:2]GABc|"]
    assert sounds(made) == sounds(tune)


def test_voices_that_never_meet_are_matched_bar_by_bar():
    tune = "X:1\nL:1/4\nK:C\nV:1\n" + "cde|" * 20 + "\nV:2\nC|" + "CDE|" * 20 + "\n"
    made = interleave(tune)
    assert len(body(made)) == 21 and body(made)[20].startswith("[V:1]z3|[V:2]CDE|")
    assert Counter(len(v) for v in sounds(made)) == Counter({60: 1, 61: 1})


def test_music_that_looks_like_a_field_is_music():
    tune = "X:1\nL:1/4\nK:C\n|:cdef|\nd:|\ng:|\n"
    made = interleave(tune)
    assert [n.pitch for n in read_notes(made)["1"]] == [72, 74, 76, 77, 74, 79]


def test_an_ending_within_a_bar_ends_no_bar():
    tune = "X:1\nL:1/4\nM:4/4\nK:C\n|:^cd [1 cf:|[2 ce|]\n"
    made = interleave(tune)
    assert sounds(made) == sounds(tune)
    assert [n.pitch for n in read_notes(made)["1"]] == [73, 74, 73, 77, 72, 76]


def test_tuplets_of_compound_meters_are_spelt_out():
    tune = "X:1\nL:1/8\nM:6/8\nK:C\n(5cdefg c3|[M:2/4](5cdefg|\n"
    made = interleave(tune)
    assert body(made) == ["[V:1](5:3:5cdefg c3|", "[V:1][M:2/4](5cdefg|"]
    assert sounds(made) == sounds(tune)


def test_text_blocks_and_layout_are_no_music():
    tune = "X:1\nL:1/4\nK:C\n%%begintext\nabc|def\n%%endtext\nT:x\nC2 y2 D2|$\nw:la la\n"
    assert body(interleave(tune)) == ["[V:1]C2 D2|"]


@pytest.mark.parametrize(
    ("score", "made"),
    [
        ("(S A) {T B}", "( 1 2 ) { 3 4 }"),
        ("[S | A]", "[ 1 | 2 ] 3 4"),
        ("(S A) (x y) T B", "( 1 2 ) 3 4"),
        ("S S", None),
        ("x y", None),
    ],
)
def test_score_names_become_numbers(score, made):
    assert renumber(score, ["S", "A", "T", "B"]) == made


def test_separate_undoes_the_lines():
    tune = "X:1\nL:1/4\nK:C\nV:1\nc2|d2|\nV:2\nC|D2|\n"  # the second voice has a short bar
    made = interleave(tune)
    assert sounds(made) != sounds(tune)
    assert sounds(separate(made)) == sounds(tune)


def test_rests_that_tell_the_length_of_a_line_stay():
    text = "L:1/4\nM:none\nK:C\nV:1\nV:2\n[V:1]c2|[V:2]z4|\n[V:1]d2|[V:2]D2|\n"
    assert leave_out_rests(text) == text
