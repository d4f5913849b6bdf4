# ruff: noqa: E501 (a score and its notes on one line)
"""Kinds of MusicXML that were once read wrong or refused, in variants: the reader and the ABC that
is made of each have the notes that MusicXML 4.0 gives it."""

from __future__ import annotations

import pytest
from picogen_core.abc.reading.notes import read_notes
from picogen_core.errors import BadInput
from picogen_core.score.convert import read_musicxml
from picogen_core.score.files.xml import musicxml_to_abc
from picogen_core.score.validity import validity_faults
from picogen_core.score.xml import notes
from picogen_core.score.xml.notes import read_xml_notes

from ..score_notes import heard, told

START = "<attributes><divisions>{}</divisions>{}</attributes>"


def note(pitch: str, duration: object, extra: str = "", voice: int = 1) -> str:
    """`C4`, `F14` (sharp), `E-14` (flat), `C0.54` (quarter sharp)."""
    step, alter, octave = pitch[0], pitch[1:-1], pitch[-1]
    alter = f"<alter>{alter}</alter>" if alter else ""
    first, last = (extra, "") if "<chord/>" in extra or "<cue/>" in extra else ("", extra)
    return (
        f"<note>{first}<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>"
        f"<duration>{duration}</duration><voice>{voice}</voice>{last}</note>"
    )


def score(*parts: list[str], begin: str = START.format(4, "")) -> bytes:
    body = ""
    for number, measures in enumerate(parts, 1):
        inner = "".join(
            f'<measure number="{i}">{begin if i == 1 else ""}{measure}</measure>'
            for i, measure in enumerate(measures, 1)
        )
        body += f'<part id="P{number}">{inner}</part>'
    listed = "".join(
        f'<score-part id="P{n}"><part-name>p</part-name></score-part>'
        for n in range(1, len(parts) + 1)
    )
    return (
        f'<score-partwise version="4.0"><part-list>{listed}</part-list>{body}</score-partwise>'
    ).encode()


REST = "<note><rest/><duration>8</duration><voice>1</voice></note>"
TUPLET = "<time-modification><actual-notes>{}</actual-notes><normal-notes>{}</normal-notes></time-modification>"
BACK = "<backup><duration>{}</duration></backup>"
TIE = '<tie type="{}"/>'


