"""Sounding notes in whole ticks, and their bars: the input of most statistics."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from picogen_core.abc.reading.notes import Note
from picogen_core.abc.reading.voices import Bar
from picogen_core.score.reading import Piece

TICKS = 10_080
"""Ticks per quarter: 64ths, and their triplets, quintuplets and septuplets, are whole."""


class Sound(NamedTuple):
    """A sounding note: onset and duration in ticks, MIDI pitch; tied notes are one."""

    onset: int
    duration: int
    pitch: int


def ticks(quarters: Fraction) -> int:
    """Return a time in ticks, rounded down; equal times stay equal."""
    return quarters.numerator * TICKS // quarters.denominator


def sounds(notes: Iterable[Note]) -> list[Sound]:
    """Return every sounding note of a voice, chord tones too, in the order of the text."""
    found: list[Sound] = []
    held: dict[int, int] = {}  # pitch -> the sound that a tie keeps open
    for note in notes:
        if note.pitch is None:
            continue
        onset, duration = ticks(note.onset), ticks(note.duration)
        place = held.pop(note.pitch, None)
        if place is not None and found[place].onset + found[place].duration == onset:
            before = found[place]
            found[place] = before._replace(duration=before.duration + duration)
        else:
            place = len(found)
            found.append(Sound(onset, duration, note.pitch))
        if note.tied:
            held[note.pitch] = place
    return found


def top_line(found: Sequence[Sound]) -> list[Sound]:
    """Return the highest of the notes that begin together: a voice as one melody."""
    line: list[Sound] = []
    for sound in found:
        if line and line[-1].onset == sound.onset:
            line[-1] = max(line[-1], sound, key=lambda one: one.pitch)
        else:
            line.append(sound)
    return line


def bar_starts(piece: Piece) -> list[int]:
    """Return the starts of the bars in ticks, from the voice with most bars."""
    most: tuple[Bar, ...] = max(piece.bars.values(), key=len, default=())
    return [ticks(bar.start) for bar in most]


def bar_of(starts: Sequence[int], onset: int) -> int:
    """Return the bar of a time; times before the first bar belong to it."""
    return max(0, bisect_right(starts, onset) - 1)
