"""Rewards for freely written music."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from picogen_core import ConfigError, Feedback
from picogen_core.plugins.registry import registry
from picogen_core.testing.samples import sample_batch, sample_pieces
from picogen_metrics.physics_feedback import (
    BINS,
    FEATURES,
    PhysicsFeedback,
    features,
    mean_and_spread,
    rewards,
    slope,
)
from picogen_metrics.physics_loss import PhysicsAwareLoss
from picogen_metrics.physics_options import PhysicsOptions

torch.set_num_threads(1)
RNG = np.random.default_rng


def distance(mean: np.ndarray, target: np.ndarray, spread: np.ndarray) -> float:
    return float((((mean - target) / spread) ** 2).sum())


def test_the_slope_is_the_gradient_of_the_distance() -> None:
    mean, target = RNG(0).normal(size=(2, FEATURES))
    spread = RNG(1).uniform(0.1, 2, FEATURES)
    got = slope(mean, target, spread)
    for k in range(FEATURES):
        step = np.zeros(FEATURES)
        step[k] = 1e-5
        up, down = (distance(mean + sign * step, target, spread) for sign in (1, -1))
        assert got[k] == pytest.approx((up - down) / 2e-5, rel=1e-6)


def test_the_reward_is_minus_the_slope_at_the_others_along_the_piece() -> None:
    """How much the distance falls if a piece's kind is written more often, by differences."""
    phi, target = RNG(0).normal(size=(5, FEATURES)), RNG(1).normal(size=FEATURES)
    spread = RNG(2).uniform(0.5, 2, FEATURES)
    got = rewards(phi, target, spread)
    for i in range(5):
        others = np.delete(phi, i, axis=0).mean(axis=0)
        along = 1e-6 * (phi[i] - target)
        up, down = (distance(others + sign * along, target, spread) for sign in (1, -1))
        assert got[i] == pytest.approx(-(up - down) / 2e-6, rel=1e-5)


def test_missing_features_and_pieces_without_any() -> None:
    phi, target, spread = RNG(0).normal(size=(4, 3)), np.zeros(3), np.ones(3)
    phi[1], phi[2, 0] = np.nan, np.nan
    got = rewards(phi, target, spread)
    assert np.isnan(got[1]) and np.isfinite(got[[0, 2, 3]]).all()
    assert got[2] == pytest.approx(-2 * (phi[[0, 3], 1:].mean(0) @ phi[2, 1:]))
    assert np.isnan(rewards(np.full((3, 3), np.nan), target, spread)).all()
    mean, spread = mean_and_spread(phi)
    assert mean[0] == pytest.approx(phi[[0, 3], 0].mean())
    assert spread[2] == pytest.approx(phi[[0, 2, 3], 2].std())


def test_reinforce_estimates_the_gradient_on_a_policy_that_can_be_enumerated() -> None:
    """Four pieces, four logits: the mean of many estimates against the exact gradient."""
    phi = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, -1.0], [0.5, 2.0]])
    target, spread = np.array([0.3, 1.2]), np.array([0.7, 1.5])
    logits = torch.tensor([0.5, -0.2, 0.3, 0.0], dtype=torch.float64, requires_grad=True)
    expected = logits.softmax(0) @ torch.from_numpy(phi)
    loss = ((expected - torch.from_numpy(target)) / torch.from_numpy(spread)).square().sum()
    (exact,) = torch.autograd.grad(loss, logits)
    p = logits.softmax(0).detach().numpy()
    draws = RNG(0).choice(4, size=(20_000, 4), p=p)
    found = []
    for pieces in draws:
        score = np.eye(4)[pieces] - p  # gradient of ln p of each piece
        found.append(-(rewards(phi[pieces], target, spread)[:, None] * score).mean(axis=0))
    error = np.std(found, axis=0) / math.sqrt(len(found))
    assert np.abs(np.mean(found, axis=0) - exact.numpy()).max() < 4 * error.max()
    assert np.abs(exact.numpy()).max() > 20 * error.max()
    # With the piece in the mean that its reward uses, the estimate is another one.
    with_itself = []
    for pieces in draws:
        at = slope(phi[pieces].mean(axis=0), target, spread)
        score = np.eye(4)[pieces] - p
        with_itself.append(((phi[pieces] - target) @ at[:, None] * score).mean(axis=0))
    assert np.abs(np.mean(with_itself, axis=0) - exact.numpy()).max() > 10 * error.max()


