"""A piece as metrics see it, its text and its notes per voice, and how pieces come from files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from picogen_core.abc.notes import Note, read_notes, split_tunes
from picogen_core.errors import BadInput
from picogen_core.xml_notes import MAX_BYTES, read_xml_notes, unzip_mxl

SUFFIXES = (".abc", ".musicxml", ".mxl", ".xml")
"""What is read, and which wins where one score lies in several formats."""


@dataclass(frozen=True)
class Piece:
    """One score.

    name:   the path relative to its folder, with `#2` for the second tune of an ABC book.
    text:   ABC, or MusicXML as it stands in the file.
    voices: voice name -> its notes, rests included, in the order of the text.
    """

    name: str
    text: str
    voices: dict[str, tuple[Note, ...]]


@dataclass(frozen=True)
class Unreadable:
    """A file, or a tune of a book, that gave no notes, and why."""

    name: str
    reason: str


def read_pieces(path: Path) -> Iterator[Piece | Unreadable]:
    """Every score of a file or, recursively, of a folder, sorted by name.

    A faulty file does not stop the others: an `Unreadable` comes in its place, so that a caller
    has to count it. Files that differ only in their suffix are one score (`generate --to` leaves
    several formats side by side) and are read once, from the first of `SUFFIXES`.

    Raises:
        BadInput: `path` is not there, or there is no score in it.
    """
    if path.is_dir():
        files = _one_of_each(file for file in path.rglob("*") if file.is_file())
        if not files:
            raise BadInput(f"{path}: no scores ({', '.join(SUFFIXES)}) in this folder.")
        return _read_files(path, files)
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file or folder.")
    if path.suffix.lower() not in SUFFIXES:
        raise BadInput(f"{path}: not a score; these are read: {', '.join(SUFFIXES)}.")
    return _read_files(path.parent, [path])


def piece_from_abc(name: str, abc: str) -> Piece:
    """A tune that is in no file."""
    return Piece(name, abc, read_notes(abc))


def _one_of_each(files: Iterator[Path]) -> list[Path]:
    chosen: dict[Path, Path] = {}
    scores = (file for file in files if file.suffix.lower() in SUFFIXES)
    for file in sorted(scores, key=lambda file: (SUFFIXES.index(file.suffix.lower()), file)):
        chosen.setdefault(file.with_suffix(""), file)
    return sorted(chosen.values(), key=lambda file: file.as_posix())


def _read_files(folder: Path, files: list[Path]) -> Iterator[Piece | Unreadable]:
    for file in files:
        name = file.relative_to(folder).as_posix()
        try:
            if file.stat().st_size > MAX_BYTES:
                raise BadInput(f"larger than {MAX_BYTES // 10**6} MB")
            pieces = _read_file(name, file.suffix.lower(), file.read_bytes())
        except (BadInput, OSError) as error:
            yield Unreadable(name, str(error))
            continue
        for piece in pieces:
            yield piece if piece.voices else Unreadable(piece.name, "no notes in it")


def _read_file(name: str, suffix: str, data: bytes) -> list[Piece]:
    if suffix == ".abc":
        text = _decode(data)
        if "\0" in text or not re.search(r"^(K:|\[V:)", text, re.M):
            raise BadInput("no ABC: it has no line that starts with K: or [V:")
        tunes = split_tunes(text) or [""]
        if len(tunes) == 1:
            return [piece_from_abc(name, tunes[0])]
        return [piece_from_abc(f"{name}#{count}", tune) for count, tune in enumerate(tunes, 1)]
    text, voices = read_xml_notes(unzip_mxl(data) if suffix == ".mxl" else data)
    return [Piece(name, text, voices)]


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # old tune books
