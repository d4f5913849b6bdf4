"""Spectrum, intervals and self-repetition of a melody, each statistic defined once.

Glossary: N notes of a series x (MIDI pitch by note index), d its N − 1 signed intervals, f_k = k/N
cycles per note, I_k the periodogram, beta the exponent of a spectrum ∝ f^−beta.

A melody is only roughly 1/f, and beta alone does not show musicality: a first-order Markov chain
has the beta of its training tunes. `rep` separates the two.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Spectrum = tuple[Floats, Floats]
"""Frequencies in cycles per note, and the periodogram there."""

MIN_NOTES = 32
"""Shortest voice with a spectrum."""
MIN_NOTES_BETA = 64
"""Shortest voice whose own beta is reported."""
BETA_RANGE = (-2.0, 4.0)
SPLIT = 1 / 16
"""The break of melodies in cycles per note: beta_low is below it, beta_high above."""
PSD_EDGES = np.geomspace(1 / 64, 1 / 2, 11)
CLIP = 12
REP_LAGS, REP_MIN_PAIRS, REP_SHUFFLES = range(4, 65), 24, 5
_AT_ONCE = 1 << 22  # numbers of a table
SCALES = {"beta": 0.10, "psd_db": 1.0, "interval_js": 10.0, "rep": 0.05}
"""Differences that count as one unit of `distance`."""


def is_usable(x: ArrayLike) -> bool:
    """Return whether a series is long enough for a spectrum, and not constant."""
    series = np.asarray(x)
    return len(series) >= MIN_NOTES and bool(np.ptp(series) > 0)


def periodogram(x: ArrayLike) -> Spectrum:
    """Return f_k and I_k = |FFT(z)_k|²/N of z = (x − mean)/sd for k = 1 … ⌊(N − 1)/2⌋.

    There is no taper and no detrending, as Whittle's likelihood requires. The series [N] must not
    be constant.
    """
    series = np.asarray(x, dtype=np.float64)
    count = len(series)
    power = np.abs(np.fft.rfft((series - series.mean()) / series.std())) ** 2 / count
    k = np.arange(1, (count - 1) // 2 + 1)
    return k / count, power[k]


def band(spectra: Sequence[Spectrum], low: float = 0.0, high: float = 0.5) -> list[Spectrum]:
    """Return the spectra between two frequencies, without those of under two points or no power."""
    cut = [(f[m], power[m]) for f, power in spectra for m in [(f >= low) & (f <= high)]]
    return [(f, power) for f, power in cut if len(f) >= 2 and power.sum() > 1e-12]


def whittle_scores(spectra: Sequence[Spectrum], beta: ArrayLike) -> Floats:
    """Return n_i · (Σ_k I_k e^{beta·c_k} c_k) / (Σ_k I_k e^{beta·c_k}): [S, len(beta)].

    c_k = ln f_k − mean. It is the derivative of −2 × Whittle's log likelihood (Whittle 1953) of
    each spectrum, with its level profiled out, and it rises with beta.
    """
    betas = np.atleast_1d(np.asarray(beta, dtype=np.float64))
    scores = np.empty((len(spectra), len(betas)))
    for row, (f, power) in enumerate(spectra):
        c = np.log(f) - np.log(f).mean()
        some = max(1, _AT_ONCE // len(c))
        for start in range(0, len(betas), some):
            part = slice(start, start + some)
            weights = power * np.exp(np.outer(betas[part], c))
            scores[row, part] = len(c) * (weights @ c) / weights.sum(axis=1)
    return scores


def whittle(spectra: Sequence[Spectrum]) -> tuple[float, float] | None:
    """Return the pooled maximum-likelihood beta of all spectra and its asymptotic standard error.

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
    """Return the mean power in the ten bins of `PSD_EDGES`; nan for a bin without frequencies."""
    f, power = spectrum
    bins = np.digitize(f, PSD_EDGES) - 1
    bins[f == PSD_EDGES[-1]] = 9
    inside = (bins >= 0) & (bins < 10)
    count = np.bincount(bins[inside], minlength=10)
    total = np.bincount(bins[inside], weights=power[inside], minlength=10)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def psd_difference(psd: Floats, reference: Floats) -> Floats:
    """Return the RMS over bins of 10 log10(psd / reference), in dB; the last axis is the bins."""
    decibels = 10 * np.log10(psd / reference)
    result: Floats = np.sqrt(np.nanmean(decibels**2, axis=-1))
    return result


def interval_counts(x: ArrayLike) -> Floats:
    """Return counts [25] of signed semitone steps −12 … 12; larger ones count as ±12."""
    steps = np.clip(np.diff(np.asarray(x)), -CLIP, CLIP).astype(int)
    return np.bincount(steps + CLIP, minlength=2 * CLIP + 1).astype(np.float64)


def interval_js(counts: Floats, reference: Floats) -> float:
    """Return the Jensen–Shannon divergence of two histograms in millibit."""
    p, q = counts / counts.sum(), reference / reference.sum()
    middle = (p + q) / 2
    return 500 * sum(_relative_entropy(each, middle) for each in (p, q))


def _relative_entropy(p: Floats, q: Floats) -> float:
    """Kullback–Leibler divergence of two distributions in bits."""
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))


def interval_lambda(mean_leap: float) -> float | None:
    """Return the rate of the geometric law of |d|, d ≠ 0, from their mean: ln(1/(1 − 1/mean)).

    None if the mean is 1: all intervals are semitones, and no rate fits.
    """
    return float(-np.log1p(-1 / mean_leap)) if mean_leap > 1 else None


def self_repetition(x: ArrayLike) -> float | None:
    """Return `rep`: how much more often intervals return at one lag than by chance.

    It is the maximum of P(d_t = d_{t+lag}) over lags 4 … 64 with at least 24 pairs, minus its mean
    over five permutations of d. Their seed is derived from d, so that a melody has one `rep`. None
    under 24 + 4 intervals.
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
    """Return the RMS of differences in beta, psd (dB), intervals (mbit), rep, each by its scale."""
    differences = (beta, psd_db, js, rep)
    scaled = [np.asarray(v) / s for v, s in zip(differences, SCALES.values(), strict=True)]
    result: Floats = np.sqrt(np.mean(np.square(scaled), axis=0))
    return result
