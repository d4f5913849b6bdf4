"""The metric `powerlaw`: a folder of scores as numbers, and how far it is from real music."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from picogen_core import Options, Row, Summary, Undefined, Value
from picogen_core.abc.notes import melody
from picogen_core.pieces import Piece
from picogen_core.protocols import CONDENSED, Plot
from pydantic import Field

from picogen_metrics import folder, noise, powerlaw
from picogen_metrics.means import resample
from picogen_metrics.powerlaw import Floats
from picogen_metrics.powerlaw_reference import (
    MIN_PIECES,
    Condensed,
    Numbers,
    compare,
    condense,
    describe_piece,
    genre_notes,
    numbers,
    oddness,
    psd_ends,
    size_notes,
    spread,
)

_NO_VOICE = f"no voice of {powerlaw.MIN_NOTES} notes and more than one pitch"


class PowerlawOptions(Options):
    bootstrap: int = Field(200, ge=20, description="Resamples of the pieces behind an interval.")


@dataclass
class _Statistics:
    """A folder: the values themselves, and their resamples where they have an interval."""

    sums: folder.FolderSums
    beta: dict[str, float]
    psd: Floats
    intervals: Floats
    leap: float
    rep: float
    spread: dict[str, list[float]]
    resampled: dict[str, Floats] = field(default_factory=dict)

    def numbers(self) -> Numbers:
        """beta, psd, intervals and rep of one folder, as `powerlaw_reference.compare` asks."""
        beta = np.array([self.beta.get("beta", np.nan)])
        return beta, self.psd[None], self.intervals[None], np.array([self.rep])


class PowerlawMetric:
    """Spectrum, intervals and self-repetition of melodies, one series per voice.

    A row holds the pitch series of the piece's voices and the `rep` of each; a piece with a voice
    of 64 notes or more also has a `beta` of its own with its standard error.
    """

    def __init__(self, options: PowerlawOptions) -> None:
        self.options = options

    def measure(self, piece: Piece) -> Row:
        """Raises `Undefined` if the piece has no note."""
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
        self, rows: Sequence[Row], reference: Sequence[Row] | None, rng: np.random.Generator
    ) -> Summary:
        """Needs no reference; without one there is no psd_db, interval_js and powerlaw_distance."""
        if not rows:
            return Summary({}, notes=["no piece to measure"])
        pieces, voices, short = _usable_voices(rows)
        values = {"n_short": Value(float(short), "voices", voices)}
        unused = {_NO_VOICE: len(rows) - len(pieces)} if len(pieces) < len(rows) else {}
        if not pieces:
            return Summary(values, unused, [f"nothing to measure: {_NO_VOICE}"])
        found = _statistics(pieces)
        if len(pieces) > 1:
            _resample(found, self.options.bootstrap, rng)
        known, notes = _known(reference, len(pieces), rng)
        values |= _own_values(found, known)
        headline = "beta"
        usual = found.spread if known is None else known["oddness"]
        facts = [_facts(row, usual) for row in rows]
        plots = _plots(found, known)
        if known is not None:
            values |= _compared_values(found, known)
            notes += size_notes(len(pieces), known["pieces"])
            if min(len(pieces), known["pieces"]) < MIN_PIECES:
                values.pop("powerlaw_distance", None)
            if "powerlaw_distance" in values:
                headline = "powerlaw_distance"
                total = values[headline].value
                notes += genre_notes(total, known, found.numbers())
        return Summary(values, unused, notes, headline, facts, plots, order="oddness")

    def condense(self, rows: Sequence[Row], rng: np.random.Generator) -> Mapping[str, Any]:
        """The numbers of `powerlaw_reference.Condensed`."""
        return condense(_usable_voices(rows)[0], noise.SIZES, rng)


def _known(
    reference: Sequence[Row] | None, size: int, rng: np.random.Generator
) -> tuple[Condensed | None, list[str]]:
    """The reference in numbers, with the noise of `size` pieces; or why there is none."""
    if not reference:
        return None, []
    if CONDENSED in reference[0]:
        return reference[0][CONDENSED], []
    pieces = _usable_voices(reference)[0]
    if not pieces:
        return None, [f"the reference has {_NO_VOICE}: nothing is compared"]
    return condense(pieces, (size,), rng), []


def _usable(row: Row) -> list[tuple[list[int], float | None]]:
    return [
        (x, rep) for x, rep in zip(row["series"], row["rep"], strict=True) if powerlaw.is_usable(x)
    ]


def _facts(row: Row, usual: Mapping[str, Sequence[float]]) -> Mapping[str, Any]:
    """Of one piece: its notes, its own beta, rep and mean leap, and how odd they are together."""
    voices = _usable(row)
    found = describe_piece(voices) if voices else {}
    return {
        "notes": sum(len(x) for x in row["series"]),
        **found,
        "beta_se": row.get("beta_se"),
        "oddness": oddness(found, usual),
    }


def _plots(found: _Statistics, known: Condensed | None) -> dict[str, Plot]:
    """The spectrum and the intervals of the folder, the reference's beside."""
    counts = found.intervals / max(1.0, found.intervals.sum())
    low, high = psd_ends(found.resampled["psd"]) if found.resampled else ([], [])
    edges = powerlaw.PSD_EDGES
    psd = Plot(
        title="Pitch spectrum",
        x_label="cycles a note",
        y_label="mean power",
        x=np.sqrt(edges[1:] * edges[:-1]).tolist(),
        y=[_finite(power) for power in found.psd],
        low=low,
        high=high,
        log=True,
    )
    steps = [f"{step:+d}" if step else "0" for step in range(-powerlaw.CLIP, powerlaw.CLIP + 1)]
    intervals = Plot("Melodic intervals", "semitones", "share", steps, counts.tolist())
    if known is not None:
        shares = np.array(known["intervals"]) / max(1.0, sum(known["intervals"]))
        psd = replace(
            psd,
            reference=known["psd"],
            reference_low=known["psd_low"],
            reference_high=known["psd_high"],
        )
        intervals = replace(intervals, reference=shares.tolist())
    return {"psd": psd, "intervals": intervals}


