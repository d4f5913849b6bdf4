"""A folder of melodies as sums over its pieces, so that a bootstrap is one matrix product.

Glossary: n pieces, R resamples, G points of a grid of beta. Weights [R, n] count each piece in each
resample; the folder itself has weights of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picogen_metrics.powerlaw import (
    BETA_RANGE,
    SPLIT,
    Floats,
    Spectrum,
    band,
    interval_counts,
    periodogram,
    psd_profile,
    whittle_scores,
)

GRID = np.linspace(*BETA_RANGE, 121)
"""Grid of beta for resamples only; linear interpolation has an error below 0.001."""
BANDS = {"beta": (0.0, 0.5), "beta_low": (0.0, SPLIT), "beta_high": (SPLIT, 0.5)}


@dataclass(frozen=True)
class FolderSums:
    """Sums over the usable voices of each of n pieces.

    spectra:   all spectra of the folder.
    scores:    per band, Whittle's score on the grid [n, G].
    psd:       power by bin [n, 10], and the number of voices with that bin.
    intervals: histogram of clipped steps [n, 25].
    leaps:     sum and count of |d|, d ≠ 0 [n, 2].
    rep:       sum and count of self-repetition [n, 2].
    """

    spectra: list[Spectrum]
    scores: dict[str, Floats]
    psd: Floats
    psd_count: Floats
    intervals: Floats
    leaps: Floats
    rep: Floats

    def __len__(self) -> int:
        return len(self.psd)


Series = Sequence[int] | NDArray[np.int16]
"""MIDI pitches of a voice."""
Voices = Sequence[tuple[Series, float | None]]
"""The usable voices of a piece, each with its `rep`."""


def sum_folder(pieces: Sequence[Voices]) -> FolderSums:
    """Return the sums. Every piece must have a voice."""
    spectra = [[periodogram(x) for x, _ in voices] for voices in pieces]
    profiles = [np.array([psd_profile(spectrum) for spectrum in piece]) for piece in spectra]
    return FolderSums(
        spectra=[spectrum for piece in spectra for spectrum in piece],
        scores={
            name: np.array([whittle_scores(band(s, *cut), GRID).sum(axis=0) for s in spectra])
            for name, cut in BANDS.items()
        },
        psd=np.array([np.nansum(profile, axis=0) for profile in profiles]),
        psd_count=np.array([np.isfinite(profile).sum(axis=0) for profile in profiles], dtype=float),
        intervals=np.array([sum(interval_counts(x) for x, _ in voices) for voices in pieces]),
        leaps=np.array([_leaps(voices) for voices in pieces]),
        rep=np.array([_reps(voices) for voices in pieces]),
    )


def _leaps(voices: Voices) -> tuple[float, float]:
    steps = np.abs(np.concatenate([np.diff(x) for x, _ in voices]))
    return float(steps.sum()), float((steps > 0).sum())


def _reps(voices: Voices) -> tuple[float, float]:
    known = [rep for _, rep in voices if rep is not None]
    return sum(known), float(len(known))


def mean_psd(sums: FolderSums, weights: Floats) -> Floats:
    """Return mean power by bin: [R, n] -> [R, 10]; nan where no voice has the bin."""
    return _ratio(weights @ sums.psd, weights @ sums.psd_count)


def mean_rep(sums: FolderSums, weights: Floats) -> Floats:
    """Return the mean self-repetition of the voices: [R, n] -> [R]."""
    totals = weights @ sums.rep
    return _ratio(totals[:, 0], totals[:, 1])


def mean_leap(sums: FolderSums, weights: Floats) -> Floats:
    """Return the mean size in semitones of intervals other than 0: [R, n] -> [R]."""
    totals = weights @ sums.leaps
    return _ratio(totals[:, 0], totals[:, 1])


def grid_beta(sums: FolderSums, weights: Floats, name: str) -> Floats:
    """Return beta of each resample, where its pooled score crosses zero: [R, n] -> [R]."""
    scores = weights @ sums.scores[name]
    return np.array([np.interp(0.0, score, GRID) for score in scores])


def _ratio(total: Floats, count: Floats) -> NDArray[np.float64]:
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