@pytest.mark.parametrize(
    ("xml", "right"),
    [
        # 7: numbers
        (score([note("C4", "4.0") + note("D4", " 4 ") + note("E4", "8.00")]), "0:60:1 1:62:1 2:64:2"),
        (score([note("C4", 1.5) + note("D4", 0.5) + note("E4", 2)], begin=START.format("1.0", "")), "0:60:3/2 3/2:62:1/2 2:64:2"),
        # marks that hold no notes
        (score(["<direction><direction-type><metronome><beat-unit>quarter</beat-unit><beat-unit>half</beat-unit></metronome></direction-type></direction>"
                '<direction><direction-type><wedge type="continue"/></direction-type></direction>'
                '<direction><direction-type><pedal type="sostenuto"/></direction-type><sound tempo="fast"/></direction>'
                "<harmony><function>I</function><kind>major</kind></harmony>" + note("C4", 16)]), "0:60:4"),
        # 8: tuplets without marks, across others, nested (3 in the time of 2 of a quintuplet)
        (score([note("C4", 20) + note("D4", 20) + note("E4", 20) + note("F4", 60)], begin=START.format(60, "")), "0:60:1/3 1/3:62:1/3 2/3:64:1/3 1:65:1"),
        (score([note("C4", 40, TUPLET.format(3, 2)) + note("D4", 20, TUPLET.format(3, 2)) + note("E4", 12) * 5 + note("F4", 120)], begin=START.format(60, "")),
         "0:60:2/3 2/3:62:1/3 1:64:1/5 6/5:64:1/5 7/5:64:1/5 8/5:64:1/5 9/5:64:1/5 2:65:2"),
        (score([note("C4", 8, TUPLET.format(15, 8)) * 3 + note("D4", 12, TUPLET.format(5, 4)) * 3 + note("E4", 180)], begin=START.format(60, "")),
         "0:60:2/15 2/15:60:2/15 4/15:60:2/15 2/5:62:1/5 3/5:62:1/5 4/5:62:1/5 1:64:3"),
        (score([note("C4", 341) + note("D4", 341) + note("E4", 342) + note("F4", 3072)], begin=START.format(1024, "")), "0:60:1/3 1/3:62:1/3 2/3:64:1/3 1:65:3"),
        # ties that lead nowhere, and one over a barline
        (score([note("E-14", 8, TIE.format("stop")) + note("D4", 8, TIE.format("start"))]), "0:63:2 2:62:2"),
        (score([note("F14", 16, TIE.format("start")), note("F14", 8, TIE.format("stop")) + note("F4", 8)]), "0:66:6 6:65:2"),
        (score([note("C4", 4, "<notations><tied type='start'/></notations>") + note("C4", 4, "<notations><tied type='continue'/></notations>") + note("C4", 8, "<notations><tied type='stop'/></notations>")]), "0:60:4"),
        # texts and rates that converters take for music or numbers
        (score(['<direction><direction-type><words>a"b|c%d\\e [V:2] {x}</words></direction-type></direction>'
                "<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>c. 120</per-minute></metronome></direction-type></direction>" + note("C4", 16)]), "0:60:4"),
        # a note that lasts nothing, 1024ths with dots, times rounded to 1/768
        (score([note("C4", 0) + note("D4", 16)]), "0:62:4"),
        (score([note("C4", 7) + note("D4", 1) + note("E4", 1016) + note("F4", 3072)], begin=START.format(1024, "")), "0:60:7/1024 7/1024:62:1/1024 1/128:64:127/128 1:65:3"),
        (score([note("C4", 2966) + note("D4", 106)], begin=START.format(768, "")), "0:60:139/36 139/36:62:5/36"),
        (score([note("C4", 17) + note("D4", 223) + note("E4", 720)], begin=START.format(240, "")), "0:60:1/14 1/14:62:13/14 1:64:3"),
        # three quarter tones
        (score([note("C1.54", 4) + note("E1.54", 4) + note("F-1.54", 4) + note("C-1.54", 4)]), "0:62-50:1 1:65+50:1 2:64-50:1 3:59-50:1"),
        # more than seven accidentals in the key, and keys of no tonic
        (score([note("F24", 8) + note("C14", 8)], begin=START.format(4, "<key><fifths>8</fifths></key>")), "0:67:2 2:61:2"),
        (score([note("F14", 8) + note("B-14", 8)], begin=START.format(4, "<key><key-step>F</key-step><key-alter>1</key-alter></key>")), "0:66:2 2:70:2"),
        # 9: transposition with its octaves and without its steps
        (score([note("C5", 16)], begin=START.format(4, "<transpose><diatonic>-4</diatonic><chromatic>-7</chromatic></transpose>")), "0:65:4"),
        (score([note("C4", 16)], begin=START.format(4, "<transpose><chromatic>-2</chromatic><octave-change>-1</octave-change></transpose>")), "0:46:4"),
        # 10: quarter tones
        (score([note("C0.54", 8) + note("D-0.54", 8)]), "0:60+50:2 2:62-50:2"),
        # voices: overlapping notes, a gap, a silent measure, parts whose measures differ
        (score([note("C4", 16) + BACK.format(12) + note("E4", 4)]), "0:60:4 1:64:1"),
        (score([note("C4", 16) + BACK.format(16) + "<forward><duration>8</duration></forward>" + note("E4", 4, voice=2)]), "0:60:4 2:64:1"),
        (score([note("C4", 16), "", note("D4", 16)], [note("E4", 16), note("F4", 16), note("G4", 16)]), "0:60:4 0:64:4 4:65:4 8:62:4 8:67:4"),
        (score([note("C4", 16), note("D4", 16)], [note("E4", 16)]), "0:60:4 0:64:4 4:62:4"),
        (score(["", note("D4", 16)], ["", note("G4", 16)]), "4:62:4 4:67:4"),
        # chords, cue notes in them, notes that are not printed
        (score([note("C4", 8) + note("E4", 8, "<chord/>") + note("C4", 8, "<cue/>")]), "0:60:2 0:64:2"),
        (score([note("C4", 8).replace("<note>", '<note print-object="no">') + note("E4", 8, "<chord/>") + REST]), "0:64:2"),
        # drums beside notes
        (score([note("C4", 8) + "<note><unpitched/><duration>8</duration><voice>1</voice></note>"]), "0:60:2"),
        (score([note("C4", 16)], begin=START.format(4, "<time><beats>3+2</beats><beat-type>8</beat-type></time><clef><sign>percussion</sign></clef>")), "0:60:4"),
    ],
)  # fmt: skip
def test_the_notes_are_those_of_the_format(xml: bytes, right: str) -> None:
    assert told(read_xml_notes(xml)[1]) == right
    made = musicxml_to_abc(xml)
    assert (heard(made.abc), made.left) == (right, ())
    assert told(read_xml_notes(read_musicxml(xml))[1]) == right
    written = musicxml_to_abc(xml, sounding=False)
    assert (heard(written.abc), written.left) == (right, ())


