"""Files that need far more than they bring, made by chance: kinds of them, in any size."""
# ruff: noqa: E501  (a bomb a line)

from __future__ import annotations

import gzip
import io
import os
import random
import stat
import struct
import zipfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from tests.hostile.mutants import BAR, KERN, XML, midi

SIZES = (300, 3_000, 30_000, 150_000)
OUTSIDE = "/etc/passwd"
Maker = Callable[[random.Random, int], str | bytes]

_HEAD = "X:1\nL:1/8\nM:4/4\nK:C\n"
_VOICED = "L:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]"


def _measure(content: str) -> str:
    return XML.replace("</measure>", content + "</measure>", 1)


def _abc(line: str, voiced: bool = False) -> str:
    return (_VOICED if voiced else _HEAD) + line + "|\n"


def _entities(rng: random.Random, many: int) -> str:
    wide = rng.choice((2, 10, 100))
    lines = "".join(
        f'<!ENTITY e{i} "{f"&e{i - 1};" * wide if i else "x" * 50}">' for i in range(12)
    )
    inside = rng.choice(("&e11;", "&e3;" * min(many, 5000)))
    return f"<!DOCTYPE a [{lines}]>" + XML.split("?>", 1)[1].replace(
        "<part-name>", f"<part-name>{inside}"
    )


def _outside(rng: random.Random, many: int) -> str:
    kind = rng.choice(("SYSTEM", 'PUBLIC "x"'))
    where = rng.choice((OUTSIDE, f"file://{OUTSIDE}", "http://127.0.0.1:9/x", "/dev/zero"))
    inside = XML.split("?>", 1)[1].replace("<part-name>a", "<part-name>&f;")
    return f'<!DOCTYPE score-partwise [<!ENTITY f {kind} "{where}">]>' + inside


def _spines(rng: random.Random, many: int) -> str:
    rows, width = ["**kern"], 1
    while width < min(many, 20_000):
        rows.append("\t".join(["*^"] * width))
        width *= 2
    return "\n".join([*rows, "\t".join(["4c"] * width), "\t".join(["*-"] * width)]) + "\n"


def _track(events: bytes, division: int = 480, tracks: int = 1) -> bytes:
    track = events + b"\x00\xff\x2f\x00"
    chunk = struct.pack(">4sI", b"MTrk", len(track)) + track
    return struct.pack(">4sIHHH", b"MThd", 6, 1, tracks, division) + chunk * min(tracks, 200)


def _overlapping(rng: random.Random, many: int) -> bytes:
    begun = b"".join(bytes([0, 0x90 | i % 16, 30 + i % 90, 80]) for i in range(many))
    ended = b"".join(bytes([1, 0x80 | i % 16, 30 + i % 90, 0]) for i in range(many))
    return _track(begun + ended, rng.choice((1, 480, 32767)))


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _lying_zip(rng: random.Random, many: int) -> bytes:
    """Sizes, flags or checksums in its directory that are not so."""
    data = bytearray(_zip({"a.xml": XML.encode()}))
    place = data.rfind(b"PK\x01\x02") + rng.choice((6, 8, 10, 16, 20, 24, 28, 42))
    data[place : place + 4] = rng.randbytes(4)
    return bytes(data)


def _expanding(rng: random.Random, many: int) -> bytes:
    """Just as large as may be expanded, and well-formed."""
    return _zip({"a.xml": _measure(" " * (20 << 20) + BAR).encode()})


def _container(where: str) -> bytes:
    found = f'<container><rootfiles><rootfile full-path="{where}"/></rootfiles></container>'
    return _zip({"META-INF/container.xml": found.encode(), "a.xml": XML.encode()})


def _macros(rng: random.Random, many: int) -> str:
    letters = "HIJKLMNOPQRSTUVW"
    lines = "".join(f"m: {a} = {b * 9}\n" for a, b in pairwise(letters))
    return f"X:1\n{lines}m: W = WW\nU: T = !{'a' * min(many, 9000)}!\nL:1/8\nM:4/4\nK:C\nH T C|\n"


