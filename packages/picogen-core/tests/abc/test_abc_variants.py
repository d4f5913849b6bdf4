# ruff: noqa: E501 (a tune and its notes on one line)
"""Kinds of ABC that were once read wrong, in variants: the reader, the interleaved form and the
MusicXML of each have the notes that the standard (2.1) gives it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from picogen_core.abc.reading.notes import split_tunes
from picogen_core.data.piece import to_interleaved
from picogen_core.score.convert import convert_text
from picogen_core.score.helper import Converter
from picogen_core.score.xml.notes import read_xml_notes

from ..score_notes import heard, told

HEAD = "X:1\nM:4/4\nL:1/4\nK:C\n"
TWO_TRANSPOSED = "0:60:1 0:60:1 1:62:1 1:62:1 2:63:1 2:64:1 3:65:1 3:65:1 4:60:1 4:60:1 5:62:1 5:62:1 6:63:1 6:64:1 7:65:1 7:65:1"


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    with Converter() as made:
        yield made


@pytest.mark.parametrize(
    ("tune", "right"),
    [
        # 1: lines of voices, and one voice with lines that name none
        (HEAD + "V:1\nV:2\n[V:1] CDEF |\n[V:2] EFGA |\n", "0:60:1 0:64:1 1:62:1 1:65:1 2:64:1 2:67:1 3:65:1 3:69:1"),
        (HEAD + "[V:1]CDEF|\n[V:2]C4|\n[V:1]G4|\n[V:2]E4|\n", "0:60:1 0:60:4 1:62:1 2:64:1 3:65:1 4:64:4 4:67:4"),
        (HEAD + "[V:1]CDEF|\nGABc|\n", "0:60:1 1:62:1 2:64:1 3:65:1 4:67:1 5:69:1 6:71:1 7:72:1"),
        (HEAD + "V:1\n[r: a remark]CDEF|\nV:2\nC4|\n", "0:60:1 0:60:4 1:62:1 2:64:1 3:65:1"),
        # 4: keys with accidentals
        ("X:1\nL:1/4\nK:A exp ^c _e\nCEFG|\n", "0:61:1 1:63:1 2:65:1 3:67:1"),
        ("X:1\nL:1/4\nK:^f_b\nFBcd|\n", "0:66:1 1:70:1 2:72:1 3:74:1"),
        ("X:1\nL:1/4\nK:D =c\nFCcd|\n", "0:66:1 1:60:1 2:72:1 3:74:1"),
        ("X:1\nL:1/4\nK:E minor ^d\nFDEG|\n", "0:66:1 1:63:1 2:64:1 3:67:1"),
        ("X:1\nL:1/4\nK:Eb\nEABc|\nK:none\nEABc|\n", "0:63:1 1:68:1 2:70:1 3:72:1 4:64:1 5:69:1 6:71:1 7:72:1"),
        ("X:1\nL:1/4\nK:G# major\nFGAB|\n", "0:67:1 1:68:1 2:70:1 3:72:1"),
        ("X:1\nL:1/4\nK:Dm^c\nFBcd|\n", "0:65:1 1:70:1 2:73:1 3:74:1"),
        ("X:1\nL:1/4\nK:Dmix=f middle=B\nFBcd|\n", "0:65:1 1:71:1 2:72:1 3:74:1"),
        ("X:1\nL:1/4\nK:D middle=d\nFBcd|\n", "0:66:1 1:71:1 2:73:1 3:74:1"),
        # 5: text blocks, overlays, what the file says of all tunes
        (HEAD + "CDEF|\n%%beginps\nabc|\n%%endps\n%%text abc|\nGABc|\n", "0:60:1 1:62:1 2:64:1 3:65:1 4:67:1 5:69:1 6:71:1 7:72:1"),
        (HEAD + "CDEF & c4 & e2g2|G4|\n", "0:60:1 0:76:2 0:72:4 1:62:1 2:64:1 2:79:2 3:65:1 4:67:4"),
        (HEAD + "C4|E4 & G4|c4 && e4|f4|\n", "0:60:4 4:64:4 4:67:4 4:76:4 8:72:4 8:77:4"),
        (HEAD + "c4|d4 && E4|F4|G4|\n", "0:64:4 0:72:4 4:65:4 4:74:4 8:67:4"),
        (HEAD + '(& C4 | E4 "x|y" & G4 | c4 &)|f4|\n', "0:60:4 0:67:4 4:64:4 4:72:4 8:77:4"),
        # 6: chords, and `!` and `+` of old files
        (HEAD + "[C!f!E-]2 [CE]2|\n", "0:60:2 0:64:4 2:60:2"),
        (HEAD + "[!8va(!CE]2[!fermata!!(!DF]2|\n", "0:60:2 0:64:2 2:62:2 2:65:2"),
        (HEAD + '([CE]2 ["G7"{d}(GB)]2)|\n', "0:60:2 0:64:2 2:67:2 2:71:2"),
        (HEAD + "+C2E2+ +trill+G +f+A|\n", "0:60:2 0:64:2 2:67:1 3:69:1"),
        (HEAD + "CD!EF!GA|!trill!B4|\n", "0:60:1 1:62:1 2:64:1 3:65:1 4:67:1 5:69:1 6:71:4"),
        (HEAD + "I:linebreak !\nC!f!D|\n", "0:60:1 1:77:1 2:62:1"),
        # 9: transposing voices
        (HEAD + "V:1 transpose=-2\nDEFG|\nV:2\nCDEF|\n", "0:60:1 0:60:1 1:62:1 1:62:1 2:63:1 2:64:1 3:65:1 3:65:1"),
        ("X:1\nL:1/4\nK:D transpose=7\nDEFG|\n", "0:69:1 1:71:1 2:73:1 3:74:1"),
        (HEAD + "V:1 clef=treble-8 transpose=12\nCDEF|\n", "0:60:1 1:62:1 2:64:1 3:65:1"),
        (HEAD + "V:1 transpose=-2\nV:2\n[V:1]DEFG|\n[V:2]CDEF|\n[V:1 transpose=-9]ABcd|\n[V:2]CDEF|\n", TWO_TRANSPOSED),
        (HEAD + "V:1 transpose=-2\nV:2\n[V:1]DEFG|\n[V:2]CDEF|\n[V:1][V:1 transpose=-9]ABcd|\n[V:2]CDEF|\n", TWO_TRANSPOSED),
        ("X:1\nL:1/4\nK:C\nCDEF|\nK:C transpose=12\nCDEF|\n", "0:60:1 1:62:1 2:64:1 3:65:1 4:72:1 5:74:1 6:76:1 7:77:1"),
        # 11: rhythm
        (HEAD + "A>>>B A<<<B|\n", "0:69:15/8 15/8:71:1/8 2:69:1/8 17/8:71:15/8"),
        (HEAD + "A>B>C A|\n", "0:69:3/2 3/2:71:3/4 9/4:60:1/2 11/4:69:1"),
        ("X:1\nM:9/8\nL:1/8\nK:C\n(5::5CDEFG (7CDEFGAB c3|\n", "0:60:3/10 3/10:62:3/10 3/5:64:3/10 9/10:65:3/10 6/5:67:3/10 3/2:60:3/14 12/7:62:3/14 27/14:64:3/14 15/7:65:3/14 33/14:67:3/14 18/7:69:3/14 39/14:71:3/14 3:72:3/2"),
        (HEAD + "(1:2:1A B (3:2:2c2d|\n", "0:69:2 2:71:1 3:72:4/3 13/3:74:2/3"),
        (HEAD + "A/32A/32A/16A/8 A3/4 A2 A|\n", "0:69:1/32 1/32:69:1/32 1/16:69:1/16 1/8:69:1/8 1/4:69:3/4 1:69:2 3:69:1"),
        (HEAD + "C/3D/3E/3 F G A|\n", "0:60:1/3 1/3:62:1/3 2/3:64:1/3 1:65:1 2:67:1 3:69:1"),
        ("X:1\nM:9/8\nL:1/8\nK:C\n(2CD (4EFGA C3|\n", "0:60:3/4 3/4:62:3/4 3/2:64:3/8 15/8:65:3/8 9/4:67:3/8 21/8:69:3/8 3:60:3/2"),
        (HEAD + "(3CDE-E2|(3E-EF G2|\n", "0:60:2/3 2/3:62:2/3 4/3:64:8/3 4:64:4/3 16/3:65:2/3 6:67:2"),
        ("X:1\nM:3+2/8\nL:1/8\nK:G\nF|GAB cF|G3 F2|]\n", "0:66:1/2 1/2:67:1/2 1:69:1/2 3/2:71:1/2 2:72:1/2 5/2:66:1/2 3:67:3/2 9/2:66:1"),
        # macros, and how far an accidental holds
        (HEAD + "m:~n2 = n/o/m/n/\n~c2 ~B,2|\n", "0:72:1/2 1/2:74:1/2 1:71:1/2 3/2:72:1/2 2:59:1/2 5/2:60:1/2 3:57:1/2 7/2:59:1/2"),
        ("X:1\nL:1/4\nm:~n3 = o/n/m/ n3/\nK:C\n~c3 c|\n", "0:74:1/2 1/2:72:1/2 1:71:1/2 3/2:72:3/2 3:72:1"),
        ("X:1\nM:4/4\nL:1/4\nI:propagate-accidentals pitch\nK:C\n^FfF2|F4|\n", "0:66:1 1:78:1 2:66:2 4:65:4"),
        ("X:1\nM:4/4\nL:1/4\nI:propagate-accidentals octave\nK:C\n^FfF2|F4|\n", "0:66:1 1:77:1 2:66:2 4:65:4"),
        (HEAD + "^/C _/D E2|\n", "0:60+50:1 1:62-50:1 2:64:2"),
        # macros within a line, and microtones as fractions
        (HEAD + "[m:T=C/D/]T T2 E|", "0:60:1/2 1/2:62:1/2 1:60:1/2 3/2:62:1/2 2:64:1"),
        (HEAD + "^1/2C _1/2D ^3/2E _3/2C|", "0:60+50:1 1:62-50:1 2:65+50:1 3:59-50:1"),
        # two tones of one letter, tied
        (HEAD + "[_B=B]4-|[_B=B]2 B2|", "0:70:6 0:71:6 6:71:2"),
        # a voice that is named with its octave
        (HEAD + "[V:1 octave=-1]CDEF|\n", "0:48:1 1:50:1 2:52:1 3:53:1"),
        # percussion has no pitch
        (HEAD + "V:1 clef=perc\nCDEF|\nV:2\nG4|\n", "0:67:4"),
    ],
)  # fmt: skip
def test_the_notes_are_those_of_the_standard(tune: str, right: str, converter: Converter) -> None:
    assert heard(tune) == right
    made = to_interleaved(tune)
    assert (heard(made.text), made.left) == (right, ())
    done = convert_text(tune, ["musicxml"], converter)
    assert told(read_xml_notes(done.files[".musicxml"])[1]) == right
    assert done.differences == ()


def test_a_file_header_holds_for_all_tunes_and_a_tune_overrules_it() -> None:
    book = (
        "%abc-2.1\nM:3/4\nL:1/4\nm:~g=a/b/\n\nProse with L:1/1 in it.\n\n"
        "X:1\nK:C\n~gcd|\n\nX:2\nL:1/8\nK:C\ncd|\n"
    )
    assert [heard(tune) for tune in split_tunes(book)] == [
        "0:81:1/2 1/2:83:1/2 1:72:1 2:74:1",
        "0:72:1/2 1/2:74:1/2",
    ]


def test_a_number_within_a_text_block_begins_no_tune() -> None:
    book = "%%begintext\nX:9\nK:C\nabc|\n%%endtext\n\nX:1\nL:1/4\nK:C\nC|\n"
    assert [heard(tune) for tune in split_tunes(book)] == ["0:60:1"]


def test_a_tune_before_the_first_number_is_a_tune() -> None:
    assert len(split_tunes("T:One\nK:C\nC|\n\nX:2\nK:C\nD|\n")) == 2


def test_the_written_score_keeps_its_transposing_parts(converter: Converter) -> None:
    tune = HEAD + "V:1 transpose=-2\nDEFG|\nV:2\nCDEF|\n"
    done = convert_text(tune, ["musicxml", "abc"], converter)
    xml = done.files[".musicxml"].decode()
    assert "<chromatic>-2</chromatic>" in xml and xml.count("<step>D</step>") == 2
    assert b"V:1 treble transpose=-2\n" in done.files[".abc"]
    assert "[V:1][K:Bb]CD_EF|" not in done.files[".abc"].decode()


def test_the_sounding_text_is_in_the_key_that_sounds() -> None:
    tune = 'X:1\nL:1/4\nK:D\nV:1 transpose=-2\nDEFG|"A7"A4|\n'
    assert to_interleaved(tune).text.splitlines()[-2:] == ["[V:1][K:C]CDEF|", '[V:1]"G7"G4|']


def test_music_without_barlines_gets_bars(converter: Converter) -> None:
    first, second = "[^C=C]3/8 z/8 [EG]3/2- [EG]/ F3/4 A3/4\n" * 40, "B,2 D3/2\n" * 40
    tune = f"X:1\nL:1/4\nK:C\nV:1\n{first}V:2\n{second}"
    made = to_interleaved(tune)
    assert (heard(made.text), made.left) == (heard(tune), ())
    assert "M:4/4" in made.text and made.text.count("\n[V:1]") == 40
    done = convert_text(tune, ["musicxml"], converter)
    assert told(read_xml_notes(done.files[".musicxml"])[1]) == heard(tune)
    assert done.differences == ()


def test_music_behind_an_empty_line_is_music_and_prose_is_not() -> None:
    tunes = split_tunes(
        "X:1\nL:1/4\nK:C\n\nCDEF GA\n\nAbout the next one.\n\nX:2\nL:1/4\nK:C\nC|\n"
    )
    assert list(map(heard, tunes)) == ["0:60:1 1:62:1 2:64:1 3:65:1 4:67:1 5:69:1", "0:60:1"]


def test_a_bar_that_is_filled_up_is_named_by_every_conversion(converter: Converter) -> None:
    tune = HEAD + "V:1\nCDEF|GABc|cBAG|\nV:2\nC4|G,2B,|C4|\n"
    said = "bar 2, voice 2: lasts 4 quarters, not 3, which moves what follows"
    assert heard(tune).endswith("7:60:4 8:72:1 9:71:1 10:69:1 11:67:1")
    assert list(map(str, to_interleaved(tune).left)) == [said]
    assert said in convert_text(tune, ["musicxml"], converter).differences


def test_lengths_that_no_note_has_are_named(converter: Converter) -> None:
    tune = HEAD + "C2 z4304/375 D2|F2 z32/125 G2|c4|\n"
    done = convert_text(tune, ["musicxml"], converter)
    assert [bar.partition(":")[0] for bar in done.differences] == [
        "bar 1, voice 1",
        "bar 2, voice 1",
    ]
