"""Interleaved lines without the voices that only rest, as NotaGen's training data has them."""

from __future__ import annotations

from fractions import Fraction

from picogen_core.abc.interleaved.rests import split_line
from picogen_core.abc.patches import split_body
from picogen_core.abc.reading.lexer import lex
from picogen_core.abc.reading.notes import read_notes


def leave_out_rests(text: str) -> str:
    """Return the piece without the voices of a line that only rest in it.

    A line in which all voices rest keeps the first. If a rest gives the length of its line
    (bars of unequal length), leaving it out would move later notes: then nothing is left out.
    """
    header, body = split_body(text)
    lines = body.splitlines(keepends=True)
    made = header + "".join(map(_reduce, lines))
    return made if made == text or _sounds(made) == _sounds(text) else text


def _reduce(line: str) -> str:
    cells = split_line(line)
    kept = [(voice, cell) for voice, cell in cells if not _only_rests(cell)] or cells[:1]
    if len(kept) == len(cells):
        return line
    end = "" if kept[-1][1].endswith("\n") else "\n"
    return "".join(f"[V:{voice}]{cell}" for voice, cell in kept) + end


def _only_rests(cell: str) -> bool:
    return all(token.kind in ("rest", "space", "bar", "newline") for token in lex(cell))


def _sounds(text: str) -> dict[str, list[tuple[Fraction, Fraction, int]]]:
    voices = {
        name: [(n.onset, n.duration, n.pitch) for n in notes if n.pitch is not None]
        for name, notes in read_notes(text).items()
    }
    return {name: notes for name, notes in voices.items() if notes}