SCORE_BOMBS: dict[str, tuple[str, Maker]] = {
    "chord": (".abc", lambda r, n: _abc("[" + "C" * n + "]", r.random() < 0.5)),
    "brackets": (".abc", lambda r, n: _abc("(" * n + "C" + ")" * n, r.random() < 0.5)),
    "square": (".abc", lambda r, n: _abc("[" * n, r.random() < 0.5)),
    "grace": (".abc", lambda r, n: _abc("{" * n + "C" + "}" * n, r.random() < 0.5)),
    "quotes": (".abc", lambda r, n: _abc('"' * n + "C", r.random() < 0.5)),
    "ties": (".abc", lambda r, n: _abc("C-" * n, r.random() < 0.5)),
    "broken": (".abc", lambda r, n: _abc("C" + ">" * n + "D", r.random() < 0.5)),
    "accidentals": (".abc", lambda r, n: _abc("^" * n + "C" + "," * n, r.random() < 0.5)),
    "rest": (".abc", lambda r, n: _abc(f"{r.choice('ZXzx')}{'9' * r.randint(2, 300)}")),
    "length": (".abc", lambda r, n: _abc(f"C{'9' * r.randint(2, 5000)}", r.random() < 0.5)),
    "fraction": (".abc", lambda r, n: _abc(f"C/{'9' * r.randint(2, 5000)}", r.random() < 0.5)),
    "slash": (".abc", lambda r, n: _abc("C" + "/" * n)),
    "tuplet": (".abc", lambda r, n: _abc("(99:98:97" * (n // 20) + "C", True)),
    "tuplets": (".abc", lambda r, n: _abc("(3" * n + "CDE", r.random() < 0.5)),
    "voices": (".abc", lambda r, n: _HEAD + "".join(f"[V:{i}]C8|" for i in range(n // 10))),
    "bars": (".abc", lambda r, n: _HEAD + "C|" * n),
    "lines": (".abc", lambda r, n: _HEAD + "C|\n" * n),
    "overlay": (".abc", lambda r, n: _abc("&".join(["C8"] * (n // 20)))),
    "repeat": (".abc", lambda r, n: _HEAD + "|:" * n + "C8" + ":|" * n),
    "endings": (".abc", lambda r, n: _abc("|1 C8 :|2 D8 " * (n // 10) + "[1,2-9999999 C8")),
    "fields": (".abc", lambda r, n: _HEAD + r.choice(("K:G\n", "M:3/4\n", "V:9\n", "P:A\n")) * n),
    "inline": (".abc", lambda r, n: _abc(r.choice(("[K:G]", "[M:3/4]C3|", "[L:1/64]")) * n)),
    "words": (".abc", lambda r, n: _HEAD + "C|\nw:" + "la-" * n + "\n"),
    "titles": (".abc", lambda r, n: "T:" + "t" * n + "\n" + _HEAD + "C8|\n"),
    "meter": (".abc", lambda r, n: "X:1\nM:" + "+".join(["1"] * n) + "/4\nL:1/8\nK:C\nC8|\n"),
    "meter2": (".abc", lambda r, n: f"X:1\nM:{'9' * 200}/{'8' * 200}\nL:1/8\nK:C\nC8|\n"),
    "unit": (".abc", lambda r, n: f"X:1\nL:1/{'9' * r.randint(3, 5000)}\nK:C\nC|\n"),
    "tempo": (".abc", lambda r, n: f"X:1\nQ:1/{'9' * 300}={'9' * 300}\nK:C\nC8|\n"),
    "macros": (".abc", _macros),
    "parts": (".abc", lambda r, n: f"X:1\nP:{'(' * 300}A{')99' * 300}\nK:C\nP:A\nC8|\n"),
    "score": (".abc", lambda r, n: "%%score " + "(" * n + "1" + ")" * n + "\n" + _HEAD + "C8|\n"),
    "signs": (".abc", lambda r, n: _abc("!trill(!" * n + "C" + "!trill)!" * n)),
    "chords": (".abc", lambda r, n: _abc('"Am7"' * n + "C")),
    "book": (".abc", lambda r, n: "".join(f"X:{i}\nK:C\nC8|\n\n" for i in range(min(n, 3000)))),
    "include": (".abc", lambda r, n: f"%%abc-include {OUTSIDE}\n" + _abc(f"[I:abc-include {OUTSIDE}]")),
    "nul": (".abc", lambda r, n: b"X:1\nK:C\n" + bytes(n)),
    "utf32": (".abc", lambda r, n: (_HEAD + "C8|" * n).encode("utf-32")),
    "entities": (".xml", _entities),
    "outside": (".musicxml", _outside),
    "deep": (".xml", lambda r, n: _measure("<direction>" * n + "</direction>" * n)),
    "notes": (".musicxml", lambda r, n: _measure(BAR * (n // 10))),
    "parts2": (".musicxml", lambda r, n: XML.replace("</part>", '</part><part id="P2"/>' * n, 1)),
    "measures": (".musicxml", lambda r, n: XML.replace("</part>", '<measure number="9"/>' * n + "</part>")),
    "beats": (".musicxml", lambda r, n: XML.replace("<beats>4", f"<beats>{'9' * r.randint(1, 400)}")),
    "divisions": (".musicxml", lambda r, n: XML.replace("<divisions>2", f"<divisions>{'9' * r.randint(1, 5000)}")),
    "duration": (".musicxml", lambda r, n: XML.replace("<duration>2", f"<duration>{'9' * r.randint(1, 400)}")),
    "tiny": (".musicxml", lambda r, n: XML.replace("<divisions>2", f"<divisions>1e-{r.randint(1, 400)}")),
    "octave": (".musicxml", lambda r, n: XML.replace("<octave>4", f"<octave>{'9' * r.randint(1, 30)}")),
    "fifths": (".musicxml", lambda r, n: XML.replace("<fifths>0", f"<fifths>{r.choice('-1')}{'9' * r.randint(1, 9)}")),
    "backup": (".musicxml", lambda r, n: _measure("<backup><duration>1</duration></backup>" * n)),
    "forward": (".musicxml", lambda r, n: _measure(f"<forward><duration>{'9' * r.randint(3, 9)}</duration></forward>" * (n // 9))),
    "attributes": (".musicxml", lambda r, n: _measure("<note " + " ".join(f'a{i}="1"' for i in range(n)) + "/>")),
    "names": (".musicxml", lambda r, n: _measure("".join(f"<x{i}:a xmlns:x{i}='u{i}'/>" for i in range(n)))),
    "staves": (".musicxml", lambda r, n: _measure(f"<attributes><staves>{'9' * r.randint(1, 9)}</staves></attributes>")),
    "transpose": (".musicxml", lambda r, n: _measure(f"<attributes><transpose><chromatic>{'9' * r.randint(1, 40)}</chromatic></transpose></attributes>")),
    "tuplet2": (".musicxml", lambda r, n: XML.replace("<type>", f"<time-modification><actual-notes>{'9' * r.randint(1, 30)}</actual-notes><normal-notes>1</normal-notes></time-modification><type>")),
    "times": (".musicxml", lambda r, n: _measure(f'<barline><repeat direction="backward" times="{"9" * r.randint(1, 9)}"/></barline>')),
    "text": (".musicxml", lambda r, n: XML.replace("<part-name>a", "<part-name>" + "a" * n * 20)),
    "comments": (".musicxml", lambda r, n: _measure("<!-- -->" * n)),
    "slurs": (".musicxml", lambda r, n: XML.replace("</note>", "<notations>" + '<slur type="start" number="1"/>' * (n // 10) + "</notations></note>", 1)),
    "gzip": (".musicxml", lambda r, n: gzip.compress(bytes(n * 100))),
    "gzip2": (".abc", lambda r, n: gzip.compress((_HEAD + "C8|" * n).encode())),
    "spines": (".krn", _spines),
    "wide": (".krn", lambda r, n: "\t".join(["**kern"] * (n // 10)) + "\n"),
    "dots": (".krn", lambda r, n: KERN.replace("4g", "4" + "." * n + "g")),
    "rational": (".krn", lambda r, n: KERN.replace("4g", f"{'9' * r.randint(1, 5000)}%{'7' * r.randint(1, 5000)}g")),
    "breve": (".krn", lambda r, n: KERN.replace("4g", "0" * n + "g")),
    "meter3": (".krn", lambda r, n: KERN.replace("*M4/4", f"*M{'9' * r.randint(1, 5000)}/{'4' * r.randint(1, 300)}")),
    "rows": (".krn", lambda r, n: KERN.replace("2dd\n", "4dd\n" * n)),
    "barlines": (".krn", lambda r, n: KERN.replace("=2\n", "=2\n" * n)),
    "chord2": (".krn", lambda r, n: KERN.replace("2dd", " ".join(["2dd"] * n))),
    "graces": (".krn", lambda r, n: KERN.replace("2dd\n", "ddq\n" * n)),
    "octave2": (".krn", lambda r, n: KERN.replace("4g", "4" + "g" * n)),
    "flats": (".krn", lambda r, n: KERN.replace("4g", "4g" + r.choice("#-") * n)),
    "track": (".mid", lambda r, n: midi()[:18] + struct.pack(">I", 0xFFFFFFFF) + midi()[22:]),
    "late": (".mid", lambda r, n: midi().replace(b"\x83\x60", b"\xff\xff\xff\x7f")),
    "tracks": (".mid", lambda r, n: midi()[:10] + struct.pack(">H", 65535) + midi()[12:]),
    "overlapping": (".mid", _overlapping),
    "division": (".mid", lambda r, n: midi()[:12] + struct.pack(">H", r.choice((0, 1, 0x8001, 0xE728, 0xFFFF))) + midi()[14:]),
    "meter4": (".mid", lambda r, n: midi().replace(b"\x04\x02\x18\x08", bytes([r.randrange(256), r.randrange(256), 24, 8]))),
    "fast": (".mid", lambda r, n: _track(b"\x00\xff\x51\x03\x00\x00\x00" + midi()[22:-4])),
    "varlen": (".mid", lambda r, n: _track(b"\x81" * n + b"\x00\x90\x40\x40")),
    "running": (".mid", lambda r, n: _track(b"\x00\x90\x40\x40" + b"\x01\x40\x00\x01\x40\x40" * n)),
    "events": (".mid", lambda r, n: _track(b"\x00\xff\x58\x04\x01\x05\x18\x08" * n + midi()[22:-4])),
    "zeros": (".mxl", lambda r, n: _zip({"a.xml": bytes(n * 1500)})),
    "expanding": (".mxl", _expanding),
    "members": (".mxl", lambda r, n: _zip({f"{i}.xml": b"" for i in range(min(n, 20_000))})),
    "nested": (".mxl", lambda r, n: _zip({"a.xml": _zip({"a.xml": XML.encode()})})),
    "lying": (".mxl", _lying_zip),
    "up": (".mxl", lambda r, n: _container(r.choice((f"../../..{OUTSIDE}", OUTSIDE, "")))),
    "container": (".mxl", lambda r, n: _zip({"META-INF/container.xml": b"<a>" * n, "a.xml": XML.encode()})),
    "lzma": (".mxl", lambda r, n: _zip({"a.xml": bytes(n * 1500)}, zipfile.ZIP_LZMA)),
}  # fmt: skip
"""Makers of files by kind, each with its suffix; they are given chance and how many."""

_DEEP = ("[", '{"a":', "[[", '[{"a":')

TEXT_BOMBS: dict[str, tuple[str, Maker]] = {
    "deep": (".json", lambda r, n: r.choice(_DEEP) * n),
    "closed": (".json", lambda r, n: "[" * n + "]" * n),
    "digits": (".json", lambda r, n: '{"id": ' + "9" * n + "}"),
    "exponent": (".json", lambda r, n: '{"id": "a", "bars": 1e' + "9" * r.randint(1, 30) + "}"),
    "keys": (".json", lambda r, n: "{" + ", ".join(f'"k{i}": 1' for i in range(n)) + "}"),
    "string": (".json", lambda r, n: '{"id": "' + "a" * n + '"}'),
    "surrogates": (".json", lambda r, n: '{"id": "' + "\\ud800" * n + '"}'),
    "rows": (".jsonl", lambda r, n: "".join(f'{{"id": "p{i}", "seed": "x"}}\n' for i in range(n))),
    "empty": (".jsonl", lambda r, n: "{}\n" * n),
    "blank": (".jsonl", lambda r, n: "\n" * n * 10),
    "array": (".toml", lambda r, n: "a = " + "[" * n),
    "array2": (".toml", lambda r, n: "lr = " + "[" * n + "]" * n),
    "table": (".toml", lambda r, n: "a = " + "{a = " * n + "1" + "}" * n),
    "dotted": (".toml", lambda r, n: ".".join(["a"] * n) + " = 1\n"),
    "headers": (".toml", lambda r, n: "".join(f"[t{i}]\na = 1\n" for i in range(n))),
    "header": (".toml", lambda r, n: "[" + ".".join(["backbone"] * n) + "]\na = 1\n"),
    "number": (".toml", lambda r, n: "lr = " + "9" * n + "\n"),
    "long": (".toml", lambda r, n: 'exp_name = "' + "x" * n + '"\n'),
    "cell": (".csv", lambda r, n: "path,period,composer,instrumentation\n" + "a" * n + ",b,c,d\n"),
    "columns": (".csv", lambda r, n: "path," * n + "\n" + "a," * n + "\n"),
    "quote": (".csv", lambda r, n: 'path,period,composer,instrumentation\n"' + "a\n" * n),
    "nul": (".txt", lambda r, n: bytes(n)),
    "prompt": (".txt", lambda r, n: "X:1\nM:4/4\nL:1/8\nK:C\n" + "V:1\n" * n + "C8|\n" * n),
    "percents": (".txt", lambda r, n: "%a\n" * n),
    "gzip": (".toml", lambda r, n: gzip.compress(bytes(n * 100))),
    "pth": (".pth", lambda r, n: _zip({"archive/data.pkl": bytes(n * 3000), "archive/version": b"3"})),
    "pickle": (".pth", lambda r, n: b"\x80\x02" + b"(" * n + b"t" * n + b"."),
    "evil": (".pth", lambda r, n: b"cos\nsystem\n(S'touch evil'\ntR."),
    "tensors": (".safetensors", lambda r, n: struct.pack("<Q", r.choice((n, 1 << 62, 10))) + b'{"a":{"dtype":"F32","shape":[' + b"9" * n + b'],"data_offsets":[0,4]}}'),
    "header2": (".safetensors", lambda r, n: struct.pack("<Q", n) + b"[" * n),
    "array3": (".npy", lambda r, n: b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + b"{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,), }".ljust(118)),
    "descr": (".npy", lambda r, n: b"\x93NUMPY\x02\x00" + struct.pack("<I", n) + b"(" * n),
}  # fmt: skip
"""The same of the files that are no scores: lists, settings, tables, prompts, weights, arrays."""

PLACES = ("sparse", "zero", "loop", "out", "pipe", "folder", "socket", "dangling")


def write_bombs(
    folder: Path, count: int, rng: random.Random, sizes: Sequence[int] = SIZES
) -> list[str]:
    """So many bombs of scores, as many of each kind as may be; their names."""
    kinds = [*SCORE_BOMBS, *PLACES]
    rng.shuffle(kinds)
    names = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        if kind in PLACES:
            names.append(_place(folder, kind, number, rng))
        else:
            suffix, make = SCORE_BOMBS[kind]
            names.append(f"bomb-{number:04d}-{kind}{suffix}")
            _write(folder / names[-1], make(rng, rng.choice(sizes)))
    return names


def write_texts(folder: Path, count: int, rng: random.Random) -> list[str]:
    """The same of all other files."""
    kinds = list(TEXT_BOMBS)
    rng.shuffle(kinds)
    names = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        suffix, make = TEXT_BOMBS[kind]
        names.append(f"text-{number:04d}-{kind}{suffix}")
        _write(folder / names[-1], make(rng, rng.choice(SIZES)))
    return names


def _write(path: Path, made: str | bytes) -> None:
    path.write_bytes(made.encode() if isinstance(made, str) else made)


def _place(folder: Path, kind: str, number: int, rng: random.Random) -> str:
    """What stands in a folder and is no file of its size."""
    path = (
        folder / f"bomb-{number:04d}-{kind}{rng.choice(('.abc', '.xml', '.mxl', '.krn', '.mid'))}"
    )
    if kind == "sparse":
        with path.open("wb") as file:
            file.truncate(rng.choice((1 << 25, 8 << 30, 1 << 40)))
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    else:
        targets = {"zero": "/dev/zero", "loop": path.name, "out": OUTSIDE, "dangling": "nowhere"}
        path.symlink_to(targets[kind])
    return path.name
