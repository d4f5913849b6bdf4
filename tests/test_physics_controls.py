"""The negative controls of the study of physics: biased, so that the bias can be measured."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picogen_core import LossBatch
from picogen_core.plugins.registry import Registry
from picogen_core.testing import loss_checks
from picogen_core.testing.samples import sample_batch
from picogen_metrics.physics_loss import PhysicsAwareLoss
from picogen_metrics.physics_options import PhysicsOptions

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "studies"))
import physics_controls
from physics_controls import ControlOptions, PhysicsControl, legacy

sys.path.pop(0)
SPEC = Registry.from_modules({"studies": physics_controls}).get("loss", "physics-control").spec

torch.set_num_threads(1)


@loss_checks(SPEC, options={"mode": "expected"})
def test_the_kit_with_expected(check: Any) -> None:
    check()


def control(mode: Any) -> PhysicsControl:
    return PhysicsControl(ControlOptions(mode=mode))


@pytest.mark.parametrize("mode", ["expected", "straight-through", "legacy"])
def test_controls_pull_a_perfect_student_away(mode: str) -> None:
    """The student is its teacher, and the gradient is not zero; teacher-matched has none."""
    batch = agreeing(sample_batch())
    torch.manual_seed(0)
    (found,) = torch.autograd.grad(control(mode)(batch).value, batch.student_logits)
    assert found.abs().max() > 1e-5
    right = PhysicsAwareLoss(PhysicsOptions())(batch)
    (none,) = torch.autograd.grad(right.value, batch.student_logits)
    assert none.abs().max() < 1e-7


def agreeing(batch: LossBatch) -> LossBatch:
    assert batch.teacher_logits is not None
    logits = batch.teacher_logits.clone().requires_grad_()
    return replace(batch, student_logits=logits, teacher_logits=batch.teacher_logits)


def test_what_the_student_wrote_is_no_target() -> None:
    batch = replace(agreeing(sample_batch()), sampled=True)
    for mode in ("expected", "straight-through", "legacy"):
        assert control(mode)(batch).value.item() == 0


def test_legacy_is_the_first_formula() -> None:
    batch = replace(sample_batch(), teacher_logits=None)
    result = legacy(batch)
    leaps, entropies = [], []
    for row in range(3):
        logits = batch.student_logits[batch.row == row][batch.valid[batch.row == row]]
        p = logits.double().softmax(-1).numpy()
        leaps += list(np.abs(np.diff(p @ np.arange(128))))
        entropies += list(-(p * np.log(p)).sum(-1))
    smoothness, entropy = np.log(np.maximum(leaps, 1)).mean(), np.mean(entropies)
    assert result.parts["smoothness"] == pytest.approx(smoothness, rel=1e-4)
    assert result.value.item() == pytest.approx(0.5 * abs(smoothness - 2.5) - 0.1 * entropy)