def test_rounded_septuplets_are_no_reason_to_refuse_a_score() -> None:
    septuplet = "<type>32nd</type>" + TUPLET.format(7, 4)
    runs = note("C4", 16, TUPLET.format(5, 4)) * 15 + note("D4", 17, septuplet) * 7
    rest = "<forward><duration>1</duration></forward>" + note("E4", 240) + note("F4", 120)
    xml = score(
        [runs + rest + BACK.format(720) + note("C3", 720, voice=5)], begin=START.format(240, "")
    )
    made = musicxml_to_abc(xml)
    assert (heard(made.abc), made.left) == (told(read_xml_notes(xml)[1]), ())
    assert heard(made.abc).endswith("10/7:62:1/14 3/2:64:1 5/2:65:1/2")


def test_a_score_by_measures_is_read() -> None:
    xml = (
        '<score-timewise><part-list><score-part id="A"><part-name/></score-part>'
        '<score-part id="B"><part-name/></score-part></part-list>'
        f'<measure number="1"><part id="A">{START.format(4, "")}{note("C4", 16)}</part>'
        f'<part id="B">{START.format(4, "")}{note("E4", 16)}</part></measure>'
        f'<measure number="2"><part id="A">{note("D4", 16)}</part>'
        f'<part id="B">{note("F4", 16)}</part></measure></score-timewise>'
    ).encode()
    assert told(read_xml_notes(xml)[1]) == "0:60:4 0:64:4 4:62:4 4:65:4"
    assert b"<score-partwise" in read_musicxml(xml)


def test_entities_that_a_file_defines_are_resolved() -> None:
    xml = score([note("C4", 16)]).decode().replace("<step>C", "<step>&c;")
    xml = '<!DOCTYPE score-partwise [<!ENTITY c "C">]>' + xml
    assert told(read_xml_notes(xml.encode())[1]) == "0:60:4"


@pytest.mark.parametrize(
    "data",
    [
        b"\n  <?xml version='1.0'?>" + score([note("C4", 16)]),
        b"<?xml version='1.0' encoding='UTF-16'?>" + score([note("C4", 16)]),
        ("<?xml version='1.0' encoding='utf-8'?>" + score([note("C4", 16)]).decode()).encode("utf-16"),
        b"<?xml version='1.0' encoding='utf-8'?>" + score([note("C4", 16)]).replace(b">p<", b">\xe9\x0b<"),
        score([note("C4", 16)]) + b"\n\0\0",
        score([note("C4", 16)]).replace(b"<score-partwise", b"<score-partwise xmlns='urn:x'"),
    ],
)  # fmt: skip
def test_bytes_that_belie_their_declaration_are_read(data: bytes) -> None:
    assert told(read_xml_notes(data)[1]) == "0:60:4"
    assert heard(musicxml_to_abc(data).abc) == "0:60:4"
    assert told(read_xml_notes(read_musicxml(data))[1]) == "0:60:4"


def test_what_is_no_xml_has_the_first_fault() -> None:
    with pytest.raises(BadInput, match="not well-formed XML: Opening and ending tag"):
        read_xml_notes(score([note("C4", 16)]).replace(b"</part>", b""))


def test_a_part_without_a_clef_keeps_its_transposition_and_gets_no_title() -> None:
    move = "<transpose><chromatic>0</chromatic><octave-change>-1</octave-change></transpose>"
    written = musicxml_to_abc(score([note("D4", 16)], begin=START.format(4, move)), sounding=False)
    assert written.abc.splitlines()[0:2] == ["X:1", "L:1/8"]
    assert "V:1 treble transpose=-12" in written.abc and heard(written.abc) == "0:50:4"


def test_incomplete_voices_are_valid_and_parts_that_differ_are_not() -> None:
    early = note("C4", 16) + BACK.format(16) + note("E4", 4, voice=2)
    assert not any("last" in fault for fault in validity_faults(score([early])))
    other = validity_faults(score([early], [note("C4", 12)]))
    assert "the voices of measure 1 last 3, 4 quarters" in other


def test_the_written_abc_keeps_transposing_parts() -> None:
    clef = "<clef><sign>G</sign><line>2</line></clef>"
    move = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    xml = score([note("D4", 16)], begin=START.format(4, clef + move))
    written = musicxml_to_abc(xml, sounding=False).abc
    assert "V:1 treble transpose=-2" in written and "[V:1]" in written
    assert [n.pitch for n in read_notes(written)["1"]] == [60]
    assert "transpose" not in musicxml_to_abc(xml).abc


def test_more_notes_than_any_score_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    note = "<note><rest/><duration>1</duration></note>"
    score = f'<score-partwise><part id="P1"><measure number="1">{note * 5}</measure></part>'
    monkeypatch.setattr(notes, "MAX_NOTES", 5)
    assert len(notes.read_xml_notes(f"{score}</score-partwise>".encode())[1]["P1:1"]) == 5
    monkeypatch.setattr(notes, "MAX_NOTES", 4)
    with pytest.raises(BadInput, match="it has 5 notes and rests; at most 4"):
        notes.read_xml_notes(f"{score}</score-partwise>".encode())
