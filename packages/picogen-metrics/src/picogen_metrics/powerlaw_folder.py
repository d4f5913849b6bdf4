"""The numbers of a folder for `powerlaw`, their resamples, and the outlier score of a piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from picogen_metrics import folder, powerlaw
from picogen_metrics.means import resample
from picogen_metrics.powerlaw import Floats

Numbers = tuple[Floats, Floats, Floats, Floats]
"""beta [R], psd [R, 10], intervals [R, 25] and rep [R] of R folders."""


@dataclass
class Statistics:
    """Values of a folder, and their resamples if they have an interval."""

    sums: folder.FolderSums
    beta: dict[str, float]
    psd: Floats
    intervals: Floats
    leap: float
    rep: float
    spread: dict[str, list[float]]
    resampled: dict[str, Floats] = field(default_factory=dict)

    def numbers(self) -> Numbers:
        """Return beta, psd, intervals and rep of one folder, for `powerlaw_reference.compare`."""
        beta = np.array([self.beta.get("beta", np.nan)])
        return beta, self.psd[None], self.intervals[None], np.array([self.rep])


def describe_folder(pieces: Sequence[folder.Voices]) -> Statistics:
    """Return the values of a folder. Every piece must have a voice."""
    sums = folder.sum_folder(pieces)
    one = np.ones((1, len(sums)))
    fits = {
        name: powerlaw.whittle(powerlaw.band(sums.spectra, *cut))
        for name, cut in folder.BANDS.items()
    }
    return Statistics(
        sums=sums,
        beta={name: fit[0] for name, fit in fits.items() if fit is not None},
        psd=folder.mean_psd(sums, one)[0],
        intervals=sums.intervals.sum(axis=0),
        leap=float(folder.mean_leap(sums, one)[0]),
        rep=float(folder.mean_rep(sums, one)[0]),
        spread=spread([describe_piece(voices) for voices in pieces]),
    )


def resample_folder(found: Statistics, times: int, rng: np.random.Generator) -> None:
    """Fill `found.resampled` with `times` resamples of n pieces."""
    weights = resample(len(found.sums), times, rng)
    found.resampled = {
        **{name: folder.grid_beta(found.sums, weights, name) for name in found.beta},
        "psd": folder.mean_psd(found.sums, weights),
        "intervals": weights @ found.sums.intervals,
        "leap": folder.mean_leap(found.sums, weights),
        "rep": folder.mean_rep(found.sums, weights),
    }


Ends = list[float | None]


def psd_ends(draws: Floats) -> tuple[Ends, Ends]:
    """Return the middle 95 % of each bin, from [R, 10]; None for a bin without power."""
    ends: list[Ends] = [[], []]
    for column in draws.T:
        found = column[np.isfinite(column)]
        for end, percent in zip(ends, (2.5, 97.5), strict=True):
            end.append(float(np.percentile(found, percent)) if len(found) else None)
    return ends[0], ends[1]


def describe_piece(voices: folder.Voices) -> dict[str, float | None]:
    """Return beta (of voices of 64 notes), rep and mean leap of one piece."""
    long = [powerlaw.periodogram(x) for x, _ in voices if len(x) >= powerlaw.MIN_NOTES_BETA]
    fit = powerlaw.whittle(long)
    reps = [rep for _, rep in voices if rep is not None]
    steps = np.abs(np.concatenate([np.diff(x) for x, _ in voices]))
    leaps = steps[steps > 0]
    return {
        "beta": None if fit is None else fit[0],
        "rep": float(np.mean(reps)) if reps else None,
        "leap": float(leaps.mean()) if len(leaps) else None,
    }


def oddness(
    piece: Mapping[str, float | None], usual: Mapping[str, Sequence[float]]
) -> float | None:
    """Return the RMS z-score of a piece's numbers against real music; None without any."""
    gaps = [
        (value - usual[name][0]) / usual[name][1]
        for name, value in piece.items()
        if value is not None and name in usual and usual[name][1] > 0
    ]
    return float(np.sqrt(np.mean(np.square(gaps)))) if gaps else None


def spread(pieces: Sequence[Mapping[str, float | None]]) -> dict[str, list[float]]:
    """Return [mean, standard deviation] over pieces by name."""
    found = {}
    for name in ("beta", "rep", "leap"):
        values = [value for piece in pieces if (value := piece[name]) is not None]
        if len(values) > 1:
            found[name] = [float(np.mean(values)), float(np.std(values))]
    return found


def finite(value: float) -> float | None:
    """Return a number, or None for nan, as JSON has no nan."""
    return float(value) if np.isfinite(value) else None
