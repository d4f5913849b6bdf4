"""The metric `powerlaw`: a folder of scores as numbers, and how far it is from real music."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from picogen_core import Options, Row, Summary, Undefined, Value
from picogen_core.abc.notes import melody
from picogen_core.pieces import Piece
from pydantic import Field

from picogen_metrics import folder, powerlaw
from picogen_metrics.means import resample
from picogen_metrics.powerlaw import Floats

WARN_PIECES, MIN_PIECES = 50, 20
"""At 20 pieces real music is 0.74 away from real music, at 4 pieces 2.06."""

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
    resampled: dict[str, Floats] = field(default_factory=dict)


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
        known_pieces = _usable_voices(reference)[0] if reference else []
        known = _statistics(known_pieces) if known_pieces else None
        values |= _own_values(found, known)
        notes: list[str] = []
        headline = "beta"
        if known is not None:
            values |= _compared_values(found, known)
            notes += _size_notes(len(pieces), len(known_pieces))
            if min(len(pieces), len(known_pieces)) < MIN_PIECES:
                values.pop("powerlaw_distance", None)
            if "powerlaw_distance" in values:
                headline = "powerlaw_distance"
        elif reference is not None:
            notes.append(f"the reference has {_NO_VOICE}: nothing is compared")
        return Summary(values, unused, notes, headline)


def _usable_voices(rows: Sequence[Row]) -> tuple[list[folder.Voices], int, int]:
    """Usable voices of the pieces that have some, sorted by content; all voices; short ones.

    Sorted, so that neither names nor the order of files decide what a resample holds.
    """
    pieces: list[folder.Voices] = []
    count = short = 0
    for row in sorted(rows, key=lambda row: row["series"]):
        voices: Mapping[bool, list[Any]] = {True: [], False: []}
        for x, rep in zip(row["series"], row["rep"], strict=True):
            voices[powerlaw.is_usable(x)].append((x, rep))
        count += len(row["series"])
        short += len(voices[False])
        if voices[True]:
            pieces.append(voices[True])
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


def _own_values(found: _Statistics, known: _Statistics | None) -> dict[str, Value]:
    count = len(found.sums)
    better: Any = "closer" if known is not None else None
    values = {}
    for name, beta in found.beta.items():
        target = None if known is None else known.beta.get(name)
        ends = _interval(found.resampled.get(name))
        values[name] = Value(beta, "1", count, *ends, better, target)
    if "beta" in found.beta:
        values["pink_gap"] = Value(abs(found.beta["beta"] - 1), "1", count)
    for number, power in enumerate(found.psd, 1):
        if np.isfinite(power):
            ends = _interval(_column(found.resampled.get("psd"), number - 1))
            target = None if known is None else _finite(known.psd[number - 1])
            name = f"psd_{number:02d}"
            value = Value(float(power), "1", count, *ends, better, target)
            values[name] = replace(value, detail=True)
    rate = powerlaw.interval_lambda(found.leap)
    if rate is not None:
        rates = [powerlaw.interval_lambda(leap) for leap in found.resampled.get("leap", ())]
        ends = _interval(np.array([r for r in rates if r is not None]))
        target = None if known is None else powerlaw.interval_lambda(known.leap)
        values["lambda_int"] = Value(rate, "1", count, *ends, better, target)
    if np.isfinite(found.rep):
        defined = int((found.sums.rep[:, 1] > 0).sum())
        ends = _interval(found.resampled.get("rep"))
        target = None if known is None else _finite(known.rep)
        values["rep"] = Value(found.rep, "1", defined, *ends, better, target)
    return values


def _compared_values(found: _Statistics, known: _Statistics) -> dict[str, Value]:
    """Distances to the reference, which stays as it is while the folder is resampled."""
    values: dict[str, Value] = {}
    count, drawn = len(found.sums), found.resampled
    psd_db = float(powerlaw.psd_difference(found.psd, known.psd))
    js = powerlaw.interval_js(found.intervals, known.intervals)
    psd_draws = js_draws = None
    if drawn:
        psd_draws = powerlaw.psd_difference(drawn["psd"], known.psd)
        js_draws = np.array(
            [powerlaw.interval_js(counts, known.intervals) for counts in drawn["intervals"]]
        )
    if np.isfinite(psd_db):
        ends = _centred(psd_db, psd_draws)
        values["psd_db"] = Value(psd_db, "dB", count, *ends, "lower")
    values["interval_js"] = Value(js, "mbit", count, *_centred(js, js_draws), "lower")
    if "beta" in found.beta and "beta" in known.beta:
        gap, rep = found.beta["beta"] - known.beta["beta"], found.rep - known.rep
        total = float(powerlaw.distance(gap, psd_db, js, rep))
        draws = None
        if psd_draws is not None and js_draws is not None:
            gaps, reps = drawn["beta"] - known.beta["beta"], drawn["rep"] - known.rep
            draws = powerlaw.distance(gaps, psd_draws, js_draws, reps)
        if np.isfinite(total):
            ends = _centred(total, draws)
            values["powerlaw_distance"] = Value(total, "1", count, *ends, "lower")
    return values


def _size_notes(count: int, known: int) -> list[str]:
    notes = []
    for pieces, what in ((count, "scores"), (known, "reference")):
        if pieces < MIN_PIECES:
            notes.append(
                f"powerlaw_distance is undefined: the {what} have {pieces} usable pieces, it needs "
                f"{MIN_PIECES}, better {WARN_PIECES}"
            )
        elif pieces < WARN_PIECES:
            notes.append(
                f"the {what} have {pieces} usable pieces: under {WARN_PIECES}, even real music is "
                "some 0.7 away from real music"
            )
    return notes


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
