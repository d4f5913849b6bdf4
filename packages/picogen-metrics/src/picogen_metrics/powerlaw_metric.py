"""The metric `powerlaw`: numbers of a folder of scores, and their distance to real music."""

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
from picogen_core.abc.reading.notes import melody
from picogen_core.score.reading import Piece
from pydantic import Field

from picogen_metrics import folder, noise, powerlaw
from picogen_metrics.powerlaw_folder import (
    describe_folder,
    describe_piece,
    oddness,
    resample_folder,
)
from picogen_metrics.powerlaw_reference import (
    MIN_PIECES,
    Known,
    condense,
    genre_notes,
    size_notes,
)
from picogen_metrics.powerlaw_values import compared_values, own_values, plots

_NO_VOICE = f"no voice of {powerlaw.MIN_NOTES} notes and more than one pitch"


class PowerlawOptions(Options):
    bootstrap: int = Field(200, ge=20, description="Resamples of the pieces behind an interval.")


class PowerlawMetric(Metric):
    """Spectrum, intervals and self-repetition of melodies, one series per voice.

    A row holds the pitch series of the piece's voices and the `rep` of each; a piece with a voice
    of 64 notes or more also has a `beta` of its own with its standard error.
    """

    def __init__(self, options: PowerlawOptions) -> None:
        self.options = options

    def measure(self, piece: Piece) -> Row:
        """Return the series. Raises `Undefined` if the piece has no note."""
        series = [notes for notes in map(melody, piece.voices.values()) if notes]
        if not series:
            raise Undefined("no notes")
        usable = [x if powerlaw.is_usable(x) else None for x in series]
        long = [x for x in usable if x is not None and len(x) >= powerlaw.MIN_NOTES_BETA]
        fit = powerlaw.whittle([powerlaw.periodogram(x) for x in long])
        return {
            "series": series,
            "rep": [None if x is None else powerlaw.self_repetition(x) for x in usable],
            "beta": None if fit is None else fit[0],
            "beta_se": None if fit is None else fit[1],
        }

    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        """Return the summary; psd_db, interval_js and powerlaw_distance need a reference."""
        if not rows:
            return Summary({}, notes=["no piece to measure"])
        pieces, voices, short = _usable_voices(rows)
        values = {"n_short": Value(float(short), "voices", voices)}
        unused = {_NO_VOICE: len(rows) - len(pieces)} if len(pieces) < len(rows) else {}
        if not pieces:
            return Summary(values, unused, [f"nothing to measure: {_NO_VOICE}"])
        found = describe_folder(pieces)
        if len(pieces) > 1:
            resample_folder(found, self.options.bootstrap, rng)
        known, notes = _known(reference, len(pieces), rng)
        values |= own_values(found, known)
        headline = "beta"
        usual = found.spread if known is None else known["oddness"]
        facts = [_facts(row, usual) for row in rows]
        curves = plots(found, known)
        if known is not None:
            values |= compared_values(found, known)
            notes += size_notes(len(pieces), known["pieces"])
            if min(len(pieces), known["pieces"]) < MIN_PIECES:
                values.pop("powerlaw_distance", None)
            if "powerlaw_distance" in values:
                headline = "powerlaw_distance"
                total = values[headline].value
                notes += genre_notes(total, known, found.numbers())
        return Summary(values, unused, notes, headline, facts, curves, order="oddness")

    def condense(self, rows: Sequence[Row], rng: np.random.Generator) -> Mapping[str, Any]:
        """Return the numbers of `powerlaw_reference.Known`."""
        return condense(_usable_voices(rows)[0], noise.SIZES, rng)


def _known(
    reference: ReferenceRows | None, size: int, rng: np.random.Generator
) -> tuple[Known | None, list[str]]:
    """Return the reference in numbers, with the noise of `size` pieces, and remarks."""
    if not reference:
        return None, []
    if isinstance(reference, Condensed):
        return reference.numbers, []
    pieces = _usable_voices(reference)[0]
    if not pieces:
        return None, [f"the reference has {_NO_VOICE}: nothing is compared"]
    return condense(pieces, (size,), rng), []


def _usable(row: Row) -> list[tuple[folder.Series, float | None]]:
    return [
        (np.array(x, np.int16), rep)
        for x, rep in zip(row["series"], row["rep"], strict=True)
        if powerlaw.is_usable(x)
    ]


def _in_order(series: Sequence[Sequence[int]]) -> bytes:
    """Return bytes that sort as the series do: 0, below any pitch, ends each."""
    end = np.array([-1 << 31])
    return b"".join((np.append(x, end) + (1 << 31)).astype(">u4").tobytes() for x in series)


def _facts(row: Row, usual: Mapping[str, Sequence[float]]) -> PieceFacts:
    """Return notes, beta, rep and mean leap of one piece, and their RMS z-score."""
    voices = _usable(row)
    found = describe_piece(voices) if voices else {}
    odd = oddness(found, usual)
    notes = sum(len(x) for x in row["series"])
    return PieceFacts(
        {"notes": notes, **found, "beta_se": row.get("beta_se"), "oddness": odd}, rank=odd
    )


def _usable_voices(rows: Sequence[Row]) -> tuple[list[folder.Voices], int, int]:
    """Return usable voices by piece, sorted by content, and the numbers of all and short voices.

    They are sorted so that resamples do not depend on names or file order.
    """
    pieces: list[tuple[bytes, folder.Voices]] = []
    count = short = 0
    for row in rows:
        voices = _usable(row)
        count += len(row["series"])
        short += len(row["series"]) - len(voices)
        if voices:
            pieces.append((_in_order(row["series"]), voices))
    return [voices for _, voices in sorted(pieces, key=lambda piece: piece[0])], count, short
