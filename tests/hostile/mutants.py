"""Damaged inputs: small good files of each kind, and what chance makes of them."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

ABC = "X:1\nT:Good\nM:6/8\nL:1/8\nQ:1/4=100\nK:G\n" + "GAB c2d|(3efg edB A|[GB]2 z {c}d3:|\n" * 3
VOICES = (
    "X:2\nT:Two\nM:4/4\nL:1/4\nK:Dm\nV:1\nV:2 bass\n"
    "[V:1] d2 e>f|g4|a/b/c' d'2|[V:2] D,4|z4|[D,A,]4|\n"
)
KERN = "**kern\n*clefG2\n*k[f#]\n*M4/4\n=1\n4g\n4a\n4b\n4cc\n=2\n2dd\n4.cc\n8b\n=3\n1g\n==\n*-\n"
_NOTE = (
    "<note><pitch><step>{}</step><octave>4</octave></pitch><duration>2</duration>"
    "<voice>1</voice><type>quarter</type></note>"
)
BAR = "".join(_NOTE.format(step) for step in "CDEF")
XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<score-partwise version="4.0"><part-list>'
    '<score-part id="P1"><part-name>a</part-name></score-part></part-list><part id="P1">'
    '<measure number="1"><attributes><divisions>2</divisions><key><fifths>0</fifths></key>'
    "<time><beats>4</beats><beat-type>4</beat-type></time><clef><sign>G</sign><line>2</line>"
    f'</clef></attributes>{BAR}</measure><measure number="2">{BAR}</measure>'
    f'<measure number="3">{BAR}</measure></part></score-partwise>'
)


def zipped(xml: str) -> bytes:
    """A compressed MusicXML file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        container = '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("a.xml", xml)
    return packed.getvalue()


def midi() -> bytes:
    """A MIDI file of twelve notes."""
    notes = (bytes([0, 0x90, note, 80, 0x83, 0x60, 0x80, note, 0]) for note in range(60, 72))
    events = b"".join(notes)
    track = b"\x00\xff\x58\x04\x04\x02\x18\x08" + events + b"\x00\xff\x2f\x00"
    return struct.pack(">4sIHHH4sI", b"MThd", 6, 0, 1, 480, b"MTrk", len(track)) + track


SCORES: dict[str, bytes] = {
    "tune.abc": ABC.encode(),
    "voices.abc": VOICES.encode(),
    "score.musicxml": XML.encode(),
    "packed.mxl": zipped(XML),
    "song.krn": KERN.encode(),
    "song.mid": midi(),
}
"""A good score of each kind."""

_NUMBERS = (b"0", b"-1", b"4.0", b"1e9", b"999999999", b"9" * 400, b"NaN", b"1/0", b"\xd9\xa3")
_SIGNS = rb"""[ ] { } ( ) | :| " & (9:1:99 C99999999 Z99999 [M:1/99999999] [L:9999/1] <chord/>
<duration>-2</duration> <backup><duration>999999999</duration></backup> <divisions>0</divisions>
<forward><duration>99999</duration></forward> &lol; &#0; <repeat/> 4%0g""".split()
_LINES = rb"""M:0/4 M:99999/1 M:4/0 L:0 L:1/0 K: V:1 %%abc-include_/etc/passwd *M0/4 *^ =""".split()
_RUNS = (b"[" * 500, b"(" * 500, b"{" * 500, b"<a>" * 300, b"(3" * 200, b"/" * 300)
_BYTES = (b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"=\t=\n", b"*v\t*v\n")
_INCLUDE = b"[I:abc-include /etc/passwd]"
_SCRAPS = (*_SIGNS, *(line + b"\n" for line in _LINES), *_RUNS, *_BYTES, _INCLUDE)


def mutant(data: bytes, rng: random.Random) -> bytes:
    """One to four changes somewhere in `data`."""
    for _ in range(rng.randint(1, 4)):
        data = rng.choice(_CHANGES)(data, rng)
    return data


def _flip(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return b"\0"
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 3, 20, len(data))) :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    part = data[start : start + rng.randint(1, 60)]
    return data[:start] + part * rng.choice((2, 3, 20, 300)) + data[start:]


def _insert(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice(_SCRAPS) + data[place:]


def _number(data: bytes, rng: random.Random) -> bytes:
    places = [i for i, byte in enumerate(data) if 48 <= byte < 58]
    if not places:
        return _insert(data, rng)
    start = end = rng.choice(places)
    while end < len(data) and 48 <= data[end] < 58:
        end += 1
    return data[:start] + rng.choice(_NUMBERS) + data[end:]


def _swap(data: bytes, rng: random.Random) -> bytes:
    a, b = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    return data[b:] + data[a:b] + data[:a]


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _flip, _cut, _repeat, _insert, _insert, _number, _number, _swap,
)  # fmt: skip


def write_mutants(folder: Path, count: int, rng: random.Random) -> None:
    """So many, of all kinds of scores, beside the good ones, which are called `good-…`."""
    folder.mkdir(parents=True)
    for name, data in SCORES.items():
        (folder / f"good-{Path(name).stem}{number_of(name)}{Path(name).suffix}").write_bytes(data)
    for number in range(count):
        name = rng.choice(list(SCORES))
        path = folder / f"bad-{number:05d}{Path(name).suffix}"
        path.write_bytes(mutant(SCORES[name], rng))


def number_of(name: str) -> int:
    """The place of a score among those of its kind, so that no two share a stem."""
    return list(SCORES).index(name)
