"""The nearest known melody in any key, and how much of it is copied.

Glossary: a voice is [N] MIDI pitches and [N] times. A gram is n = 6 successive intervals as one
number. A hit is a gram of the query in a known voice, on the diagonal `known place − query place`.
Copies have many hits on one diagonal; ornaments move them to the next ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

GRAM, CLIP = 6, 31
BAND = 16
"""Diagonals per band: the number of inserted notes before a copy leaves its band."""
CANDIDATES, DIAGONALS, MAX_HITS = 8, 32, 1_000_000
MANY_VOICES, TRIED = 16, 8
"""Voices of a piece above which they share the hits of so many; known voices to align with."""


@dataclass(frozen=True)
class Melody:
    """One melody: pitches, onsets in ticks, and the bar's length in ticks (0 if it has none)."""

    pitches: Ints
    onsets: Ints
    bar: int


@dataclass(frozen=True)
class Match:
    """The nearest known piece.

    piece:      its number, or −1 if no gram of the query is known.
    similarity: 1 − edits ÷ notes, see `fit`; voices are weighted by their notes.
    run, bars:  the longest run copied from any known piece, in notes and in bars of the query.
    """

    piece: int = -1
    similarity: float = 0.0
    run: int = 0
    bars: float = 0.0


def grams(pitches: Ints) -> Ints:
    """Return one number per n successive intervals, [N] -> [N − n]; larger ones count as ±31."""
    steps = np.clip(np.diff(pitches), -CLIP, CLIP) + CLIP
    if len(steps) < GRAM:
        return np.zeros(0, np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(steps, GRAM)
    return windows @ (2 * CLIP + 2) ** np.arange(GRAM, dtype=np.int64)


def fit(query: Ints, known: Ints) -> float:
    """Return 1 − edits ÷ [N], at least 0.

    Edits are the fewest notes to change, add or drop so that `query` is a passage of `known`:
    semi-global alignment (Sellers 1980) without transposition.
    """
    places = np.arange(len(known) + 1)
    row = np.zeros(len(known) + 1, np.int64)  # a passage may begin anywhere
    for count, pitch in enumerate(query, 1):
        changed = row[:-1] + (known != pitch)
        row = np.concatenate([[count], np.minimum(changed, row[1:] + 1)])
        row = np.minimum.accumulate(row - places) + places  # notes of `known` left out
    return max(0.0, 1 - float(row.min()) / len(query))


def copied_run(query: Melody, known: Melody, diagonal: int) -> tuple[int, float]:
    """Return the longest copied run along a diagonal, in notes and in bars of the query.

    Its intervals are equal, and its rhythm up to tempo.
    """
    start = max(0, -diagonal)
    stop = min(len(query.pitches), len(known.pitches) - diagonal)
    if stop - start < 2:
        return 0, 0.0
    ours, theirs = slice(start, stop), slice(start + diagonal, stop + diagonal)
    time, other = np.diff(query.onsets[ours]), np.diff(known.onsets[theirs])
    same = np.diff(query.pitches[ours]) == np.diff(known.pitches[theirs])
    # The same rhythm: every note as much longer as the one before it in both.
    steady = np.concatenate([[True], time[1:] * other[:-1] == time[:-1] * other[1:]])
    best = run = first = 0
    for i, equal in enumerate(same):
        run = 0 if not equal else 1 if not steady[i] else run + 1
        if run > best:
            best, first = run, i + 1 - run
    if not best:
        return 0, 0.0
    span = int(query.onsets[start + first + best] - query.onsets[start + first])
    return best + 1, span / query.bar if query.bar else 0.0


class Index:
    """All grams of known pieces, sorted, with their positions."""

    def __init__(self, pieces: Sequence[Sequence[Melody]]) -> None:
        self.voices = [voice for piece in pieces for voice in piece]
        counts = [len(piece) for piece in pieces]
        self.piece_of = np.repeat(np.arange(len(pieces)), counts)
        found = [grams(voice.pitches) for voice in self.voices]
        lengths = [len(one) for one in found]
        every = np.concatenate([np.zeros(0, np.int64), *found])
        order = np.argsort(every, kind="stable")
        self._grams = every[order]
        self._voice = np.repeat(np.arange(len(found), dtype=np.int32), lengths)[order]
        places = [np.arange(length, dtype=np.int32) for length in lengths]
        self._place = np.concatenate([np.zeros(0, np.int32), *places])[order]

    def nearest(self, query: Sequence[Melody], but: int = -1) -> Match:
        """Return the nearest piece to the voices of one, without piece number `but`."""
        most = MAX_HITS * MANY_VOICES // max(MANY_VOICES, len(query))
        hits = [self._hits(voice, but, most) for voice in query]
        votes: dict[int, int] = {}
        for voices, diagonals, _ in hits:
            for piece, count in self._vote(voices, diagonals).items():
                votes[piece] = votes.get(piece, 0) + count
        best = Match()
        notes = sum(len(voice.pitches) for voice in query)
        for piece in sorted(votes, key=lambda piece: (-votes[piece], piece))[:CANDIDATES]:
            total = 0.0
            for voice, found in zip(query, hits, strict=True):
                total += len(voice.pitches) * self._similarity(voice, found, piece)
            if total / notes > best.similarity:
                best = Match(piece, total / notes)
        runs = [self._longest_run(v, f) for v, f in zip(query, hits, strict=True)]
        run, bars = max(runs, default=(0, 0.0))
        return Match(best.piece, best.similarity, run, bars)

    def _hits(self, query: Melody, but: int, most: int) -> tuple[Ints, Ints, Ints]:
        """Return (known voice, diagonal, query place) of each hit, or of rare grams alone."""
        wanted = grams(query.pitches)
        left = np.searchsorted(self._grams, wanted, "left")
        count = np.searchsorted(self._grams, wanted, "right") - left
        rarest = np.argsort(count, kind="stable")
        taken = rarest[np.cumsum(count[rarest]) <= most]
        taken = taken[count[taken] > 0]
        query_place = np.repeat(taken, count[taken])
        inside = np.arange(len(query_place)) - np.repeat(
            np.cumsum(count[taken]) - count[taken], count[taken]
        )
        at = np.repeat(left[taken], count[taken]) + inside
        voices = self._voice[at].astype(np.int64)
        diagonals = self._place[at].astype(np.int64) - query_place
        kept = self.piece_of[voices] != but if len(voices) else np.zeros(0, bool)
        return voices[kept], diagonals[kept], query_place[kept]

    def _vote(self, voices: Ints, diagonals: Ints) -> dict[int, int]:
        """Return the hits of each piece's best band of diagonals, for the pieces with most hits."""
        if not len(voices):
            return {}
        bands = voices * (1 << 24) + (diagonals // BAND + (1 << 23))
        keys, counts = np.unique(bands, return_counts=True)
        most = np.argsort(-counts, kind="stable")[: 4 * CANDIDATES]
        votes: dict[int, int] = {}
        for key, count in zip(keys[most], counts[most], strict=True):
            piece = int(self.piece_of[key >> 24])
            votes[piece] = max(votes.get(piece, 0), int(count))
        return votes

    def _similarity(self, query: Melody, found: tuple[Ints, Ints, Ints], piece: int) -> float:
        """Return the best `fit` to a voice of the piece, in the transposition of most hits.

        Of many voices, those with most hits are tried.
        """
        voices, diagonals, places = found
        best = 0.0
        there, hits = np.unique(voices[self.piece_of[voices] == piece], return_counts=True)
        for voice in there[np.argsort(-hits, kind="stable")[:TRIED]]:
            here = voices == voice
            known = self.voices[voice].pitches
            shifts = query.pitches[places[here]] - known[places[here] + diagonals[here]]
            moves, counts = np.unique(shifts, return_counts=True)
            for move in moves[np.argsort(-counts, kind="stable")[:2]]:
                best = max(best, fit(query.pitches - move, known))
        return best

    def _longest_run(self, query: Melody, found: tuple[Ints, Ints, Ints]) -> tuple[int, float]:
        voices, diagonals, _ = found
        if not len(voices):
            return 0, 0.0
        lines, counts = np.unique(voices * (1 << 24) + diagonals + (1 << 23), return_counts=True)
        most = np.argsort(-counts, kind="stable")[:DIAGONALS]
        runs = [
            copied_run(query, self.voices[line >> 24], int(line % (1 << 24)) - (1 << 23))
            for line in lines[most]
        ]
        return max(runs)
