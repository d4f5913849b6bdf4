"""Pieces from files: ABC and MusicXML give the same notes, and a faulty file stops nothing."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from picogen_core.abc.reading.notes import Note, melody
from picogen_core.errors import BadInput
from picogen_core.score.reading import (
    Piece,
    ScoreText,
    Unreadable,
    open_scores,
    piece_from_abc,
    read_pieces,
    read_score,
)
from picogen_core.score.xml.notes import MAX_BYTES, read_xml_notes, unzip_mxl

# One music, spelt twice: a key signature, an accidental through the bar and over a tie, a chord, a
# triplet, a second voice written with <backup>, a grace note, a rest.
ABC = """X:1
L:1/4
M:4/4
K:G
V:1
{a}F ^c (3c/d/e/ [Gb]|=f4-|f2 z2|]
V:2
G,4|C,4|D,4|]
"""


def note(pitch: str, duration: int, extra: str = "", voice: int = 1, tie: str = "") -> str:
    step, alter, octave = pitch[0], pitch[1:-1], pitch[-1]
    alter = f"<alter>{alter}</alter>" if alter else ""
    return (
        f"<note>{extra}<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>"
        f"<duration>{duration}</duration>{tie}<voice>{voice}</voice></note>"
    )


def score(*measures: str, part: str = "P1") -> str:
    inner = "".join(f"<measure>{measure}</measure>" for measure in measures)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="4.0">'
        f'<part id="{part}">{inner}</part></score-partwise>'
    )


BACK = "<backup><duration>24</duration></backup>"
XML = score(
    "<attributes><divisions>6</divisions></attributes>"
    + "<note><grace/><pitch><step>A</step><octave>5</octave></pitch><voice>1</voice></note>"
    + note("F14", 6) + note("C15", 6) + note("C15", 2) + note("D5", 2) + note("E5", 2)
    + note("G4", 6) + note("B5", 6, "<chord/>") + BACK + note("G3", 24, voice=2),
    note("F5", 24, tie='<tie type="start"/>') + BACK + note("C3", 24, voice=2),
    note("F5", 12, tie='<tie type="stop"/>')
    + "<note><rest/><duration>12</duration><voice>1</voice></note>"
    + BACK + note("D3", 24, voice=2),
)  # fmt: skip


def zipped(data: bytes) -> bytes:
    """A compressed MusicXML file with this score in it."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        roots = b'<rootfiles><rootfile full-path="a.xml"/></rootfiles>'
        archive.writestr("META-INF/container.xml", b"<container>" + roots + b"</container>")
        archive.writestr("a.xml", data)
    return buffer.getvalue()


def sounds(piece: Piece) -> list[list[tuple[object, ...]]]:
    """All but where the notes stand in the text."""
    return [
        [(n.pitch, n.step, n.onset, n.duration, n.tied, n.chord) for n in voice]
        for voice in piece.voices.values()
    ]


def fault(data: bytes | str) -> str:
    with pytest.raises(BadInput) as caught:
        read_xml_notes(data if isinstance(data, bytes) else data.encode())
    return str(caught.value)


def test_abc_and_musicxml_give_the_same_notes(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text(ABC)
    (tmp_path / "b.musicxml").write_text(XML)
    (tmp_path / "c.mxl").write_bytes(zipped(XML.encode()))
    pieces = list(read_pieces(tmp_path))
    assert [piece.name for piece in pieces] == ["a.abc", "b.musicxml", "c.mxl"]
    first, *others = (piece for piece in pieces if isinstance(piece, Piece))
    assert [melody(voice) for voice in first.voices.values()] == [
        [66, 73, 73, 74, 76, 83, 77],
        [55, 48, 50],
    ]
    for other in others:
        assert sounds(other) == sounds(first)
        assert other.text == XML
    assert others[0].voices["P1:1"][0] == Note(66, 31, 0, 1, -1)


def test_a_book_gives_numbered_pieces_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "book.abc").write_text("X:1\nK:C\nC|\n\nX:2\nK:C\nz|\n\nX:3\nK:C\n\n")
    (tmp_path / "one.abc").write_bytes("\ufeffK:C\nD|".encode())
    (tmp_path / "old.abc").write_bytes(b"X:1\nT:\xe9\nK:C\nE|")
    (tmp_path / "notes.txt").write_text("no score")
    pieces = list(read_pieces(tmp_path))
    assert [piece.name for piece in pieces] == [
        "old.abc", "one.abc", "sub/book.abc#1", "sub/book.abc#2", "sub/book.abc#3",
    ]  # fmt: skip
    assert pieces[-1] == Unreadable("sub/book.abc#3", "no notes in it")
    assert isinstance(pieces[1], Piece) and pieces[1].voices["1"][0].pitch == 62
    assert isinstance(pieces[0], Piece) and "T:é" in pieces[0].text


