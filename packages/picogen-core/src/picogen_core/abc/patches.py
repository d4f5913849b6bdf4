"""NotaGen's patch codec: ABC text to rows of 16 character codes, and back without loss.

A patch is 16 ASCII codes. Each header line is cut alone; each body line, one bar of all voices,
is first headed by the counter `[r:i/n]` (bars done / bars to come) and cut before its barlines.
A cut whose length is no multiple of 16 is closed by EOS and padded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.counters import BODY_STARTS, START, make_counter, strip_counters
from picogen_core.errors import BadInput

PATCH_SIZE = 16
VOCABULARY = 128
PAD, BOS, EOS = 0, 1, 2

BOS_PATCH = bytes([BOS] * (PATCH_SIZE - 1) + [EOS])
EOS_PATCH = bytes([BOS] + [EOS] * (PATCH_SIZE - 1))

Patches = NDArray[np.uint8]
"""[S, 16] character codes."""

# What closes a cut, by its length modulo 16: EOS and padding, or nothing.
_CLOSE = [b"", *(bytes([EOS, *[PAD] * (PATCH_SIZE - 1 - n)]) for n in range(1, PATCH_SIZE))]

# One match is one cut of `split_bars`: barlines, what follows them up to the next one, and at the
# end of its line a last piece that has no V in it. Possessive, so that it is linear.
_BARS = rb"(?:\|[:|\]]?|:[:|]|\[\|)"
_TEXT = rb"(?:[^|:\[\n%s]++|:(?![:|])|\[(?!\|))"
_CUT = re.compile(
    rb"(?:%s*+%s++\n?|%s++\n?|\n)(?:(?<!\n)%s++%s*+(?:\n|\Z))?"
    % (_BARS, _TEXT % b"", _BARS, _BARS, _TEXT % b"V")
)
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_BARLINE = re.compile(r"(?:\|:|::|:\||\[\||\|\||\|\]|\|)")
_OPEN_BARLINE = re.compile(_BARLINE.pattern + r"|(?<!\[[A-Za-z]):$")  # `:` may become `:|`
_ONLY_BARLINE = re.compile(r"[|:\[\]\s]+")
_ONLY_MARKS = re.compile(r"(?:\[[rV]:[^\]\n]*\])+")
_HEADER_VOICE = re.compile(r"^V:\s*(\w+)", re.M)
_BODY_VOICE = re.compile(r"\[V:(\w+)\]")
_OUTSIDE = re.compile(r"[^\x03-\x7f]")
_BODY_START = re.compile("|".join(f"^{re.escape(start)}" for start in BODY_STARTS), re.M)
_EMPTY_LINE = re.compile(r"^[ \t]*\n", re.M)
_SPECIAL = bytes([PAD, BOS, EOS])


@dataclass(frozen=True)
class Prompt:
    """An open beginning: complete `patches`, and `tail`, the fixed characters of the next patch."""

    patches: Patches
    tail: str


def split_body(text: str) -> tuple[str, str]:
    """Return header and body; the body starts at the first line with `[V:` or `[r:`."""
    start = _BODY_START.search(text)
    return (text[: start.start()], text[start.start() :]) if start else (text, "")


def drop_empty_lines(text: str) -> str:
    """Return the text without empty lines, which would count as bars, as NotaGen's codec does."""
    return _EMPTY_LINE.sub("", text)


def encode(text: str) -> Patches:
    """Return the patches of a whole interleaved piece, from the BOS patch to the EOS patch.

    Raises:
        BadInput: a character outside the vocabulary, with its place.
    """
    check_characters(text)
    header, body = split_body(strip_counters(text))
    lines = _lines(body)
    last = len(lines) - 1
    counted = "".join([make_counter(i, last - i) + line for i, line in enumerate(lines)])
    cuts = _LINE.findall(header.encode("ascii")) + _CUT.findall(counted.encode("ascii"))
    rows = b"".join([cut + _CLOSE[len(cut) % PATCH_SIZE] for cut in cuts])
    return _rows(b"".join((BOS_PATCH, rows, EOS_PATCH)))


def _lines(text: str) -> list[str]:
    """Return the lines with their ends; only `\\n` ends one."""
    *whole, rest = text.split("\n")
    lines = [line + "\n" for line in whole]
    return [*lines, rest] if rest else lines


