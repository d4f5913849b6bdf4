"""The properties of a loss.

Glossary: N patches, P = 16 characters of a patch, V = 128 codes, D width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from picogen_core.plugins.protocols import LossBatch, LossValue
from picogen_core.plugins.registry import Entry
from picogen_core.testing.configs import CONFIG_CHECKS
from picogen_core.testing.kit import Check
from picogen_core.testing.modules import assert_changed, assert_same, module_check
from picogen_core.testing.samples import (
    reorder_rows,
    sample_batch,
    scramble_padding,
    without_notes,
)

CERTAIN = 1e3
"""Factor on logits that makes a distribution one-hot in float32."""


@dataclass(frozen=True)
class LossSubject:
    """A loss and its options."""

    entry: Entry[Any]
    options: Mapping[str, Any]
    device: str

    def build(self) -> Any:
        loss = self.entry.build(self.options)
        return loss.to(self.device) if isinstance(loss, torch.nn.Module) else loss

    def batches(self) -> list[LossBatch]:
        """Return a batch with a teacher and, without `needs_teacher`, one without."""
        batch = sample_batch(self.device)
        return [batch] if self.entry.spec.needs_teacher else [batch, _without_teacher(batch)]


def _without_teacher(batch: LossBatch) -> LossBatch:
    return replace(batch, teacher_logits=None, teacher_hidden=None)


def _value(loss: Any, batch: LossBatch) -> Tensor:
    result = loss(batch)
    assert isinstance(result, LossValue), f"returned a {type(result).__name__}, no LossValue"
    return result.value


def _gradients(loss: Any, batch: LossBatch) -> tuple[Tensor, list[Tensor]]:
    """Return the value, and its gradients with respect to student logits and hidden states."""
    logits = batch.student_logits.clone().requires_grad_()
    hidden = batch.student_hidden.clone().requires_grad_()
    value = _value(loss, replace(batch, student_logits=logits, student_hidden=hidden))
    if not value.requires_grad:
        return value, []
    found = torch.autograd.grad(value, [logits, hidden], allow_unused=True)
    return value, [gradient for gradient in found if gradient is not None]


@module_check
def is_a_finite_scalar(subject: LossSubject) -> None:
    """The value is one finite number, the parts are named numbers for the log."""
    for batch in subject.batches():
        result = subject.build()(batch)
        assert isinstance(result, LossValue), f"returned a {type(result).__name__}, no LossValue"
        assert result.value.shape == (), f"the value has shape {tuple(result.value.shape)}"
        assert result.value.isfinite(), f"the value is {result.value.item()}"
        for name, part in result.parts.items():
            assert isinstance(name, str) and name, f"a part is called {name!r}"
            assert isinstance(part, float), f"part {name!r} is a {type(part).__name__}, not a float"
            assert math.isfinite(part), f"part {name!r} is {part}"


@module_check
def reaches_the_student(subject: LossSubject) -> None:
    """Its gradient with respect to the student's logits or hidden states is finite, not zero."""
    for batch in subject.batches():
        _, gradients = _gradients(subject.build(), batch)
        assert any(gradient.any() for gradient in gradients), "no gradient reaches the student"
        assert all(gradient.isfinite().all() for gradient in gradients), "a gradient is not finite"


@module_check
def stays_finite_when_certain(subject: LossSubject) -> None:
    """Logits so large that probabilities are 0 and 1 give a finite value and finite gradients."""
    for batch in subject.batches():
        teacher = None if batch.teacher_logits is None else CERTAIN * batch.teacher_logits
        student = CERTAIN * batch.student_logits
        certain = replace(batch, student_logits=student, teacher_logits=teacher)
        value, gradients = _gradients(subject.build(), certain)
        assert value.isfinite(), f"the value is {value.item()}"
        assert all(gradient.isfinite().all() for gradient in gradients), "a gradient is not finite"


@module_check
def is_deterministic(subject: LossSubject) -> None:
    """The same batch gives the same value."""
    loss = subject.build()
    for batch in subject.batches():
        first, second = _value(loss, batch), _value(loss, batch)
        assert torch.equal(first, second), f"the value was {first.item()}, then {second.item()}"


@module_check
def ignores_the_order_of_rows(subject: LossSubject) -> None:
    """The rows of a batch in another order give the same value."""
    loss = subject.build()
    for batch in subject.batches():
        expected = _value(loss, batch)
        for order in ((2, 0, 1), (1, 0, 2)):
            reordered = _value(loss, reorder_rows(batch, order))
            assert_same(reordered, expected, f"the value with rows in order {order}")


@module_check
def ignores_padding(subject: LossSubject) -> None:
    """Characters and logits where `valid` is False have no effect."""
    loss = subject.build()
    for batch in subject.batches():
        scrambled = _value(loss, scramble_padding(batch))
        assert_same(scrambled, _value(loss, batch), "the value with other padding")


@module_check
def says_whether_it_needs_a_teacher(subject: LossSubject) -> None:
    """With `needs_teacher` the value depends on the teacher; else the loss works without one."""
    loss = subject.build()
    batch, other = sample_batch(subject.device), sample_batch(subject.device, seed=1)
    if subject.entry.spec.needs_teacher:
        swapped = replace(
            batch, teacher_logits=other.teacher_logits, teacher_hidden=other.teacher_hidden
        )
        what = "needs_teacher is True, and the value ignores the teacher"
        assert_changed(_value(loss, swapped), _value(loss, batch), what)
        return
    try:
        loss(_without_teacher(batch))
    except Exception as error:
        raise AssertionError(f"needs_teacher is False, yet without one: {error!r}") from error


@module_check
def takes_a_batch_without_notes(subject: LossSubject) -> None:
    """A batch of headers and rests alone gives a finite value."""
    for batch in subject.batches():
        value = _value(subject.build(), without_notes(batch))
        assert value.shape == () and value.isfinite(), f"without notes the value is {value}"


CHECKS: Sequence[Check] = (
    is_a_finite_scalar,
    reaches_the_student,
    stays_finite_when_certain,
    is_deterministic,
    ignores_the_order_of_rows,
    ignores_padding,
    says_whether_it_needs_a_teacher,
    takes_a_batch_without_notes,
    *CONFIG_CHECKS,
)
