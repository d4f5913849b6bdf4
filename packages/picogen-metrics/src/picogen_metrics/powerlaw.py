"""The spectrum of a melody, and what else tells music from noise: each statistic defined once.

Glossary: N notes of a series x (MIDI pitch by note index), d its N − 1 signed intervals, f_k = k/N
cycles a note, I_k the periodogram, beta the exponent of a spectrum ∝ f^−beta.

A melody is only roughly 1/f, and beta alone does not show musicality: a first-order Markov chain
has the beta of the tunes it was made from. `rep` is what separates the two.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Spectrum = tuple[Floats, Floats]
"""Frequencies in cycles a note, and the periodogram there."""

MIN_NOTES = 32
"""A shorter voice says nothing of its spectrum."""
MIN_NOTES_BETA = 64
"""A shorter voice has no beta of its own worth quoting."""
BETA_RANGE = (-2.0, 4.0)
SPLIT = 1 / 16
"""Where melodies break: beta_low is below, beta_high above, in cycles a note."""
PSD_EDGES = np.geomspace(1 / 64, 1 / 2, 11)
CLIP = 12
REP_LAGS, REP_MIN_PAIRS, REP_SHUFFLES = range(4, 65), 24, 5
SCALES = {"beta": 0.10, "psd_db": 1.0, "interval_js": 10.0, "rep": 0.05}
"""What counts as one unit of `distance`."""


def is_usable(x: ArrayLike) -> bool:
    """Long enough for a spectrum, and not one pitch throughout."""
    series = np.asarray(x)
    return len(series) >= MIN_NOTES and bool(np.ptp(series) > 0)


def periodogram(x: ArrayLike) -> Spectrum:
    """[N] -> f_k and I_k = |FFT(z)_k|²/N of z = (x − mean)/sd for k = 1 … ⌊(N − 1)/2⌋.

    No taper and no detrending: what Whittle's likelihood wants. The series must not be constant.
    """
    series = np.asarray(x, dtype=np.float64)
    count = len(series)
    power = np.abs(np.fft.rfft((series - series.mean()) / series.std())) ** 2 / count
    k = np.arange(1, (count - 1) // 2 + 1)
    return k / count, power[k]


def band(spectra: Sequence[Spectrum], low: float = 0.0, high: float = 0.5) -> list[Spectrum]:
    """The spectra between two frequencies, less those with under two points or no power there."""
    cut = [(f[m], power[m]) for f, power in spectra for m in [(f >= low) & (f <= high)]]
    return [(f, power) for f, power in cut if len(f) >= 2 and power.sum() > 1e-12]


def whittle_scores(spectra: Sequence[Spectrum], beta: ArrayLike) -> Floats:
    """n_i · (Σ_k I_k e^{beta·c_k} c_k) / (Σ_k I_k e^{beta·c_k}) of each spectrum: [S, len(beta)].

    c_k = ln f_k − mean. It is the derivative of −2 × Whittle's log likelihood (Whittle 1953) with
    the level of each spectrum profiled out, and it rises with beta.
    """
    betas = np.atleast_1d(np.asarray(beta, dtype=np.float64))
    scores = np.empty((len(spectra), len(betas)))
    for row, (f, power) in enumerate(spectra):
        c = np.log(f) - np.log(f).mean()
        weights = power * np.exp(np.outer(betas, c))
        scores[row] = len(c) * (weights @ c) / weights.sum(axis=1)
    return scores


def whittle(spectra: Sequence[Spectrum]) -> tuple[float, float] | None:
    """Pooled maximum-likelihood beta of all spectra and its asymptotic standard error.

    None if no spectrum has two points; a beta beyond `BETA_RANGE` is the end of the range.
    """
    usable = band(spectra)
    if not usable:
        return None
    logs = [np.log(f) - np.log(f).mean() for f, _ in usable]
    error = 1 / np.sqrt(sum(float(c @ c) for c in logs))
    lengths = np.array([len(c) for c in logs])
    starts = np.cumsum(lengths) - lengths
    c, power = np.concatenate(logs), np.concatenate([p for _, p in usable])

    def score(beta: float) -> float:
        weights = power * np.exp(beta * c)
        means = np.add.reduceat(weights * c, starts) / np.add.reduceat(weights, starts)
        return float(lengths @ means)

    low, high = BETA_RANGE
    if score(low) >= 0 or score(high) <= 0:
        return (low if score(low) >= 0 else high), float(error)
    return _root(score, low, high), float(error)


def _root(score: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising score crosses zero between `low` and `high`, by halving, within 1e-10."""
    while high - low > 1e-10:
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) < 0 else (low, middle)
    return (low + high) / 2