def line_starts(patches: Patches) -> NDArray[np.int64]:
    """Indices of the patches [S, 16] that begin a body line: those that a counter begins."""
    start = np.frombuffer(START.encode(), np.uint8)
    return np.flatnonzero((patches[:, : len(start)] == start).all(1))


def encode_prompt(text: str) -> Prompt:
    """Return a beginning for the model to continue. Counters are kept and none is added.

    The last cut of the body stays open, so that a prompt may end within a bar, at a barline or
    after a line; a header is complete after each of its lines.

    Raises:
        BadInput: a character outside the vocabulary, with its place.
    """
    cuts, tail = cut_prompt(text)
    whole = len(tail) // PATCH_SIZE * PATCH_SIZE
    raw = [cut.encode("ascii") for cut in cuts]
    closed = b"".join([cut + _CLOSE[len(cut) % PATCH_SIZE] for cut in raw])
    stream = BOS_PATCH + closed + tail[:whole].encode("ascii")
    return Prompt(_rows(stream), tail[whole:])


def cut_prompt(text: str) -> tuple[list[str], str]:
    """Return the complete cuts of a beginning, and the open one ("" if none).

    Raises:
        BadInput: a character outside the vocabulary, with its place.
    """
    check_characters(text)
    header, body = split_body(text)
    cuts = _lines(header)
    lines = _lines(body)
    for line in lines[:-1] if not body.endswith("\n") else lines:
        cuts += split_bars(line)
    if body and not body.endswith("\n"):
        cuts += _split_open(lines[-1], header)
    tail = cuts.pop() if cuts and (body or not text.endswith("\n")) else ""
    return cuts, tail


def decode(patches: Patches) -> str:
    """Return the text of patches with counters: the characters before the EOS of each patch."""
    return "".join(patch_text(row.tobytes()) for row in np.asarray(patches, dtype=np.uint8))


def patch_text(raw: bytes) -> str:
    """Return the characters of one patch, up to its EOS; "" for the BOS and EOS patches."""
    end = raw.find(EOS)
    return raw[: end if end >= 0 else PATCH_SIZE].translate(None, _SPECIAL).decode("latin-1")


def split_bars(line: str) -> list[str]:
    """Return a body line cut before each barline; a voiceless rest stays with the text before.

    The pieces joined are the line. `[V:1]C2|[V:2]z4|\\n` -> `[V:1]C2`, `|[V:2]z4|\\n`.
    """
    cuts = _cut_at(_BARLINE, line)
    if len(cuts) > 1 and "V" not in cuts[-1]:
        cuts[-2:] = [cuts[-2] + cuts[-1]]
    return cuts


def _split_open(line: str, header: str) -> list[str]:
    """Return an unfinished line, cut in the same places as the whole line later.

    A barline at its end is the last piece of the line, and joined, only after the last voice; one
    right after `[V:1]` begins a bar.
    """
    cuts = _cut_at(_OPEN_BARLINE, line)
    if len(cuts) > 1 and _ONLY_BARLINE.fullmatch(cuts[-1]) and not _ONLY_MARKS.fullmatch(cuts[-2]):
        defined = _HEADER_VOICE.findall(header)
        named = _BODY_VOICE.findall(line)
        if not defined or named[-1:] == defined[-1:]:
            cuts[-2:] = [cuts[-2] + cuts[-1]]
    return cuts


def _cut_at(barline: re.Pattern[str], line: str) -> list[str]:
    cuts: list[str] = []
    start = covered = 0
    for match in barline.finditer(line):
        if match.start() > covered:
            cuts.append(line[start : match.start()])
            start = match.start()
        covered = match.end()
    return [*cuts, line[start:]]


def check_characters(text: str) -> None:
    """Raise `BadInput` for a code outside the vocabulary (over 127, or 0 … 2)."""
    for match in _OUTSIDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        column = match.start() - text.rfind("\n", 0, match.start())
        raise BadInput(
            f"line {line}, column {column}: {match.group()!r} (code {ord(match.group())}) is "
            "outside the model's vocabulary, ASCII. Replace it, or transliterate the text."
        )


def _rows(stream: bytes) -> Patches:
    return np.frombuffer(stream, dtype=np.uint8).reshape(-1, PATCH_SIZE)


class Patchilizer:
    """This module's three functions under NotaGen's name; it has no state."""

    encode = staticmethod(encode)
    encode_prompt = staticmethod(encode_prompt)
    decode = staticmethod(decode)
