"""Humdrum **kern: notes, bars and voices as they stand in the file."""

from __future__ import annotations

import pytest
from picogen_core.errors import BadInput
from picogen_core.score.files.kern import kern_to_abc

from ..score_notes import heard

HEAD = "**kern\n*clefG2\n*k[f#]\n*M4/4\n"


def body(abc: str) -> list[str]:
    return [line for line in abc.splitlines() if line.startswith("[V:")]


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ("=1\n4g\n4a\n4b\n4cc\n==\n*-\n", ["[V:1]G2 A2 B2 c2|]"]),
        ("4d\n=1\n2g\n2b\n=2\n2.g\n==\n*-\n", ["[V:1]D2|", "[V:1]G4 B4|", "[V:1]G6|]"]),
        ("=1!|:\n1g\n=2:|!|:\n1a\n=3:|!\n*-\n", ["[V:1]|:G8::", "[V:1]A8:|"]),
        ("=1\n[1g\n=2\n2g]\n2r\n==\n*-\n", ["[V:1]G8-|", "[V:1]G4 z4|]"]),
        ("=1\n12g\n12a\n12b\n4.cc\n8dd\n2f-\n==\n*-\n", ["[V:1](3GAB c3 d _F4|]"]),
        ("=1\n(8gL\n8f#'\n8e;\n8dJ)\n2g 2b\n==\n*-\n", ["[V:1](G.F!fermata!ED) [GB]4|]"]),
        ("=1\n8qg\n1a\n==\n*-\n", ["[V:1]{=G}A8|]"]),
        ("=1\n4g\n*M3/8\n=2\n8g\n8a\n8b\n==\n*-\n", ["[V:1]G2|", "[V:1][M:3/8]G A B|]"]),
    ],
)
def test_rows_become_bars(rows: str, lines: list[str]) -> None:
    assert body(kern_to_abc(HEAD + rows).abc) == lines


def test_what_splits_off_is_a_voice() -> None:
    rows = "=1\n2g\n*^\n4a\t2D\n4b\t.\n*v\t*v\n=2\n1g\n==\n*-\n"
    abc = kern_to_abc(HEAD + rows).abc
    assert body(abc) == ["[V:1]G4 A2 B2|[V:2]x4 D,4|", "[V:1]G8|][V:2]x8|]"]
    assert "%%score ( 1 2 )" in abc
    assert heard(abc) == "0:67:2 2:69:1 2:50:2 3:71:1 4:67:4"


def test_a_tie_into_another_voice_is_told() -> None:
    rows = "=1\n[1g\n=2\n*^\n2d\t1g]\n2e\t.\n*v\t*v\n==\n*-\n"
    made = kern_to_abc(HEAD + rows)
    assert made.remarks() == ("struck again: bar 1, voice 1: a tie leads into another voice",)
    assert heard(made.abc) == "0:67:4 4:62:2 4:67:4 6:64:2"


def test_a_second_part_of_a_file_goes_on_with_its_staves() -> None:
    text = "**dynam\t**kern\n*\t*M2/4\n=1\t=1\nf\t2c\n*-\t*-\n**kern\n=2\n2d\n==\n*-\n"
    assert heard(kern_to_abc(text).abc) == "0:60:2 2:62:2"


@pytest.mark.parametrize(
    ("token", "pitch"),
    [
        ("4B\\-", 58), ("4f/#J", 66), ("4f'#", 66), ("4B;-", 58), ("4f~/;#L", 66), ("4f)#", 66),
        ("4fyy#", 66), ("4B'--", 57), ("4f'n", 65), ("4c/", 60), ("4f#'", 66), ("4ff^##", 79),
        ("4c>c/", 72), ("4e_Le", 76),
    ],
)  # fmt: skip
def test_signs_may_stand_between_letters_and_accidental(token: str, pitch: int) -> None:
    made = kern_to_abc(f"**kern\n*M2/4\n=1\n{token}\n4c\n==\n*-\n").abc
    assert heard(made) == f"0:{pitch}:1 1:60:1"


