"""A metric: how far the notes of a voice leap, on average."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from picogen_core import Metric, Piece, ReferenceRows, Row, Summary, Undefined, Value

from picogen_gru.options import LeapsOptions

RESAMPLES = 200


class Leaps(Metric):
    """A mean over pieces, with a 95 % interval of a bootstrap over them."""

    def __init__(self, options: LeapsOptions) -> None:
        self.largest = options.largest

    def measure(self, piece: Piece) -> Row:
        leaps = [
            min(self.largest, abs(after.pitch - before.pitch))
            for notes in piece.voices.values()
            for before, after in pairwise(notes)
            if before.pitch is not None and after.pitch is not None  # None is a rest
        ]
        if not leaps:
            raise Undefined("it has no two notes in a row")
        return {"leap": sum(leaps) / len(leaps)}

    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        if not rows:
            return Summary({})
        leaps = np.sort([row["leap"] for row in rows])
        drawn = rng.choice(leaps, (RESAMPLES, len(leaps))).mean(1)
        low, high = (float(bound) for bound in np.quantile(drawn, (0.025, 0.975)))
        value = Value(float(leaps.mean()), "semitone", len(leaps), low, high, better="closer")
        return Summary({"mean_leap": value}, headline="mean_leap")
