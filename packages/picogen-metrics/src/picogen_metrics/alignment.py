"""The metric `alignment`: do the voices of a score agree on how long each bar is?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import zip_longest

import numpy as np
from picogen_core import Options, Row, Summary, Undefined, Value
from picogen_core.abc.notes import read_bars
from picogen_core.pieces import Piece
from pydantic import Field

from picogen_metrics.folder import resample


class AlignmentOptions(Options):
    bootstrap: int = Field(200, ge=20, description="Resamples of the pieces behind the interval.")


def count_misaligned(text: str) -> tuple[int, int]:
    """Bars of a tune, and those in which a voice's duration differs from voice 1's.

    NotaGen's bar-alignment error (Wang et al. 2025): a voice that is left out of a line of the
    interleaved form counts as resting, for as long as voice 1, or as most voices if that is absent.
    """
    lines = read_bars(text)
    names = {name: None for line in lines for name in line}
    first = next(iter(names), "")
    bars = wrong = 0
    for line in lines:
        for lengths in zip_longest(*line.values()):
            durations = dict(zip(line, lengths, strict=True))
            reference = durations[first] if first in durations else _most_common(lengths)
            bars += 1
            wrong += any(duration != reference for duration in lengths)
    return bars, wrong


def _most_common(lengths: Sequence[Fraction | None]) -> Fraction | None:
    return Counter(lengths).most_common(1)[0][0]


class AlignmentMetric:
    """Share of bars whose voices differ in duration. Human scores have 0.377 %."""

    def __init__(self, options: AlignmentOptions) -> None:
        self.options = options

    def measure(self, piece: Piece) -> Row:
        """Raises `Undefined` for a score of one voice, or one that is not ABC."""
        if piece.text.lstrip("\ufeff \r\n\t").startswith("<"):
            raise Undefined("MusicXML: converters even out the bars, so measure the ABC")
        if len([name for name in piece.voices if "&" not in name]) < 2:
            raise Undefined("one voice")
        bars, wrong = count_misaligned(piece.text)
        if not bars:
            raise Undefined("no bars")
        return {"bars": bars, "misaligned": wrong}

    def summarise(
        self, rows: Sequence[Row], reference: Sequence[Row] | None, rng: np.random.Generator
    ) -> Summary:
        """The percentage over all bars, with a 95 % bootstrap interval over pieces."""
        if not rows:
            return Summary({}, notes=["no piece of several voices to measure"])
        counts = np.array(sorted((row["misaligned"], row["bars"]) for row in rows), dtype=float)
        wrong, bars = counts.sum(axis=0)
        low = high = None
        if len(rows) > 1:
            drawn = resample(len(rows), self.options.bootstrap, rng) @ counts
            low, high = np.percentile(100 * drawn[:, 0] / drawn[:, 1], [2.5, 97.5]).tolist()
        known = None
        if reference:
            known = (
                100 * sum(r["misaligned"] for r in reference) / sum(r["bars"] for r in reference)
            )
        value = Value(100 * wrong / bars, "%", int(bars), low, high, "lower", known)
        return Summary({"bar_alignment_error": value}, headline="bar_alignment_error")