def test_a_staff_with_the_clef_of_percussion_has_the_pitches_of_the_file() -> None:
    assert heard(kern_to_abc("**kern\n*clefX\n*M2/4\n=1\n4c\n4d\n==\n*-\n").abc) == "0:60:1 1:62:1"


def test_an_accidental_belongs_to_its_own_note() -> None:
    made = kern_to_abc("**kern\n*M3/4\n=1\n[4f\n4f]#\n4e 4g'#\n==\n*-\n").abc
    assert heard(made).split()[-2:] == ["2:64:1", "2:68:1"]
    rows = "**kern\n*M2/4\n=1\n[4f'#\n4f]#\n==\n*-\n"
    assert heard(kern_to_abc(rows).abc) == "0:66:2"


def test_exclusive_interpretations_may_be_parted_by_spaces() -> None:
    assert heard(kern_to_abc("**kern  **kern\n2C\t2c\n==\t==\n*-\t*-\n").abc) == "0:48:2 0:60:2"


def test_an_invisible_barline_cuts_a_bar_and_what_lasts_over_it_is_tied() -> None:
    rows = "*^\n=1\t=1\n1g\t2r\n=-\t=-\n.\t2c\n*v\t*v\n=2\n1d\n==\n*-\n"
    abc = kern_to_abc(HEAD + rows).abc
    assert body(abc) == [
        "[V:1]G4-|[V:2]x4|", "[V:1]G4|[V:2]C4|", "[V:1]D8|][V:2]x8|]",
    ]  # fmt: skip
    assert heard(abc) == "0:67:4 2:60:2 4:62:4"


def test_the_highest_staff_comes_first_and_names_stay() -> None:
    text = (
        '!!!OTL: A piece\n!!!COM: Nobody\n**kern\t**dynam\t**kern\n*I"Bass\t*\t*I"Flute\n'
        "*clefF4\t*\t*clefG2\n*k[]\t*\t*k[b-]\n*M2/4\t*\t*M2/4\n=1\t=1\t=1\n"
        "2C\tf\t4cc\n.\t.\t4b-\n==\t==\t==\n*-\t*-\t*-\n"
    )
    assert kern_to_abc(text).abc.splitlines() == [
        "X:1", "T:A piece", "C:Nobody", "%%score 1 2", "L:1/8", "M:2/4", "K:F",
        'V:1 treble nm="Flute"', 'V:2 bass nm="Bass"', "[V:1]c2 B2|][V:2]C,4|]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("**text\nla\n*-\n", "no notes"),
        ("**kern\n4r\n*-\n", "no notes"),
        ("**kern\n4c\t4d\n*-\n", "row 2 has 2 columns for 1 spines"),
    ],
)
def test_what_is_no_music_has_a_reason(text: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        kern_to_abc(text)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("99999%4g", "'99999%4' is no length of a note"),
        ("4%77777g", "'4%77777' is no length of a note"),
        ("0000000g", "'0000000' is no length of a note"),
        ("4.........g", "'4.........' is no length of a note"),
        ("997g\n991g\n983g\n977g", "its lengths add up to times that cannot be written"),
        (" ".join(["4g"] * 300_001), "it has more than 300,000 notes"),
    ],
)
def test_numbers_that_no_note_has_are_refused(rows: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        kern_to_abc(f"**kern\n{rows}\n*-\n")


def test_the_longest_and_shortest_lengths_are_read() -> None:
    made = kern_to_abc("**kern\n*M4/1\n=1\n00g\n=2\n2%9a\n=3\n4...b\n32b\n==\n*-\n")
    assert made.abc.splitlines()[-3:] == ["[V:1]G32|", "[V:1]A32-A4|", "[V:1]B3-B3/4 B/4|]"]
