"""The metric `novelty`: copies in a folder, from the reference or from itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from picogen_core import (
    Condensed,
    Metric,
    Options,
    PieceFacts,
    ReferenceRows,
    Row,
    Summary,
    Undefined,
    Value,
)
from picogen_core.plugins.protocols import NAME
from picogen_core.runtime.cpu_limit import TooLong, cpu_limit
from picogen_core.score.reading import Piece
from pydantic import Field

from picogen_metrics.means import Column, in_order, mean_values
from picogen_metrics.novelty import Index, Match, Melody
from picogen_metrics.sounds import sounds, ticks, top_line

MIN_NOTES, MIN_PITCHES = 16, 3
MAX_NOTES = 16_384
"""Notes from the start of a voice that are compared; the time grows with their square."""
SAMPLE = 100
SECONDS = 60.0
"""Limit of CPU time to compare one piece with all others."""
_TOO_LONG = f"it needs more than {SECONDS:g} s of CPU time to compare"
COLUMNS = {
    "copies": Column("%", "lower", 100),
    "similarity": Column("%", "lower", 100),
    "copied_run": Column("bar", "lower"),
    "self_copies": Column("%", "lower", 100),
}


class NoveltyOptions(Options):
    bootstrap: int = Field(200, ge=20, description="Resamples of the pieces behind an interval.")
    threshold: float = Field(0.95, gt=0, le=1, description="Least similarity of a copy.")


class NoveltyMetric(Metric):
    """Similarity of every piece to its nearest in the reference, in any key.

    Melodies are compared by pitch, in the transposition that most of their six-interval grams
    share. The similarity is 1 − edits ÷ notes (`novelty.fit`): one changed note of forty leaves
    0.975. Durations do not matter.

    copies:             pieces with a similarity of 0.95 or more to a piece of the reference.
    similarity:         mean similarity to the nearest.
    copied_run:         mean length in bars of the longest run with the intervals and rhythm of a
                        piece of the reference.
    longest_copied_run: the longest of these.
    self_copies:        pieces that are as near to another piece of the folder.
    `reference` has the values of up to 100 pieces of the reference against the rest of it.
    """

    def __init__(self, options: NoveltyOptions) -> None:
        self.options = options

    def measure(self, piece: Piece) -> Row:
        """Return the voices. Raises `Undefined` if none has 16 notes and three pitches.

        A shorter one would match by chance.
        """
        voices = []
        for notes in piece.voices.values():
            line = top_line(sounds(notes))
            pitches = [sound.pitch for sound in line]
            if len(line) >= MIN_NOTES and len(set(pitches)) >= MIN_PITCHES:
                onsets = [sound.onset for sound in line[:MAX_NOTES]]
                voices.append({"pitches": pitches[:MAX_NOTES], "onsets": onsets})
        if not voices:
            raise Undefined(f"no voice of {MIN_NOTES} notes and {MIN_PITCHES} pitches")
        lengths = sorted(ticks(bar.length) for bars in piece.bars.values() for bar in bars)
        return {"voices": voices, "bar": lengths[len(lengths) // 2] if lengths else 0}

    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        """Return values with 95 % bootstrap intervals over pieces."""
        if not rows:
            return Summary({}, notes=["no piece to compare"])
        if not reference or isinstance(reference, Condensed):
            return Summary({}, notes=["copies can only be found in scores: give a folder or data"])
        pieces = [_voices(row) for row in rows]
        # In a fixed order, so that ties do not depend on names.
        known = in_order(reference)
        against = [_voices(reference[i]) for i in known]
        index = Index(against)
        near = [_nearest(index, piece) for piece in pieces]
        own = _within(pieces, rows)
        late = sum(match is None for match in near)
        ours = [self._row(match, other) for match, other in zip(near, own, strict=True) if match]
        if not ours:
            return Summary({}, unused={_TOO_LONG: late})
        values = mean_values(ours, COLUMNS, self.options.bootstrap, rng)
        drawn = rng.permutation(len(known))[:SAMPLE]
        matches = [_nearest(index, against[i], but=int(i)) for i in drawn]
        beside = mean_values(
            [self._row(match, None) for match in matches if match],
            COLUMNS, self.options.bootstrap, rng,
        )  # fmt: skip
        values = {name: _with_reference(value, beside.get(name)) for name, value in values.items()}
        longest = max(match.bars for match in near if match)
        values["longest_copied_run"] = Value(longest, "bar", len(ours), better="lower")
        facts = [
            PieceFacts(
                {
                    "nearest": _name(reference, known[match.piece]) if match.piece >= 0 else None,
                    "similarity": match.similarity,
                    "copied_notes": match.run,
                    "copied_bars": match.bars,
                    "nearest_own": _name(rows, other.piece) if other and other.piece >= 0 else None,
                    "own_similarity": other.similarity if other else None,
                }
                if match
                else {}
            )
            for match, other in zip(near, own, strict=True)
        ]
        unused = {_TOO_LONG: late} if late else {}
        return Summary(values, unused, headline="copies", pieces=facts)

    def _row(self, match: Match, own: Match | None) -> Mapping[str, Any]:
        limit = self.options.threshold
        return {
            "copies": match.similarity >= limit,
            "similarity": match.similarity,
            "copied_run": match.bars,
            "self_copies": None if own is None else own.similarity >= limit,
        }


def _name(rows: Sequence[Row], i: int) -> Any:
    return rows[i].get(NAME)


def _voices(row: Row) -> list[Melody]:
    return [
        Melody(np.array(v["pitches"], np.int64), np.array(v["onsets"], np.int64), row["bar"])
        for v in row["voices"]
    ]


def _nearest(index: Index, piece: Sequence[Melody], but: int = -1) -> Match | None:
    """Return the nearest piece; None if that takes too long, as with hundreds of long voices."""
    try:
        with cpu_limit(SECONDS):
            return index.nearest(piece, but)
    except TooLong:
        return None


def _within(pieces: Sequence[Sequence[Melody]], rows: Sequence[Row]) -> list[Match | None]:
    """Return the nearest other piece of the folder, by its number there."""
    order = in_order(rows)
    index = Index([pieces[i] for i in order])
    found: list[Match | None] = [None] * len(rows)
    for place, i in enumerate(order):
        match = _nearest(index, pieces[i], but=place)
        if match is None:
            continue
        number = order[match.piece] if match.piece >= 0 else -1
        found[i] = Match(number, match.similarity, match.run, match.bars)
    return found


def _with_reference(value: Value, known: Value | None) -> Value:
    if known is None:
        return value
    from dataclasses import replace

    from picogen_core.evaluation.significance import difference_p

    return replace(
        value,
        reference=known.value,
        reference_low=known.low,
        reference_high=known.high,
        p=difference_p(value, known),
    )
