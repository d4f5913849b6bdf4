"""The metric `counterpoint`: voice leading and dissonance of a folder of several voices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from picogen_core import Metric, Options, ReferenceRows, Row, Summary, Undefined
from picogen_core.score.reading import Piece
from pydantic import Field

from picogen_metrics.counterpoint import count
from picogen_metrics.means import Column, ratio_value

MAX_VOICES = 6
_RATE = Column("per 100 changes", "lower", 100)
_SHARE = Column("%", "closer", 100)
RATIOS = {
    "parallel_fifths": ("fifths", "changes", _RATE),
    "parallel_octaves": ("octaves", "changes", _RATE),
    "voice_crossing": ("crossed", "sonorities", _SHARE),
    "dissonant_sonorities": ("dissonant", "sonorities", _SHARE),
}
"""Numerator, denominator and unit of each value, as in `picogen_metrics.counterpoint`."""


class CounterpointOptions(Options):
    bootstrap: int = Field(200, ge=20, description="Resamples of the pieces behind an interval.")


class CounterpointMetric(Metric):
    """Ratios of sums over the pieces in which two voices or more sound together.

    parallel_fifths:      pairs of voices in parallel fifths, per 100 changes of the sonority.
    parallel_octaves:     the same in octaves or unisons; voices that double each other have none.
    voice_crossing:       share of sonorities in which a voice sounds above a higher one.
    dissonant_sonorities: share of sonorities with a second, a seventh or a tritone in them.

    Without a reference, Bach's values are shown for comparison.
    """

    def __init__(self, options: CounterpointOptions) -> None:
        self.options = options

    def measure(self, piece: Piece) -> Row:
        """Return counts. Raises `Undefined` without simultaneous voices, and for orchestras."""
        if len(piece.voices) > MAX_VOICES:
            raise Undefined(f"over {MAX_VOICES} voices: parts of an orchestra double each other")
        found = count(piece)
        if found is None:
            raise Undefined("no two voices sound together")
        return asdict(found)

    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        """Return ratios of sums with a 95 % bootstrap interval over pieces."""
        if not rows:
            return Summary({}, notes=["no piece has several voices"])
        values = {}
        for name, (above, below, column) in RATIOS.items():
            parts = [(row[above], row[below]) for row in rows]
            value = ratio_value(parts, column, self.options.bootstrap, rng)
            if value is not None:
                values[name] = value
        headline = "parallel_fifths" if "parallel_fifths" in values else None
        return Summary(values, headline=headline, usual="bach")
