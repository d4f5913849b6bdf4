"""Scores that are not ABC: MusicXML, **kern and MIDI, read in a process of their own."""

import zipfile
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from picogen_core import BadInput
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.interleaved.separate import separate
from picogen_core.abc.reading.notes import read_notes
from picogen_core.data.corpora import CORPORA, corpus_files, read_corpus
from picogen_core.errors import PassingFault
from picogen_core.score.files.midi import nearest
from picogen_core.score.files.reader import FileReader
from picogen_core.score.xml.notes import read_xml_notes, unzip_mxl

KERN = """**kern\t**kern
*clefF4\t*clefG2
*k[f#]\t*k[f#]
*M3/4\t*M3/4
=1\t=1
2.GG\t4g
.\t4a
.\t8b
.\t8cc
=2\t=2
2.D\t2.dd
==\t==
*-\t*-
"""


def sounds(text: str) -> Counter[tuple]:
    voices = (
        tuple(sorted((n.onset, n.duration, n.pitch) for n in notes if n.pitch is not None))
        for notes in read_notes(text).values()
    )
    return Counter(voice for voice in voices if voice)


@pytest.fixture(scope="module")
def reader():
    with FileReader() as made:
        yield made


@pytest.mark.parametrize("which", ["bach", "quartets", "monteverdi"])
def test_no_note_of_a_real_score_is_lost(which, reader):
    _, files = corpus_files(which)
    known = [(name, file) for name, file in files if file.suffix != ".krn"]
    assert len(known) >= 4
    for name, file in known[:: len(known) // 4]:
        abc = reader.read(file).abc
        made = interleave(abc)
        assert sounds(separate(made)) == sounds(abc), name
        scored = read_xml_notes(unzip_mxl(file.read_bytes()))[1].values()
        notes = sum(note.pitch is not None for voice in scored for note in voice)
        assert sum(map(len, sounds(made).elements())) == notes, name


def test_kern(tmp_path: Path, reader):
    path = tmp_path / "a.krn"
    path.write_text(KERN)
    voices = sounds(interleave(reader.read(path).abc))
    q = Fraction
    assert voices == Counter(
        [
            ((q(0), q(3), 43), (q(3), q(3), 50)),
            ((q(0), q(1), 67), (q(1), q(1), 69), (q(2), q(1, 2), 71), (q(5, 2), q(1, 2), 72),
             (q(3), q(3), 74)),
        ]
    )  # fmt: skip


def write_midi(path: Path, times: list[tuple[int, int, int]], channel: int = 0) -> None:
    """Notes (start, end, pitch) at 480 ticks a quarter, as a file of format 0."""
    events = [(start, 0x90 + channel, pitch, 80) for start, _, pitch in times]
    events += [(end, 0x80 + channel, pitch, 0) for _, end, pitch in times]
    track, now = bytearray(), 0
    for time, status, pitch, velocity in sorted(events):
        delta = time - now
        track += bytes([0x80 | delta >> 7, delta & 0x7F] if delta > 127 else [delta])
        track += bytes([status, pitch, velocity])
        now = time
    track += b"\x00\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + bytes([0, 0, 0, 1]) + (480).to_bytes(2, "big")
    path.write_bytes(header + b"MTrk" + len(track).to_bytes(4, "big") + bytes(track))


def test_midi_is_moved_to_the_grid_and_says_so(tmp_path: Path, reader):
    path = tmp_path / "a.mid"
    straight = [(0, 480, 60), (480, 640, 62), (640, 800, 64), (800, 960, 65), (960, 1080, 67)]
    loose = [(1100, 1190, 69), (1205, 1420, 71), (1440, 1900, 72)]
    write_midi(path, straight + loose)
    read = reader.read(path)
    assert (read.notes, read.moved) == (8, 3)
    (voice,) = sounds(interleave(read.abc))
    third, quarter = Fraction(1, 3), Fraction(1, 4)
    assert [(onset, pitch) for onset, _, pitch in voice] == [
        (0, 60), (1, 62), (1 + third, 64), (1 + 2 * third, 65),
        (2, 67), (2 + quarter, 69), (2 + 2 * quarter, 71), (3, 72),
    ]  # fmt: skip
    assert [duration for _, duration, _ in voice][:5] == [1, third, third, third, quarter]


def test_drums_have_no_notes(tmp_path: Path, reader):
    write_midi(tmp_path / "a.mid", [(0, 480, 36), (480, 960, 38)], channel=9)
    with pytest.raises(BadInput, match="it has no notes"):
        reader.read(tmp_path / "a.mid")


@pytest.mark.parametrize(
    ("time", "place"),
    [("0.26", "1/4"), ("0.3", "1/3"), ("0.52", "1/2"), ("0.7", "2/3"), ("0.99", "1")],
)
def test_the_grid_has_sixteenths_and_triplets(time, place):
    assert nearest(Fraction(time)) == Fraction(place)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.xml", b"<score", "not well-formed XML"),
        ("a.musicxml", b"<score-partwise><part-list/></score-partwise>", "no notes"),
        ("a.xml", b"<html><body/></html>", "its root is <html>"),
        ("a.musicxml", b"<score-timewise/>", "root is <score-timewise>; of MusicXML <score-partw"),
        ("a.mxl", b"PK\x03\x04 no zip", "not a compressed MusicXML"),
        ("a.mid", b"MThd no MIDI", "it is no MIDI file"),
        ("a.krn", b"no kern", "no ABC: .* another score"),
    ],
)
def test_a_bad_file_has_a_reason_and_the_reader_goes_on(tmp_path, reader, name, data, reason):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadInput, match=reason):
        reader.read(path)
    good = tmp_path / "good.krn"
    good.write_text(KERN)
    assert "V:" in reader.read(good).abc


def test_an_mxl_that_expands_without_end_is_refused(tmp_path, reader):
    path = tmp_path / "bomb.mxl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>',
        )
        with archive.open("a.xml", "w", force_zip64=True) as member:
            for _ in range(201):
                member.write(b" " * 1_000_000)
    with pytest.raises(BadInput, match="expands to more than"):
        reader.read(path)


def test_a_worker_that_dies_is_replaced(tmp_path):
    path = tmp_path / "a.krn"
    path.write_text(KERN)
    with FileReader() as made:
        made.read(path)
        assert made._process is not None
        made._process.kill()
        made._process.wait()
        assert "V:" in made.read(path).abc


def test_a_worker_that_dies_of_a_file_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(FileReader, "_exchange", lambda self, request, seconds: (b"", False))
    with FileReader() as made, pytest.raises(PassingFault, match="was killed or stood still"):
        made.read(tmp_path / "a.krn")


def test_every_corpus_has_its_files_and_licence():
    counts = {which: len(corpus_files(which)[1]) for which in CORPORA}
    assert counts["quartets"] == 24 and counts["monteverdi"] == 49 and counts["palestrina"] == 1318
    assert counts["bach"] == 413 and counts["beethoven"] == 26 and counts["essen"] == 31
    assert "unclear" in CORPORA["essen"].licence and "Greentree" in CORPORA["bach"].licence
    assert "reserved" in CORPORA["palestrina"].licence
    assert [piece.name for piece in read_corpus("joplin")] == ["joplin/maple_leaf_rag.mxl"]
    names = [
        piece.name for which in ("bach", "quartets", "oneills") for piece in read_corpus(which)
    ]
    assert len(set(names)) == len(names) == 413 + 24 + 2009


@pytest.mark.parametrize("which", ["oneils", "../corpus", "no-such"])
def test_an_unknown_corpus_is_named(which):
    with pytest.raises(BadInput, match="no such corpus"):
        corpus_files(which)
