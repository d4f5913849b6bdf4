"""Pieces in NotaGen's keys: every note moves by one interval."""

import re

import pytest
from picogen_core import BadInput
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.pitch.keys import key_signature
from picogen_core.abc.pitch.transpose import KEYS, Interval, Transposer
from picogen_core.abc.reading.notes import read_notes
from picogen_core.data.keys import check_moved, in_keys
from picogen_core.data.sources import Music21Options, read_music21

MINOR = """X:1
L:1/8
M:4/4
K:Am
"Am"A2 ^G=G {^f}[^F=cA]2- [^FcA]2|"E7/G#"_B,,^^c'2 z3 "^text" f!p!_d|[K:F#]^e4 =e4|]
"""


def test_each_key_has_its_signature_and_its_pitches():
    text = interleave(MINOR)
    before = read_notes(text)["1"]
    transposer = Transposer(text)
    assert transposer.key == "C" and transposer.to("C") == (text, 0)
    sharps = {"C#": 7, "F#": 6, "G": 1, "C": 0, "F": -1, "Gb": -6, "Cb": -7}
    for key in KEYS:
        if key in ("C#", "F#"):  # ^^c' would have three sharps
            continue
        made, semitones = transposer.to(key)
        after = read_notes(made)["1"]
        assert [n.pitch and n.pitch + semitones for n in before] == [n.pitch for n in after]
        assert [(n.onset, n.duration) for n in before] == [(n.onset, n.duration) for n in after]
        assert -5 <= semitones <= 6
        signature = key_signature(re.search(r"^K:(.*)$", made, re.M).group(1))
        if key in sharps:
            assert sum(signature.values()) == sharps[key]


def test_spelling_follows_the_interval():
    made, semitones = Transposer(interleave(MINOR)).to("Eb")
    assert semitones == 3
    assert made.splitlines()[2:] == [
        "K:Cmin",
        "V:1 treble",
        '[V:1]"Cm"c2 =B_B {=a}[=A_ec]2- [=Aec]2|',
        '[V:1]"G7/B"_D,^e\'2 z3 "^text" a!p!_f|',
        "[V:1][K:A]^g4 =g4|]",
    ]


def test_a_note_that_needs_three_sharps_refuses_the_key():
    with pytest.raises(BadInput, match="three sharps"):
        Transposer(interleave(MINOR)).to("C#")


@pytest.mark.parametrize(
    ("key", "target", "made"),
    [
        ("Gmix", "C", "Gmix"),
        ("Gmix", "D", "Amix"),
        ("Amix =g", "D", "Amix =g"),
        ("Amix =g", "C", "Gmix =f"),
        ("C exp ^f", "D", "D exp ^f ^c ^g"),
        ("none", "Bb", "Bb"),
        ("G#min", "C", "Amin"),
        ("Ddor", "Cb", "Dbdor"),
    ],
)
def test_keys_of_all_modes(key, target, made):
    text = f"L:1/4\nM:4/4\nK:{key}\nV:1 treble\n[V:1]CDEF|\n[V:1]GABc|\n"
    moved, semitones = Transposer(text).to(target)
    found = re.search(r"^K:(.*)$", moved, re.M).group(1)
    assert sorted(found.split()) == sorted(made.split())
    before, after = read_notes(text)["1"], read_notes(moved)["1"]
    assert {b.pitch - a.pitch for a, b in zip(before, after, strict=True)} == {semitones}


def test_percussion_stays_and_tags_and_names_too():
    text = (
        '%Classical\n%end\nL:1/4\nM:4/4\nK:D\nV:1 treble nm="Clarinet in A"\nV:2 perc\n'
        "[V:1]FGAB|[V:2][K:none]CCEE|\n"
    )
    made, semitones = Transposer(text).to("F")
    assert semitones == 3
    assert made == text.replace("K:D", "K:F").replace("FGAB", "ABcd")
    check_moved(read_notes(text), read_notes(made), 3, {"2"})
    with pytest.raises(BadInput, match="same interval"):
        check_moved(read_notes(text), read_notes(made), 3, set())


def test_intervals_are_at_most_a_tritone():
    assert [(Interval(k).steps, Interval(k).semitones) for k in (1, -1, 2, 7, -7, 6, 12)] == [
        (-3, -5), (3, 5), (1, 2), (0, 1), (0, -1), (3, 6), (-1, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("book", ["oneills", "ryans", "airds"])
def test_real_tunes_in_all_keys(book):
    chosen = list(read_music21(book, Music21Options()))[7::100]
    assert chosen
    for piece in chosen:
        versions, left_out = in_keys(interleave(piece.abc), "all", "seed")
        assert len(versions) == 15 and not left_out, piece.name


def test_keys_are_drawn_by_the_seed():
    text = interleave(MINOR.replace("^^c'", "c'"))
    chosen = {seed: [v.key for v in in_keys(text, "4", seed)[0]] for seed in "aabc"}
    assert [len(keys) for keys in chosen.values()] == [4, 4, 4]
    assert all(keys[0] == "Amin" for keys in chosen.values())
    assert chosen["a"] == [v.key for v in in_keys(text, "4", "a")[0]]
    assert len({tuple(keys) for keys in chosen.values()}) > 1
