"""The kit passes right losses, and each check fails a loss that is wrong in that way."""

import itertools

import pytest
import torch
from picogen_core import LossSpec, LossValue, Options
from picogen_core.testing import loss_checks
from picogen_core.testing.kit import resolve
from picogen_core.testing.losses import CHECKS, LossSubject
from picogen_core.testing.samples import P, reorder_rows, sample_batch
from torch.nn import functional


class NoOptions(Options):
    pass


def distance(batch):
    """KL(teacher ‖ student), nat per valid character."""
    student = batch.student_logits.log_softmax(-1)
    teacher = batch.teacher_logits.log_softmax(-1)
    divergence = (teacher.exp() * (teacher - student)).sum(-1)[batch.valid].mean()
    return LossValue(divergence, {"kl": divergence.item()})


def smoothness(batch):
    """How far apart the model expects neighbouring notes of a row to be; needs no teacher."""
    letters = batch.student_logits.flatten(0, 1)[batch.notes.position][:, ord("A") : ord("H")]
    expected = letters.softmax(-1) @ torch.arange(7.0, device=letters.device)
    same = (batch.notes.row[1:] == batch.notes.row[:-1]).float()
    leaps = (expected.diff().square() * same).sum() / same.sum().clamp(min=1)
    return LossValue(leaps, {"leaps": leaps.item()})


def spec(loss, needs_teacher=False):
    return LossSpec(
        name="sample",
        summary="A.",
        config=lambda: NoOptions,
        build=lambda config: loss,
        reads={"teacher_logits", "teacher_hidden"},
        needs_teacher=needs_teacher,
    )


@loss_checks(spec(distance, needs_teacher=True))
def test_right_with_a_teacher(check):
    check()


@loss_checks(spec(smoothness))
def test_right_without_a_teacher(check):
    check()


def entropy(batch):
    return -(batch.student_logits.softmax(-1) * batch.student_logits.log_softmax(-1)).sum(-1)


def changed(function):
    """A wrong loss: `smoothness` with its value put through `function(value, batch)`."""
    return lambda batch: LossValue(function(smoothness(batch).value, batch))


counter = itertools.count()

WRONG = [
    ("is_a_finite_scalar", changed(lambda value, batch: value[None]), False, "has shape"),
    ("is_a_finite_scalar", changed(lambda value, batch: value / 0), False, "the value is"),
    (
        "is_a_finite_scalar",
        lambda batch: LossValue(smoothness(batch).value, {"leaps": torch.ones(())}),
        False,
        "is a Tensor, not a float",
    ),
    ("is_a_finite_scalar", lambda batch: smoothness(batch).value, False, "no LossValue"),
    ("reaches_the_student", changed(lambda value, batch: value.detach()), False, "no gradient"),
    (
        "stays_finite_when_certain",
        changed(
            lambda value, batch: functional.nll_loss(
                batch.student_logits.softmax(-1)[batch.valid].log(), batch.characters[batch.valid]
            )
        ),
        False,
        "the value is",
    ),
    (
        "stays_finite_when_certain",
        changed(lambda value, batch: (value * 0 + batch.student_logits.softmax(-1).min()).sqrt()),
        False,
        "a gradient is not finite",
    ),
    ("is_deterministic", changed(lambda value, batch: value + next(counter)), False, "then"),
    (
        "ignores_the_order_of_rows",
        changed(lambda value, batch: value + batch.student_logits[0].square().mean()),
        False,
        "with rows in order",
    ),
    (
        "ignores_padding",
        changed(lambda value, batch: value + entropy(batch).mean()),
        False,
        "with other padding",
    ),
    (
        "ignores_padding",
        changed(lambda value, batch: value + (batch.characters == ord("G")).float().mean()),
        False,
        "with other padding",
    ),
    ("says_whether_it_needs_a_teacher", smoothness, True, "ignores the teacher"),
    (
        "says_whether_it_needs_a_teacher",
        distance,
        False,
        "needs_teacher is False, yet without one: AttributeError",
    ),
    (
        "takes_a_batch_without_notes",
        changed(lambda value, batch: value / len(batch.notes.row)),
        False,
        "without notes the value is",
    ),
]


def run(name, loss, needs_teacher):
    subject = LossSubject(resolve("loss", spec(loss, needs_teacher)), {}, "cpu")
    next(check for check in CHECKS if check.__name__ == name)(subject)


@pytest.mark.parametrize(("name", "wrong", "needs_teacher", "reason"), WRONG)
def test_wrong(name, wrong, needs_teacher, reason):
    with pytest.raises(AssertionError, match=reason):
        run(name, wrong, needs_teacher)


def test_every_check_of_losses_is_proven():
    shared = {"config_round_trips", "config_forbids_unknown_keys"}  # see the backbones' tests
    assert {name for name, *_ in WRONG} | shared == {check.__name__ for check in CHECKS}


def letters_of_notes(batch):
    return [chr(code) for code in batch.characters.flatten()[batch.notes.position]]


def test_the_sample_batch_indexes_its_notes():
    batch = sample_batch()
    letters = letters_of_notes(batch)
    assert len(letters) > 30
    for letter, step in zip(letters, batch.notes.step.tolist(), strict=True):
        assert "CDEFGAB"[step % 7] == letter.upper()
        assert letter.islower() == (step >= 35)
    assert batch.valid.flatten()[batch.notes.position].all()
    following = batch.characters.flatten()[batch.notes.position + 1]
    marked = (following == ord("'")) | (following == ord(","))
    assert torch.equal(marked, batch.notes.octave)
    assert torch.equal(batch.row[batch.notes.position // P], batch.notes.row)
    assert not batch.valid.all()


def test_reordered_rows_are_the_same_music():
    batch = sample_batch()
    moved = reorder_rows(batch, (2, 0, 1))
    of_row = batch.notes.step[batch.notes.row == 2]
    assert torch.equal(moved.notes.step[: len(of_row)], of_row)
    assert torch.equal(moved.characters[:4], batch.characters[8:])
    assert moved.row.tolist() == batch.row.tolist()
    assert [x.lower() for x in letters_of_notes(moved)] == [
        "cdefgab"[step % 7] for step in moved.notes.step.tolist()
    ]