def _usable_voices(rows: Sequence[Row]) -> tuple[list[folder.Voices], int, int]:
    """Usable voices of the pieces that have some, sorted by content; all voices; short ones.

    Sorted, so that neither names nor the order of files decide what a resample holds.
    """
    pieces: list[folder.Voices] = []
    count = short = 0
    for row in sorted(rows, key=lambda row: row["series"]):
        voices = _usable(row)
        count += len(row["series"])
        short += len(row["series"]) - len(voices)
        if voices:
            pieces.append(voices)
    return pieces, count, short


def _statistics(pieces: Sequence[folder.Voices]) -> _Statistics:
    sums = folder.sum_folder(pieces)
    one = np.ones((1, len(sums)))
    fits = {
        name: powerlaw.whittle(powerlaw.band(sums.spectra, *cut))
        for name, cut in folder.BANDS.items()
    }
    return _Statistics(
        sums=sums,
        beta={name: fit[0] for name, fit in fits.items() if fit is not None},
        psd=folder.mean_psd(sums, one)[0],
        intervals=sums.intervals.sum(axis=0),
        leap=float(folder.mean_leap(sums, one)[0]),
        rep=float(folder.mean_rep(sums, one)[0]),
        spread=spread([describe_piece(voices) for voices in pieces]),
    )


def _resample(found: _Statistics, times: int, rng: np.random.Generator) -> None:
    weights = resample(len(found.sums), times, rng)
    found.resampled = {
        **{name: folder.grid_beta(found.sums, weights, name) for name in found.beta},
        "psd": folder.mean_psd(found.sums, weights),
        "intervals": weights @ found.sums.intervals,
        "leap": folder.mean_leap(found.sums, weights),
        "rep": folder.mean_rep(found.sums, weights),
    }


def _own_values(found: _Statistics, known: Condensed | None) -> dict[str, Value]:
    count = len(found.sums)
    better: Any = "closer" if known is not None else None
    values = {}
    for name, beta in found.beta.items():
        target = None if known is None else known["beta"].get(name)
        ends = _interval(found.resampled.get(name))
        values[name] = Value(beta, "1", count, *ends, better, target)
    if "beta" in found.beta:
        values["pink_gap"] = Value(abs(found.beta["beta"] - 1), "1", count)
    for number, power in enumerate(found.psd, 1):
        if np.isfinite(power):
            ends = _interval(_column(found.resampled.get("psd"), number - 1))
            target = None if known is None else known["psd"][number - 1]
            name = f"psd_{number:02d}"
            value = Value(float(power), "1", count, *ends, better, target)
            values[name] = replace(value, detail=True)
    rate = powerlaw.interval_lambda(found.leap)
    if rate is not None:
        rates = [powerlaw.interval_lambda(leap) for leap in found.resampled.get("leap", ())]
        ends = _interval(np.array([r for r in rates if r is not None]))
        target = None if known is None else _rate(known["leap"])
        values["lambda_int"] = Value(rate, "1", count, *ends, better, target)
    if np.isfinite(found.rep):
        defined = int((found.sums.rep[:, 1] > 0).sum())
        ends = _interval(found.resampled.get("rep"))
        target = None if known is None else known["rep"]
        values["rep"] = Value(found.rep, "1", defined, *ends, better, target)
    return values


def _rate(leap: float | None) -> float | None:
    return None if leap is None else powerlaw.interval_lambda(leap)


def _compared_values(found: _Statistics, known: Condensed) -> dict[str, Value]:
    """Distances to the reference, which stays as it is while the folder is resampled."""
    count, drawn = len(found.sums), found.resampled
    units = {"psd_db": "dB", "interval_js": "mbit", "powerlaw_distance": "1"}
    target = numbers(known)
    distances = compare(found.numbers(), target)
    draws: Mapping[str, Floats] = {}
    if drawn and "beta" in drawn:
        resampled = drawn["beta"], drawn["psd"], drawn["intervals"], drawn["rep"]
        draws = compare(resampled, target)
    values = {}
    for name, unit in units.items():
        number = float(distances[name][0])
        if np.isfinite(number):
            ends = _centred(number, draws.get(name))
            value = Value(number, unit, count, *ends, "lower")
            values[name] = noise.with_noise(value, known["noise"].get(name), count)
    return values


Ends = tuple[float | None, float | None]


def _interval(draws: Floats | None) -> Ends:
    """The middle 95 % of resamples."""
    if draws is None or not np.isfinite(draws).any():
        return None, None
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(low), float(high)


def _centred(value: float, draws: Floats | None) -> Ends:
    """The same, moved by how far resampling moves the median.

    A distance grows when its folder is resampled, so the plain percentiles may miss the value.
    """
    low, high = _interval(draws)
    if draws is None or low is None or high is None:
        return None, None
    shift = value - float(np.nanmedian(draws))
    return max(0.0, low + shift), high + shift


def _column(table: Floats | None, column: int) -> Floats | None:
    return None if table is None else table[:, column]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
