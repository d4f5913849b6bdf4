"""The metric `musicality`: entropies, variety, density, form, key and dissonance of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from picogen_core import Metric, Options, ReferenceRows, Row, Summary, Undefined
from picogen_core.evaluation.summaries import HeatMap
from picogen_core.score.reading import Piece
from pydantic import Field

from picogen_metrics import musicality
from picogen_metrics.means import Column, mean_values

MIN_NOTES = 8
_SHARE = Column("%", "closer", 100)
COLUMNS = {
    "pitch_entropy": Column("bit", "closer"),
    "pitch_class_entropy": Column("bit", "closer"),
    "rhythm_entropy": Column("bit", "closer"),
    "pitch_range": Column("semitone", "closer"),
    "notes_per_quarter": Column("note/quarter", "closer"),
    "notes_per_bar": Column("note/bar", "closer"),
    **{f"distinct_{n}": _SHARE for n in musicality.GRAMS},
    **{f"distinct_bars_{n}": _SHARE for n in musicality.GRAMS},
    **{f"self_similarity_{lag}": _SHARE for lag in musicality.LAGS},
    "key_clarity": Column("1", "closer"),
    "dissonance_share": _SHARE,
}
"""Unit and direction of each value of `musicality.describe`.

A new value also has a row in docs/metrics.md. Then `studies/reference_statistics.py` makes the
shipped references anew.
"""


class MusicalityOptions(Options):
    bootstrap: int = Field(200, ge=20, description="Resamples of the pieces behind an interval.")


class MusicalityMetric(Metric):
    """The mean over pieces of each statistic in `picogen_metrics.musicality`.

    None has a best value: real music of the genre is the goal, so `better` is `closer`. All voices
    count; repeats are not expanded. A piece without a value (dissonance in a melody, similarity at
    8 bars in a tune of 8) is left out of that value alone, as its n shows.
    """

    def __init__(self, options: MusicalityOptions) -> None:
        self.options = options

    def measure(self, piece: Piece) -> Row:
        """Return the statistics. Raises `Undefined` below 8 notes."""
        count = sum(note.pitch is not None for notes in piece.voices.values() for note in notes)
        if count < MIN_NOTES:
            raise Undefined(f"fewer than {MIN_NOTES} notes")
        return musicality.describe(piece)

    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        """Return means with a 95 % bootstrap interval over pieces."""
        if not rows:
            return Summary({}, notes=["no piece to measure"])
        values = mean_values(rows, COLUMNS, self.options.bootstrap, rng)
        return Summary(values, headline="pitch_class_entropy")

    def figures(self, piece: Piece) -> Mapping[str, HeatMap]:
        """Return `self_similarity`: the similarity of each pair of bars, up to 128 bars.

        It is None where both bars are empty.
        """
        bars = musicality.bar_contents(piece)[:128]
        cells = [[musicality.similarity(a, b) for b in bars] for a in bars]
        return {"self_similarity": HeatMap("Similarity of bars", "bar", cells)}
