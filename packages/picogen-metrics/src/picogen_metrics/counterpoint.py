"""Counterpoint statistics: parallel fifths and octaves, crossed voices, dissonances.

Glossary: S sonorities, V voices. A sonority is the set of sounding pitches when a note begins; a
resting voice is `SILENT`. A voice is one line, the highest of the tones that begin together.

The rules are those of four-part writing (Kostka & Payne, Tonal Harmony, ch. 5), as David Huron
derives them (Tone and Voice, Music Perception 19, 2001) and Craig Sapp's `chorck` checks them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from picogen_core.score.reading import Piece

from picogen_metrics.musicality import DISSONANT
from picogen_metrics.sounds import sounds, top_line

Sonorities = NDArray[np.int64]
"""[S, V]: MIDI pitches, or `SILENT`."""
SILENT = -1
_Test = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
_FIFTH, _OCTAVE = 7, 0


@dataclass(frozen=True)
class Counterpoint:
    """Counts in one piece.

    sonorities: in which two voices or more sound.
    crossed:    those in which a voice sounds above one with a higher mean pitch.
    dissonant:  those with a second, a seventh or a tritone between two voices; a fourth is none.
    changes:    steps between sonorities in which a voice moves and two or more sound throughout.
    fifths:     pairs of voices that move in parallel fifths, summed over the changes.
    octaves:    the same in octaves or unisons.
    """

    sonorities: int
    crossed: int
    dissonant: int
    changes: int
    fifths: int
    octaves: int


def count(piece: Piece) -> Counterpoint | None:
    """Return the counts of a piece; None if no two voices sound together."""
    found = by_register(sonorities(piece))
    sounding = (found != SILENT).sum(axis=1) > 1
    if not sounding.any():
        return None
    together = found[sounding]
    return Counterpoint(
        sonorities=len(together),
        crossed=int(crossed(together).sum()),
        dissonant=int(dissonant(together).sum()),
        changes=int(_changes(found).sum()),
        fifths=parallels(found, _FIFTH),
        octaves=parallels(found, _OCTAVE),
    )


def sonorities(piece: Piece) -> Sonorities:
    """Return the sonorities [S, V] of a piece, one per onset; tied notes are one."""
    lines = [line for notes in piece.voices.values() if (line := top_line(sounds(notes)))]
    times = np.unique([sound.onset for line in lines for sound in line])
    found = np.full((len(times), len(lines)), SILENT)
    for voice, line in enumerate(lines):
        for sound in line:
            start, end = np.searchsorted(times, [sound.onset, sound.onset + sound.duration])
            found[start:end, voice] = sound.pitch
    return found


def by_register(found: Sonorities) -> Sonorities:
    """Return the voices from the lowest to the highest mean pitch.

    The order in a file is no guide: instruments may be written above the soprano.
    """
    means = [column[column != SILENT].mean() for column in found.T]
    return found[:, np.argsort(means, kind="stable")]


def crossed(found: Sonorities) -> NDArray[np.bool_]:
    """Return the mask [S] of sonorities in which a voice is below one to its left in `found`."""
    return _any_pair(found, lambda low, high: low > high)


def dissonant(found: Sonorities) -> NDArray[np.bool_]:
    """Return the mask [S] of sonorities with an interval of class 1, 2 or 6."""
    harsh = sorted({interval for small in DISSONANT for interval in (small, 12 - small)})
    return _any_pair(found, lambda low, high: np.isin((high - low) % 12, harsh))


def _any_pair(found: Sonorities, holds: _Test) -> NDArray[np.bool_]:
    some = np.zeros(len(found), dtype=bool)
    for i, j in combinations(range(found.shape[1]), 2):
        low, high = found[:, i], found[:, j]
        some |= (low != SILENT) & (high != SILENT) & holds(low, high)
    return some


def _changes(found: Sonorities) -> NDArray[np.bool_]:
    """Return the mask [S - 1] of steps where a voice moves and two or more sound on both sides."""
    before, after = found[:-1], found[1:]
    held = (before != SILENT) & (after != SILENT)
    moves: NDArray[np.bool_] = (held & (before != after)).any(axis=1) & (held.sum(axis=1) > 1)
    return moves


def parallels(found: Sonorities, interval: int) -> int:
    """Return how often two voices move in parallel by `interval` (semitones modulo 12).

    A pair in unison or octaves in most of its sonorities is one doubled voice: it has no parallels.
    """
    times = 0
    for i, j in combinations(range(found.shape[1]), 2):
        one, other = found[:, i], found[:, j]
        both = (one != SILENT) & (other != SILENT)
        between = np.abs(other - one) % 12
        if 2 * (both & (between == _OCTAVE)).sum() > both.sum():
            continue
        kept = both & (between == interval)
        moved, other_moved = np.sign(np.diff(one)), np.sign(np.diff(other))
        times += int((kept[:-1] & kept[1:] & (moved == other_moved) & (moved != 0)).sum())
    return times
