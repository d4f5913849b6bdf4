"""What a file of music is, by its content, and the scores in it: every command begins here."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from picogen_core.abc.counters import BODY_STARTS
from picogen_core.abc.reading.notes import split_tunes
from picogen_core.errors import BadInput
from picogen_core.runtime.reading import Refused, read_bytes

MAX_BYTES = 32_000_000
"""Of a file, and of what an .mxl expands to."""

_ABC_LINE = re.compile("|".join(f"^{re.escape(start)}" for start in ("K:", *BODY_STARTS)), re.M)
_TEXT_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
    (b"<\x00", "utf-16-le"), (b"\x00<", "utf-16-be"),
)  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """A file's scores, of a format of `score.formats`: the tunes of an ABC book, the bytes of a
    MusicXML file, or what kern and MIDI are as ABC. `remarks` are what should be known of them."""

    kind: str
    scores: tuple[str | bytes, ...]
    remarks: tuple[str, ...] = ()


def kind_of(data: bytes) -> str | None:
    """The format of the bytes; None for no score."""
    if data[:4] == b"MThd" or (data[:4] == b"RIFF" and data[8:12] == b"RMID"):
        return "midi"
    if data[:2] == b"PK":
        return "musicxml"
    text = decode(data[: 1 << 18]).lstrip("\ufeff \t\r\n")
    if text.startswith("<"):
        return "musicxml"
    first = next((s for s in text.splitlines() if s.strip() and not s.startswith("!")), "")
    if first.startswith("**"):
        return "kern"
    return "abc" if "\0" not in text and _ABC_LINE.search(text.replace("\r", "\n")) else None


def decode(data: bytes) -> str:
    """Text in UTF-8, UTF-16 or UTF-32 with their mark, or else in Latin-1; lines end in `\\n`."""
    encoding = next((name for mark, name in _TEXT_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        whole = encoding == "utf-8" and error.end < len(data) - 4
        text = data.decode("latin-1" if whole else encoding, "replace")  # Latin-1: old tune books
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_score(path: Path) -> bool:
    """Whether a file can be read and is a score by its content."""
    try:
        return kind_of(read_file(path)) is not None
    except BadInput:
        return False


def files_below(folder: Path) -> list[Path]:
    """All that lies in a folder and below it, sorted; links to folders are not followed."""
    return sorted(Path(place) / name for place, _, names in os.walk(folder) for name in names)


def read_file(path: Path, within: Path | None = None) -> bytes:
    """The bytes of a file; of one that was found in a folder, `within` that.

    Raises:
        BadInput: it is no regular file, cannot be read, is larger than any score, or is a link that
            leads out of the folder.
    """
    try:
        if within and path.is_symlink() and not path.resolve().is_relative_to(within.resolve()):
            raise BadInput("a link that leads out of the folder. Name the file itself")
        return read_bytes(path, MAX_BYTES)
    except Refused as error:
        raise BadInput(str(error.strerror)) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"it cannot be read: {why}") from None


def read_scores(data: bytes) -> Scores:
    """The scores in the bytes of a file.

    Raises:
        BadInput: no score, or one that cannot be read.
    """
    kind = kind_of(data)
    if kind == "musicxml":
        from picogen_core.score.xml.file import parse_score

        parse_score(data)
        return Scores(kind, (data,))  # still compressed: a folder of .mxl may be in memory at once
    if kind == "kern":
        from picogen_core.score.files.kern import kern_to_abc

        made = kern_to_abc(decode(data))
        return Scores(kind, (made.abc,), made.remarks())
    if kind == "midi":
        from picogen_core.score.files.midi import midi_to_abc

        song = midi_to_abc(data)
        return Scores(kind, (song.abc,), song.remarks())
    text = decode(data)
    if kind is None:
        raise BadInput("no ABC: it has no K: line and no line [V:…; nor is it another score")
    return Scores("abc", tuple(split_tunes(text) or [text]))