def test_several_formats_of_one_score_are_one_piece(tmp_path: Path) -> None:
    for name, text in (("a.abc", ABC), ("a.musicxml", XML), ("a.xml", XML), ("b.xml", XML)):
        (tmp_path / name).write_text(text)
    assert [piece.name for piece in read_pieces(tmp_path)] == ["a.abc", "b.xml"]


def test_a_faulty_file_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<score-partwise><part>")
    (tmp_path / "b.mxl").write_bytes(b"PK no zip")
    (tmp_path / "c.abc").write_bytes(b" " * (MAX_BYTES + 1))
    (tmp_path / "d.abc").write_text(ABC)
    (tmp_path / "e.xml").write_text(score("<note><rest/><duration>1</duration></note>") * 2)
    found = list(read_pieces(tmp_path))
    assert [type(piece) for piece in found] == [
        Unreadable,
        Unreadable,
        Unreadable,
        Piece,
        Unreadable,
    ]
    assert [piece.reason for piece in found[:3] if isinstance(piece, Unreadable)][1:] == [
        "not a compressed MusicXML file (BadZipFile)",
        "larger than 32 MB",
    ]


def test_paths_that_lead_nowhere_are_errors_at_once(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_text("")
    for path, says in (
        (tmp_path / "gone.abc", "no such file"),
        (tmp_path / "x.pdf", "not a score"),
        (tmp_path, "no scores"),
    ):
        with pytest.raises(BadInput, match=says):
            read_pieces(path)
    (tmp_path / "a.abc").write_text(ABC)
    assert [piece.name for piece in read_pieces(tmp_path / "a.abc")] == ["a.abc"]


def test_xml_that_is_no_score_says_why() -> None:
    assert "its root is <html>" in fault("<html/>")
    assert "its root is <score-timewise>" in fault("<score-timewise/>")
    assert "not well-formed" in fault(b"")
    assert "<duration> is 'x'" in fault(score("<note><rest/><duration>x</duration></note>"))
    assert "out of all proportion" in fault(score("<note><rest/><duration>1e99</duration></note>"))
    long = score(*["<forward><duration>999999</duration></forward>"] * 30)
    assert fault(long) == "measure 1 is out of all proportion"
    assert "no step or no octave" in fault(score(note("H4", 1)))
    changes = [f"<attributes><divisions>{n}</divisions></attributes>" for n in range(2, 90)]
    assert "<divisions>" in fault(score(*changes))


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("4")
    doctype = f'<!DOCTYPE score-partwise [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    body = score(note("C4", 1)).replace("<octave>4<", "<octave>&e;<")
    assert "<octave> is ''" in fault(body.replace("<score-partwise", doctype + "<score-partwise"))


def test_a_packed_score_stays_packed_until_it_is_read(tmp_path: Path) -> None:
    text = score(note("C4", 1)).replace("<score-partwise", " " * 4_000_000 + "<score-partwise")
    (tmp_path / "a.mxl").write_bytes(zipped(text.encode()))
    [found] = open_scores(tmp_path)
    assert isinstance(found, ScoreText) and len(found.data) < 100_000
    piece = read_score(found)
    assert isinstance(piece, Piece) and piece.text == text


def test_a_zip_bomb_is_not_unpacked() -> None:
    bomb = zipped(b" " * (MAX_BYTES + 1))
    assert len(bomb) < 100_000
    with pytest.raises(BadInput, match="expands to more than 32 MB"):
        unzip_mxl(bomb)


def test_percussion_and_hidden_notes_are_rests_and_cues_are_dropped() -> None:
    hidden = note("C4", 1).replace("<note>", '<note print-object="no">')
    drum = "<note><unpitched/><duration>1</duration></note>"
    _, voices, _ = read_xml_notes(
        score(hidden + drum + note("D4", 1, "<cue/>") + note("E4", 1)).encode()
    )
    assert [(n.pitch, n.onset) for n in voices["P1:1"]] == [(None, 0), (None, 1), (64, 3)]


def test_a_piece_from_text_is_the_piece_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text(ABC)
    assert next(read_pieces(tmp_path)) == piece_from_abc("a.abc", ABC)