def test_features_are_power_and_interval_sizes() -> None:
    text = "L:1/8\nM:4/4\nK:C\nV:1 treble\n" + "[V:1]CDEC GCEC|\n" * 8
    found = features(text)
    assert found[BINS:].sum() == pytest.approx(1)
    pairs = "CDECGCEC" * 8
    pitch = {"C": 0, "D": 2, "E": 4, "G": 7}
    sizes = [abs(pitch[a] - pitch[b]) for a, b in itertools.pairwise(pairs)]
    np.testing.assert_allclose(found[BINS:], np.bincount(sizes, minlength=13) / len(sizes))
    series = np.array([pitch[letter] for letter in pairs], float)
    power = np.abs(np.fft.fft((series - series.mean()) / series.std())) ** 2 / 64
    edges = np.geomspace(1 / 64, 1 / 2, 11)
    last = [k for k in range(1, 32) if edges[-2] <= k / 64]
    assert found[BINS - 1] == pytest.approx(np.log(power[last].mean() + 1e-6))
    assert np.isnan(features("")).all() and np.isnan(features("K:C\nCDEF|")).all()
    assert np.isnan(features("\x03[[V:|||\n)K:")).all()


def test_the_target_is_the_training_music_and_pieces_of_it_are_near() -> None:
    feedback = PhysicsFeedback(PhysicsOptions(mode="feedback"))
    assert isinstance(feedback, Feedback) and not isinstance(
        PhysicsAwareLoss(PhysicsOptions()), Feedback
    )
    train, other = (sample_pieces(40, seed=seed) for seed in (0, 1))
    assert "40 training pieces" in feedback.prepare(piece.text for piece in train)
    phi = np.array([feedback.features(piece.text) for piece in other])
    near = feedback.parts(phi)["gap"]
    assert near < 0.2
    shrill = phi.copy()
    shrill[:, BINS - 1] += 3.0  # more power at the highest frequencies
    assert feedback.parts(shrill)["gap"] > 5 * near
    mixed = np.concatenate([shrill[:20], phi[20:]])
    reward = feedback.rewards(mixed)
    assert reward[20:].mean() > reward[:20].mean() + 1
    assert feedback.parts(np.full((2, FEATURES), np.nan)) == {}


def test_the_mode_chooses_the_class() -> None:
    entry = registry().get("loss", "physics")
    kinds = {
        mode: type(entry.build({"mode": mode})).__name__
        for mode in ("auto", "teacher-matched", "conditional", "feedback")
    }
    assert list(kinds.values()) == [*["PhysicsAwareLoss"] * 3, "PhysicsFeedback"]


@pytest.mark.parametrize("mode", ["expected", "straight-through", "legacy"])
def test_a_control_of_the_study_is_refused_in_one_line(mode: str) -> None:
    with pytest.raises(ConfigError) as refused:
        registry().get("loss", "physics").build({"mode": mode})
    assert "\n" not in str(refused.value)
    assert f"mode='{mode}'" in str(refused.value) and "'conditional' or 'feedback'" in str(
        refused.value
    )


def test_what_the_student_wrote_is_no_target_without_a_teacher() -> None:
    batch = replace(sample_batch(), teacher_logits=None, sampled=True)
    assert PhysicsAwareLoss(PhysicsOptions(mode="conditional"))(batch).value.item() == 0
    torch.manual_seed(1)
    other = replace(batch, teacher_logits=torch.randn_like(batch.student_logits))
    assert PhysicsAwareLoss(PhysicsOptions())(other).value.item() > 0
