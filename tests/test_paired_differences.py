"""Intervals of differences between the arms of a study: of what is paired, and of what is not."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

STUDIES = Path(__file__).resolve().parents[1] / "studies"


@pytest.fixture(scope="module")
def paired():
    sys.path.insert(0, str(STUDIES))
    try:
        import paired
    finally:
        sys.path.remove(str(STUDIES))
    return paired


def made_up(nats: list[float]) -> dict:
    each = {"nats": nats, "characters": [10] * len(nats)}
    return {"test": each, "validation": each}


def test_differences_are_paired(paired):
    """Tunes differ by far more than arms; the pairs are sure of the arm."""
    rng = np.random.default_rng(1)
    tune = rng.uniform(1, 50, 400)
    base = [made_up(list(tune + 2 * seed)) for seed in range(3)]
    arm = [made_up(list(tune + 2 * seed - math.log(2))) for seed in range(3)]
    assert paired.bits_against(arm, base) == pytest.approx((-0.1, -0.1, -0.1))
    noisy = [made_up(list(tune - math.log(2) + rng.normal(0, 3, 400))) for _ in range(1)]
    middle, low, high = paired.bits_against(noisy, base[:1])
    expected = 1.96 * 3 / math.sqrt(400) / 10 / math.log(2)
    assert high - low == pytest.approx(2 * expected, rel=0.15) and low < middle < high
    teacher = made_up(list(tune - 4 * math.log(2)))
    assert paired.gap_closed(arm[:1], base[:1], teacher) == pytest.approx((25, 25, 25))


def test_music_of_two_arms_is_not_paired(paired):
    def row(value):
        return {"music": {"rep": {"value": value, "low": value - 0.196, "high": value + 0.196}}}

    middle, low, high = paired.music_against([row(0.5)], [row(0.2)], "rep")
    assert middle == pytest.approx(0.3)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.1 * math.sqrt(2), rel=0.05)
    assert paired.music_against([row(0.5)], [row(0.2)], "beta") is None
    assert paired.change((-0.1234, -0.2, 0.01), 2) == "−0.12 [−0.20, +0.01]"
