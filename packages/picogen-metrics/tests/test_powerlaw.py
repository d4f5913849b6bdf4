"""The statistics on series whose answer is known, and on real tunes against published anchors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from picogen_metrics import powerlaw
from picogen_metrics.folder import grid_beta, sum_folder
from picogen_metrics.powerlaw import _root, interval_js
from scipy.optimize import brentq
from scipy.spatial.distance import jensenshannon

N = 4096
Tunes = Callable[[str], list[list[int]]]


def noise(beta: float, seed: int = 0, count: int = N) -> np.ndarray:
    """Gaussian noise with a spectrum ∝ f^−beta."""
    rng = np.random.default_rng(seed)
    spectrum = rng.normal(size=count // 2 + 1) + 1j * rng.normal(size=count // 2 + 1)
    spectrum[0] = 0
    spectrum[1:] *= np.arange(1, count // 2 + 1) ** (-beta / 2)
    return np.fft.irfft(spectrum, count)


def fit(*series: np.ndarray) -> float:
    found = powerlaw.whittle([powerlaw.periodogram(x) for x in series])
    assert found is not None
    return found[0]


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0])
def test_whittle_finds_the_exponent_of_synthetic_noise(beta: float) -> None:
    estimates = [fit(noise(beta, seed)) for seed in range(5)]
    assert np.mean(estimates) == pytest.approx(beta, abs=0.03)
    error = powerlaw.whittle([powerlaw.periodogram(noise(beta))])
    assert error is not None and error[1] == pytest.approx(1 / np.sqrt(N / 2), rel=0.05)


def test_whittle_is_the_maximum_of_the_likelihood() -> None:
    spectra = [powerlaw.periodogram(noise(1.2, seed, 200 + seed)) for seed in range(4)]

    def deviance(beta: float) -> float:
        total = 0.0
        for f, power in spectra:
            shape = f**-beta
            level = np.mean(power / shape)  # its maximum-likelihood value
            total += np.sum(np.log(level * shape) + power / (level * shape))
        return total

    grid = np.linspace(0, 2.5, 25001)
    best = grid[np.argmin([deviance(beta) for beta in grid])]
    found = powerlaw.whittle(spectra)
    assert found is not None and found[0] == pytest.approx(best, abs=2e-4)


def test_whittle_has_no_value_for_nothing_and_stays_in_its_range() -> None:
    assert powerlaw.whittle([]) is None
    assert fit(np.sin(2 * np.pi * np.arange(128) / 128)) == 4.0
    assert fit(np.tile([1.0, -1.0, 1.0, -1.0, 1.0], 20) + 1e-3 * noise(-3.0, count=100)) < 0


def test_periodogram_leaves_out_the_mean_and_the_nyquist_frequency() -> None:
    x = noise(1.0, count=10)
    f, power = powerlaw.periodogram(x)
    assert f.tolist() == [0.1, 0.2, 0.3, 0.4]
    z = (x - x.mean()) / x.std()
    k = np.arange(10)
    by_hand = [abs(np.sum(z * np.exp(-2j * np.pi * j * k / 10))) ** 2 / 10 for j in (1, 2, 3, 4)]
    assert power == pytest.approx(by_hand)
    odd = powerlaw.periodogram(noise(1.0, count=11))[1]
    assert 2 * odd.sum() == pytest.approx(11)  # Parseval: variance 1


def test_psd_bins() -> None:
    f, power = np.array([1 / 64, 0.0157, 0.3, 0.49]), np.array([1.0, 3.0, 5.0, 7.0])
    assert powerlaw.psd_profile((f, power)) == pytest.approx([2, *[np.nan] * 7, 5, 7], nan_ok=True)
    a = np.array([10.0, 1.0, np.nan])
    assert powerlaw.psd_difference(a, np.ones(3)) == pytest.approx(np.sqrt(50))


def test_intervals() -> None:
    counts = powerlaw.interval_counts([60, 62, 60, 60, 90, 40])
    assert {i - 12: c for i, c in enumerate(counts) if c} == {2: 1, -2: 1, 0: 1, 12: 1, -12: 1}
    assert powerlaw.interval_js(counts, 7 * counts) == pytest.approx(0, abs=1e-6)
    left, right = np.eye(2)
    assert powerlaw.interval_js(left, right) == pytest.approx(1000)
    p, q = np.array([0.75, 0.25]), np.array([0.5, 0.5])
    middle = (p + q) / 2
    by_hand = 0.5 * np.sum(p * np.log2(p / middle)) + 0.5 * np.sum(q * np.log2(q / middle))
    assert powerlaw.interval_js(p, q) == pytest.approx(1000 * by_hand)
    assert powerlaw.interval_lambda(2.0) == pytest.approx(np.log(2))
    assert powerlaw.interval_lambda(1.0) is None


def test_self_repetition_tells_a_refrain_from_chance() -> None:
    rng = np.random.default_rng(0)
    phrase = rng.integers(-4, 5, size=16)
    refrain = 60 + np.cumsum(np.tile(phrase, 8))
    by_chance = np.sum((np.bincount(phrase + 4) / 16) ** 2)
    rep = powerlaw.self_repetition(refrain)
    assert rep is not None and 1 - by_chance - 0.15 < rep < 1 - by_chance  # max over 61 lags
    walk = 60 + np.cumsum(rng.integers(-4, 5, size=500))
    assert powerlaw.self_repetition(walk) == pytest.approx(0, abs=0.03)
    assert powerlaw.self_repetition(refrain[:28]) is None
    assert powerlaw.self_repetition(refrain) == powerlaw.self_repetition(refrain.tolist())


def test_distance_weighs_its_four_parts() -> None:
    assert powerlaw.distance(0.1, 0, 0, 0) == pytest.approx(0.5)
    assert powerlaw.distance(-0.1, 1, 10, 0.05) == pytest.approx(1)


def test_usable_series() -> None:
    assert not powerlaw.is_usable([60, 61] * 15)
    assert not powerlaw.is_usable([60] * 40)
    assert powerlaw.is_usable([60, 61] * 16)


@pytest.mark.parametrize(
    ("name", "beta", "rep", "rate"),
    [
        ("oneills1850", 1.5495, 0.180, 0.5093),
        ("essenFolksong", 1.2744, 0.085, 0.528),
        ("ryansMammoth", 1.1548, 0.185, 0.3776),
    ],
)
def test_real_tunes_have_their_known_values(
    first_200: Tunes, name: str, beta: float, rep: float, rate: float
) -> None:
    series = first_200(name)
    assert fit(*map(np.array, series)) == pytest.approx(beta, abs=0.005)
    reps = [powerlaw.self_repetition(x) for x in series]
    assert np.mean([r for r in reps if r is not None]) == pytest.approx(rep, abs=0.01)
    steps = np.abs(np.concatenate([np.diff(x) for x in series]))
    assert powerlaw.interval_lambda(steps[steps > 0].mean()) == pytest.approx(rate, abs=0.001)


def test_resamples_read_beta_off_a_grid_that_is_fine_enough(first_200: Tunes) -> None:
    series = first_200("ryansMammoth")
    sums = sum_folder([[(x, None)] for x in series])
    rng = np.random.default_rng(0)
    weights = rng.multinomial(200, [1 / 200] * 200, size=5).astype(float)
    for row, beta in zip(weights, grid_beta(sums, weights, "beta"), strict=True):
        drawn = [
            np.array(x) for x, times in zip(series, row, strict=True) for _ in range(int(times))
        ]
        assert beta == pytest.approx(fit(*drawn), abs=1e-3)


def test_roots_and_divergences_are_those_of_scipy():
    random = np.random.default_rng(3)
    for _ in range(20):
        c, power = np.sort(random.normal(size=30)), random.exponential(size=30)
        c -= c.mean()

        def score(beta, c=c, power=power):
            weights = power * np.exp(beta * c)
            return float(weights @ c / weights.sum())

        if score(-2.0) < 0 < score(4.0):
            assert _root(score, -2.0, 4.0) == pytest.approx(brentq(score, -2.0, 4.0), abs=2e-10)
        counts, others = random.poisson(2, (2, 25)) + np.eye(2, 25)
        expected = 1000 * jensenshannon(counts, others, base=2) ** 2
        assert interval_js(counts, others) == pytest.approx(expected, rel=1e-9)