def psd_profile(spectrum: Spectrum) -> Floats:
    """Mean power in the ten bins of `PSD_EDGES`; nan where no frequency falls."""
    f, power = spectrum
    bins = np.digitize(f, PSD_EDGES) - 1
    bins[f == PSD_EDGES[-1]] = 9
    inside = (bins >= 0) & (bins < 10)
    count = np.bincount(bins[inside], minlength=10)
    total = np.bincount(bins[inside], weights=power[inside], minlength=10)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def psd_difference(psd: Floats, reference: Floats) -> Floats:
    """RMS over bins of 10 log10(psd / reference), in dB; the last axis is the bins."""
    decibels = 10 * np.log10(psd / reference)
    return np.sqrt(np.nanmean(decibels**2, axis=-1))  # type: ignore[no-any-return]


def interval_counts(x: ArrayLike) -> Floats:
    """How often each signed semitone step −12 … 12 occurs; larger ones count as ±12: [25]."""
    steps = np.clip(np.diff(np.asarray(x)), -CLIP, CLIP).astype(int)
    return np.bincount(steps + CLIP, minlength=2 * CLIP + 1).astype(np.float64)


def interval_js(counts: Floats, reference: Floats) -> float:
    """Jensen–Shannon divergence of two histograms in millibit."""
    p, q = counts / counts.sum(), reference / reference.sum()
    middle = (p + q) / 2
    return 500 * sum(_relative_entropy(each, middle) for each in (p, q))


def _relative_entropy(p: Floats, q: Floats) -> float:
    """Kullback–Leibler divergence of two distributions in bits."""
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))


def interval_lambda(mean_leap: float) -> float | None:
    """Rate of the geometric law of |d|, d ≠ 0, from their mean: ln(1/(1 − 1/mean)).

    None if the mean is 1: all intervals are semitones, and no rate fits.
    """
    return float(-np.log1p(-1 / mean_leap)) if mean_leap > 1 else None


def self_repetition(x: ArrayLike) -> float | None:
    """How much more often intervals come back at one lag than by chance: `rep`.

    max over lags 4 … 64 with at least 24 pairs of P(d_t = d_{t+lag}), less its mean over five
    permutations of d, which are drawn from a seed made of d, so that a melody has one `rep`.
    None under 24 + 4 intervals.
    """
    d = np.diff(np.asarray(x)).astype(np.int16)
    lags = [lag for lag in REP_LAGS if len(d) - lag >= REP_MIN_PAIRS]
    if not lags:
        return None
    rng = np.random.default_rng(zlib.crc32(d.tobytes()))
    chance = [_best_lag(rng.permutation(d), lags) for _ in range(REP_SHUFFLES)]
    return _best_lag(d, lags) - float(np.mean(chance))


def _best_lag(d: NDArray[np.int16], lags: Sequence[int]) -> float:
    return max(float((d[:-lag] == d[lag:]).mean()) for lag in lags)


def distance(beta: ArrayLike, psd_db: ArrayLike, js: ArrayLike, rep: ArrayLike) -> Floats:
    """RMS of the differences in beta, psd (dB), intervals (mbit) and rep, each by its scale."""
    differences = (beta, psd_db, js, rep)
    scaled = [np.asarray(v) / s for v, s in zip(differences, SCALES.values(), strict=True)]
    return np.sqrt(np.mean(np.square(scaled), axis=0))  # type: ignore[no-any-return]
