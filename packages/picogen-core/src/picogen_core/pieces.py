"""A piece as metrics see it: its text, and its notes per voice."""

from __future__ import annotations

from dataclasses import dataclass

from picogen_core.abc.notes import Note


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
