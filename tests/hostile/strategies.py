"""Files made up by hypothesis: nearly right, of the parts that their formats have."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import Any

from hypothesis import strategies as st

from tests.hostile.mutants import XML

NUMBERS = st.one_of(
    st.integers(0, 20).map(str),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "-", "1/2", "1e9", "9" * 30, "9" * 400, "٣", "0x1", "NaN", "4.0"]),
)
_ANY = st.text(max_size=8)


def _some(*parts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(parts)


def _joined(one: st.SearchStrategy[str], most: int, between: str = "") -> st.SearchStrategy[str]:
    return st.lists(one, max_size=most).map(between.join)


_LENGTH = st.one_of(_some("", "", "2", "3/2", "/", "//", ">", "<<"), NUMBERS)
_NOTE = st.tuples(
    _some("", "", "^", "__", "=", "^/"), _some(*"CDEFGABcdefgabzxZy"), _some("", ",", "''"), _LENGTH
).map("".join)
_SIGNS = (
    "(3", "(5:4:5", "(", ")", "[", "]", "{", "}", "-", "&", "~", ".", "!trill!", '"Am"', '"', "|",
    "||", ":|", "|:", "::", "[1", "|2", "|]", "[|]", "\\", "$", "`", " ", "\n", "%", "*",
)  # fmt: skip
_OPENED = ("[M:", "[L:", "[K:", "[V:", "[Q:", "(", "[r:", "Z")
_MARK = st.one_of(
    st.sampled_from(_SIGNS),
    st.tuples(st.sampled_from(_OPENED), NUMBERS, _some("]", "", ":")).map("".join),
)
_FIELD = st.tuples(
    _some(*(f"{letter}:" for letter in "XTMLQKVPIUmwWrs"), "%%score ", "%%", "w: ", "s: "),
    st.one_of(_some("C", "Am", "4/4", "C|", "1/8", "none", "1 treble", "( 1 2 )"), NUMBERS, _ANY),
).map("".join)

abc: st.SearchStrategy[bytes] = st.tuples(
    _joined(_FIELD, 6, "\n"), _some("\nK:C\n", "\nK:G\n", "\n"),
    _joined(st.one_of(_NOTE, _NOTE, _MARK, _FIELD.map("\n{}\n".format)), 40),
).map("".join).map(lambda text: text.encode(errors="replace"))  # fmt: skip

_TAGS = (
    "note", "rest", "chord", "pitch", "step", "octave", "alter", "duration", "voice", "type", "dot",
    "staff", "backup", "forward", "attributes", "divisions", "key", "fifths", "time", "beats",
    "beat-type", "measure", "barline", "repeat", "ending", "time-modification", "actual-notes",
    "normal-notes", "grace", "tie", "notations", "tied", "slur", "tuplet", "transpose", "chromatic",
    "part", "direction", "sound", "x",
)  # fmt: skip
_ELEMENT = st.recursive(
    st.tuples(st.sampled_from(_TAGS), NUMBERS).map(lambda e: f"<{e[0]}>{e[1]}</{e[0]}>"),
    lambda inner: st.tuples(
        st.sampled_from(_TAGS),
        _some("", ' type="start"', ' type="stop"', ' number="1"', ' times="99"', ' id="P1"'),
        _joined(inner, 5),
    ).map(lambda e: f"<{e[0]}{e[1]}>{e[2]}</{e[0]}>"),
    max_leaves=20,
)
musicxml: st.SearchStrategy[bytes] = st.tuples(
    st.sampled_from(["</measure>", "</attributes>", "<note>", "</part>", "</note>"]),
    _joined(_ELEMENT, 8), st.booleans(),
).map(lambda e: XML.replace(e[0], e[1] + e[0] if e[2] else e[0] + e[1], 2).encode())  # fmt: skip

_TOKEN = st.one_of(
    st.tuples(_some("", "[", "(", "_"), NUMBERS, _some("", ".", "..", "%3"), _some(*"cdgABB", "cc"),
              _some("", "#", "-", "n", "L", "J", "]", ")", ";", "q")).map("".join),
    _some(".", "4r", "4c 4e 4g", "*^", "*v", "*x", "*+", "*-", "*", "=", "==", "=:|!", "**kern"),
    st.tuples(_some("*M", "*k[", "*clef", "*MM", "*I"), _some("4/4", "f#]", "G2", "0/0"), NUMBERS)
    .map("".join),
)  # fmt: skip
kern: st.SearchStrategy[bytes] = (
    st.integers(1, 3)
    .flatmap(
        lambda width: st.lists(
            st.one_of(
                st.lists(_TOKEN, min_size=width, max_size=width),
                st.lists(_TOKEN, max_size=4),
                _TOKEN.map(lambda token: [token] * width),
            ),
            max_size=20,
        ).map(lambda rows: [["**kern"] * width, *rows, ["*-"] * width])
    )
    .map(lambda rows: "\n".join("\t".join(row) for row in rows).encode())
)

_DELTA = st.sampled_from([b"\x00", b"\x60", b"\x83\x60", b"\xff\xff\xff\x7f", b"\x81" * 5])
_SOUND = st.tuples(
    st.sampled_from([b"\x00", b"\x60"]), st.integers(0, 15), st.integers(0, 127)
).map(lambda e: e[0] + bytes([0x90 | e[1], e[2], 80, 0x60, 0x80 | e[1], e[2], 0]))
_META = st.tuples(st.sampled_from([0x51, 0x58, 0x59, 0x2F, 0x03, 0x20]), st.binary(max_size=6)).map(
    lambda e: bytes([0xFF, e[0], len(e[1])]) + e[1]
)
_RAW = st.one_of(st.binary(max_size=4), st.tuples(st.integers(0x80, 0xFF), st.binary()).map(
    lambda e: bytes([e[0]]) + e[1]
))  # fmt: skip
_EVENT = st.one_of(_SOUND, _SOUND, st.tuples(_DELTA, st.one_of(_META, _META, _RAW)).map(b"".join))
midi: st.SearchStrategy[bytes] = st.tuples(
    st.integers(0, 2), st.integers(0, 3), st.sampled_from([0, 1, 96, 480, 0x7FFF, 0xE728]),
    st.lists(st.lists(_EVENT, max_size=12).map(b"".join), max_size=3),
    st.sampled_from([0, 0, 0, 1, -2]),
).map(
    lambda e: struct.pack(">4sIHHH", b"MThd", 6, e[0], e[1], e[2])
    + b"".join(struct.pack(">4sI", b"MTrk", max(0, len(t) + e[4])) + t for t in e[3])
)  # fmt: skip

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _ANY, st.just(10**40)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_ANY, inner, max_size=4)),
    max_leaves=10,
)
VALUES = _JSON
"""Any value that JSON can hold, and some that it cannot."""


def changed(good: Any) -> st.SearchStrategy[str]:
    """The JSON of `good` with one of its values, at any depth, another or away, or one more key."""
    places = list(_places(good, ()))

    def change(drawn: tuple[tuple[Any, ...], Any, str]) -> str:
        place, value, how = drawn
        made = json.loads(json.dumps(good))
        inner = made
        for step in place[:-1]:
            inner = inner[step]
        if how == "drop":
            del inner[place[-1]]
        elif how == "more" and isinstance(inner, dict):
            inner["more"] = value
        else:
            inner[place[-1]] = value
        return json.dumps(made)

    how = st.sampled_from(["other", "other", "drop", "more"])
    return st.tuples(st.sampled_from(places), VALUES, how).map(change)


def _places(value: Any, place: tuple[Any, ...]) -> Any:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        yield (*place, key)
        if isinstance(one, dict | list):
            yield from _places(one, (*place, key))


_DTYPE = st.sampled_from(["F32", "F16", "BF16", "F8_E4M3", "I64", "BOOL", "x", 3, None])
_SHAPE = st.lists(st.one_of(st.integers(0, 9), st.integers(), VALUES), max_size=4)
_OFFSETS = st.lists(st.one_of(st.integers(0, 64), st.integers()), max_size=3)
safetensors: st.SearchStrategy[bytes] = st.tuples(
    st.dictionaries(
        _ANY,
        st.one_of(
            VALUES,
            st.fixed_dictionaries({"dtype": _DTYPE, "shape": _SHAPE, "data_offsets": _OFFSETS}),
        ),
        max_size=3,
    ).map(lambda head: json.dumps(head).encode()),
    st.sampled_from([0, 0, 0, 1, -1, 1 << 40]), st.binary(max_size=64),
).map(lambda e: struct.pack("<Q", max(0, len(e[0]) + e[1])) + e[0] + e[2])  # fmt: skip

npy: st.SearchStrategy[bytes] = st.tuples(
    st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"]),
    st.tuples(
        _some("'<i8'", "'|u1'", "'|O'", "'<f99'", "[('a','<i8')]", "3", "'<U9999999999'"),
        _some("False", "True", "1", "None"), st.lists(NUMBERS, max_size=3).map(", ".join),
    ).map(lambda e: f"{{'descr': {e[0]}, 'fortran_order': {e[1]}, 'shape': ({e[2]},)}}".encode()),
    st.integers(-3, 3), st.binary(max_size=80),
).map(
    lambda e: b"\x93NUMPY" + e[0]
    + struct.pack("<H" if e[0] == b"\x01\x00" else "<I", max(0, len(e[1]) + e[2])) + e[1] + e[3]
)  # fmt: skip

_OPCODES = st.lists(
    st.one_of(
        st.sampled_from([b"}", b"]", b")", b"(", b"t", b"q\x00", b"h\x00", b"Q", b"R", b"b", b"u",
                         b"N", b"K\x01", b"cos\nsystem\n", b"ccollections\nOrderedDict\n",
                         b"ctorch._utils\n_rebuild_tensor_v2\n", b"X\x01\x00\x00\x00a", b"."]),
        st.binary(max_size=3),
    ),
    max_size=30,
).map(b"".join)  # fmt: skip


def _archive(pickled: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + pickled + b".")
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/data/0", bytes(64))
    return packed.getvalue()


pth: st.SearchStrategy[bytes] = st.one_of(_OPCODES.map(_archive), _OPCODES)

_TOML_VALUE = st.one_of(
    NUMBERS, _some("true", '"a"', "'''b'''", "[1, [2]]", "{a = 1}", "1979-05-27", "[", "{", '"'),
    VALUES.map(json.dumps),
)  # fmt: skip
toml: st.SearchStrategy[bytes] = _joined(
    st.one_of(
        st.tuples(
            _some("lr", "d_model", "seed", "backbone", "backbone.name", "loss.physics.weight",
                  "data", "freeze", "head", "exp_name", "init", "a.b", '""', "1"),
            _some(" = "), _TOML_VALUE,
        ).map("".join),
        _some("[backbone]", "[loss]", "[[loss]]", "[a.b.c]", "[", "#", "\x00"),
        _ANY,
    ), 6, "\n",
).map(lambda text: text.encode(errors="replace"))  # fmt: skip
