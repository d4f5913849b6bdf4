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

from picogen_core.errors import BadInput

PATCH_SIZE = 16
VOCABULARY = 128
PAD, BOS, EOS = 0, 1, 2

BOS_PATCH = bytes([BOS] * (PATCH_SIZE - 1) + [EOS])
EOS_PATCH = bytes([BOS] + [EOS] * (PATCH_SIZE - 1))

Patches = NDArray[np.uint8]
"""[S, 16] character codes."""

_BARLINE = re.compile(r"(?:\|:|::|:\||\[\||\|\||\|\]|\|)")
_BODY_START = re.compile(r"^\[[Vr]:", re.M)
_MARK = re.compile(r"\[r:[^\]\n]*\]")
_SPECIAL = bytes([PAD, BOS, EOS])


@dataclass(frozen=True)
class Prompt:
    """An open beginning. `patches` are complete; `tail` are the characters of the next patch that
    are already fixed ("" if none)."""

    patches: Patches
    tail: str


def split_body(text: str) -> tuple[str, str]:
    """Header and body; the body starts at the first line that starts with `[V:` or `[r:`."""
    start = _BODY_START.search(text)
    return (text[: start.start()], text[start.start() :]) if start else (text, "")


def strip_marks(text: str) -> str:
    """Without the training counters `[r:i/n]`."""
    return _MARK.sub("", text)


def encode(text: str) -> Patches:
    """A whole interleaved piece, from the BOS patch to the EOS patch.

    Raises:
        BadInput: a character that the vocabulary has not, and where it stands.
    """
    check_characters(text)
    header, body = split_body(strip_marks(text))
    lines = body.splitlines(keepends=True)
    last = len(lines) - 1
    cuts = header.splitlines(keepends=True)
    for i, line in enumerate(lines):
        cuts += split_bars(f"[r:{i}/{last - i}]{line}")
    return _rows(BOS_PATCH + b"".join(map(_close, cuts)) + EOS_PATCH)


def encode_prompt(text: str) -> Prompt:
    """A beginning that the model goes on with. Counters in it are kept and none is invented.

    The last cut of the body stays open, so that a prompt may end within a bar, at a barline or
    after a line; a header is complete after each of its lines.

    Raises:
        BadInput: a character that the vocabulary has not, and where it stands.
    """
    check_characters(text)
    header, body = split_body(text)
    cuts = header.splitlines(keepends=True)
    for line in body.splitlines(keepends=True):
        cuts += split_bars(line)
    tail = cuts.pop() if cuts and (body or not text.endswith("\n")) else ""
    whole = len(tail) // PATCH_SIZE * PATCH_SIZE
    stream = BOS_PATCH + b"".join(map(_close, cuts)) + tail[:whole].encode("ascii")
    return Prompt(_rows(stream), tail[whole:])


def decode(patches: Patches) -> str:
    """The text of patches, counters included: all that stands before the EOS of each patch."""
    return "".join(patch_text(row) for row in np.asarray(patches, dtype=np.uint8))


def patch_text(patch: NDArray[np.uint8]) -> str:
    """The characters of one patch, up to its EOS; "" for the BOS and EOS patches."""
    raw = patch.tobytes()
    if raw[0] == BOS:
        return ""
    end = raw.find(EOS)
    return raw[: end if end >= 0 else PATCH_SIZE].translate(None, _SPECIAL).decode("latin-1")


def split_bars(line: str) -> list[str]:
    """Cut a body line before each barline; a rest without a voice stays with what precedes it.

    The pieces joined are the line. `[V:1]C2|[V:2]z4|\\n` -> `[V:1]C2`, `|[V:2]z4|\\n`.
    """
    cuts: list[str] = []
    start = covered = 0
    for barline in _BARLINE.finditer(line):
        if barline.start() > covered:
            cuts.append(line[start : barline.start()])
            start = barline.start()
        covered = barline.end()
    cuts.append(line[start:])
    if len(cuts) > 1 and "V" not in cuts[-1]:
        cuts[-2:] = [cuts[-2] + cuts[-1]]
    return cuts


def check_characters(text: str) -> None:
    """Raises `BadInput` for a code that is no character of the vocabulary (over 127, or 0 … 2)."""
    for match in re.finditer(r"[^\x03-\x7f]", text):
        line = text.count("\n", 0, match.start()) + 1
        column = match.start() - text.rfind("\n", 0, match.start())
        raise BadInput(
            f"line {line}, column {column}: {match.group()!r} (code {ord(match.group())}) is "
            "outside the model's vocabulary, ASCII. Replace it, or transliterate the text."
        )


def _close(cut: str) -> bytes:
    raw = cut.encode("ascii")
    short = -len(raw) % PATCH_SIZE
    return raw + (b"\x02" + b"\0" * (short - 1) if short else b"")


def _rows(stream: bytes) -> Patches:
    return np.frombuffer(stream, dtype=np.uint8).reshape(-1, PATCH_SIZE)
