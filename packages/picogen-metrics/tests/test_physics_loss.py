"""The physics-aware loss: zero for a right model, the right direction, and a plain reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from picogen_core import ConfigError, LossBatch, LossValue, NoteIndex
from picogen_core.abc.reading.notes import read_notes
from picogen_core.testing import loss_checks
from picogen_metrics.physics_loss import LETTERS, PhysicsAwareLoss, log_psd
from picogen_metrics.physics_options import PhysicsOptions
from torch import Tensor

torch.set_num_threads(1)
P, V = 16, 128
LOSS = PhysicsAwareLoss(PhysicsOptions())
CONDITIONAL = PhysicsAwareLoss(PhysicsOptions(mode="conditional"))

# Two rows: 48 notes in one voice; then 40 in voice 1 beside 10 in voice 2, some with octave marks.
TUNES = (
    "K:C\n" + "CEGc edcB AFDE|" * 4,
    "K:C\n" + "[V:1]ccGA Bcde|[V:2]C,2E2|\n" * 5,
)


def index_of(tunes: Sequence[str]) -> tuple[list[list[int]], int]:
    """(position, row, voice, step, octave) of each note in text order, and the patches used."""
    found: list[list[int]] = []
    first = 0
    for row, tune in enumerate(tunes):
        for voice, notes in enumerate(read_notes(tune).values()):
            sounding = [note for note in notes if note.pitch is not None]
            found += [[first * P + n.start, row, voice, n.step, n.octave] for n in sounding]
        first += -(-len(tune) // P)
    return sorted(found), first


def make_batch(tunes: Sequence[str] = TUNES, scale: float = 1.0, seed: int = 0) -> LossBatch:
    notes, patches = index_of(tunes)
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(2, patches, P, V, generator=generator)
    columns = torch.tensor(notes, dtype=torch.long).reshape(-1, 5).unbind(dim=1)
    return LossBatch(
        student_logits=logits[0].requires_grad_(),
        student_hidden=torch.zeros(patches, 8),
        characters=torch.zeros(patches, P, dtype=torch.long),
        valid=torch.ones(patches, P, dtype=torch.bool),
        row=torch.zeros(patches, dtype=torch.long),
        patch=torch.arange(patches),
        notes=NoteIndex(*columns[:4], columns[4].bool()),
        teacher_logits=logits[1],
    )


def gradient(loss: PhysicsAwareLoss, batch: LossBatch) -> Tensor:
    (found,) = torch.autograd.grad(loss(batch).value, batch.student_logits)
    return found


def at_notes(batch: LossBatch, tensor: Tensor) -> Tensor:
    codes = torch.tensor([ord(letter) for letter in LETTERS])
    return tensor.reshape(-1, V)[batch.notes.position][:, codes]


@loss_checks("physics", options={"mode": "conditional"})
def test_the_kit_without_a_teacher(check: Any) -> None:
    check()


@loss_checks("physics")
def test_the_kit_in_mode_auto(check: Any) -> None:
    check()


def plain_reference(batch: LossBatch) -> tuple[float, float]:
    """The two terms series by series in numpy, as the definition says."""
    notes = {
        name: getattr(batch.notes, name).numpy() for name in ("row", "voice", "step", "octave")
    }
    assert batch.teacher_logits is not None
    models = []
    for logits in (batch.student_logits.detach(), batch.teacher_logits):
        chosen = at_notes(batch, logits).double().numpy()
        models.append(np.exp(chosen) / np.exp(chosen).sum(axis=1, keepdims=True))
    differences: list[float] = []
    histograms = np.zeros((2, 25))
    edges = np.geomspace(1 / 48, 1 / 2, 9)
    for series in sorted({*zip(notes["row"], notes["voice"], strict=True)}):
        members = [
            i for i in range(len(notes["row"])) if (notes["row"][i], notes["voice"][i]) == series
        ]
        profiles = []
        for model, p in enumerate(models):
            x = np.array(
                [
                    notes["step"][i] if notes["octave"][i] else p[i] @ np.arange(28, 42)
                    for i in members
                ]
            )
            for before, i in pairwise(members):
                if not notes["octave"][i]:
                    for letter in range(14):
                        step = np.clip(28 + letter - notes["step"][before], -12, 12)
                        histograms[model, step + 12] += p[i, letter]
            z = (x - x.mean()) / np.sqrt(x.var() + 1e-4)
            power, bins = np.abs(np.fft.fft(z)) ** 2 / len(x), []
            for low, high in pairwise(edges):
                k = [k for k in range(1, (len(x) - 1) // 2 + 1) if low <= k / len(x) < high]
                bins += [np.log(power[k].mean() + 1e-6)] if k else []
            profiles.append(np.array(bins))
        if len(members) >= 32:
            differences += list((profiles[0] - profiles[1]) ** 2)
    student, teacher = (histograms / histograms.sum(axis=1, keepdims=True) + 1e-3) / 1.025
    return float(np.mean(differences)), float(np.sum(teacher * np.log(teacher / student)))


def test_it_equals_the_plain_reference() -> None:
    batch = make_batch(scale=2.0)
    result, (psd, interval) = LOSS(batch), plain_reference(batch)
    assert psd > 0.1 and interval > 0.005
    assert result.parts["psd"] == pytest.approx(psd, rel=1e-4)
    assert result.parts["interval"] == pytest.approx(interval, rel=1e-4)
    assert result.value.item() == pytest.approx(0.3 * psd + 3 * interval, rel=1e-4)
    assert (result.parts["notes"], result.parts["series"]) == (98, 2)


def test_it_is_zero_where_student_and_teacher_agree() -> None:
    batch = make_batch()
    agreeing = replace(batch, teacher_logits=batch.student_logits.detach())
    assert LOSS(agreeing).value.item() == pytest.approx(0, abs=1e-9)
    assert gradient(LOSS, agreeing).abs().max() < 1e-6
    assert LOSS(batch).value.item() > 0.05


@pytest.mark.parametrize("scale", [1.0, 0.02])
@pytest.mark.parametrize("loss", [LOSS, CONDITIONAL])
def test_an_untrained_student_gets_a_bounded_gradient(loss: PhysicsAwareLoss, scale: float) -> None:
    batch = make_batch(scale=scale)
    assert batch.teacher_logits is not None
    batch = replace(batch, teacher_logits=batch.teacher_logits / scale)
    found = gradient(loss, batch)
    assert found.isfinite().all() and 1e-4 < found.norm() < 100


@pytest.mark.parametrize("loss", [LOSS, CONDITIONAL])
def test_following_the_gradient_lowers_the_loss(loss: PhysicsAwareLoss) -> None:
    batch = make_batch()
    start = loss(batch).value.item()
    for _ in range(60):
        logits = batch.student_logits - 2.0 * gradient(loss, batch)
        batch = replace(batch, student_logits=logits.detach().requires_grad_())
    assert loss(batch).value.item() < 0.5 * start


def test_the_interval_term_moves_probability_to_the_interval_that_is_missing() -> None:
    """The music only steps up; a student that knows nothing must raise the next letter."""
    batch = make_batch(["K:C\n" + "CDEFGABcdefgab" * 3])
    batch = replace(batch, student_logits=torch.zeros_like(batch.student_logits).requires_grad_())
    found = at_notes(batch, gradient(CONDITIONAL, batch))
    for i in range(1, 14):
        assert found[i].argmin() == i  # note i is letter i: the most negative gradient


def test_only_letters_at_notes_get_a_gradient() -> None:
    batch = make_batch()
    found = gradient(LOSS, batch).reshape(-1, V)
    inside = torch.zeros_like(found, dtype=torch.bool)
    codes = torch.tensor([ord(letter) for letter in LETTERS])
    inside[batch.notes.position[:, None], codes] = True
    assert found[inside].any() and not found[~inside].any()


@pytest.mark.parametrize("loss", [LOSS, CONDITIONAL])
def test_octave_marks_get_no_gradient(loss: PhysicsAwareLoss) -> None:
    batch = make_batch()
    assert batch.notes.octave.sum() == 5
    found = at_notes(batch, gradient(loss, batch))
    assert not found[batch.notes.octave].any()
    assert found[~batch.notes.octave].any(dim=1).sum() > 80


def test_an_octave_mark_gives_its_true_step_to_the_next_interval() -> None:
    """After `C,` (step 21) the letter `C` is a seventh up, bin 7."""
    logits = torch.full((1, P, V), -50.0)
    logits[..., ord("C")] = 50
    notes = NoteIndex(
        torch.tensor([0, 3]), torch.zeros(2, dtype=torch.long), torch.zeros(2, dtype=torch.long),
        torch.tensor([21, 28]), torch.tensor([True, False]),
    )  # fmt: skip
    batch = replace(
        make_batch(["K:C\nC,C"]), student_logits=logits, teacher_logits=logits, notes=notes,
        valid=torch.ones(1, P, dtype=torch.bool),
    )  # fmt: skip
    assert CONDITIONAL(batch).parts["interval"] == pytest.approx(0, abs=1e-6)
    wrong = replace(batch, notes=replace(notes, step=torch.tensor([22, 28])))
    wrong = replace(wrong, teacher_logits=None)
    assert CONDITIONAL(wrong).parts["interval"] == pytest.approx(0, abs=1e-6)
    logits = logits.roll(1, dims=-1)  # the student says D where C stands
    assert CONDITIONAL(replace(batch, student_logits=logits)).parts["interval"] > 5


def test_padding_and_the_order_of_rows_do_not_matter() -> None:
    batch, swapped = make_batch(), make_batch(TUNES[::-1])
    first = -(-len(TUNES[0]) // P)
    assert batch.teacher_logits is not None
    moved = replace(
        swapped,
        student_logits=torch.cat([batch.student_logits[first:], batch.student_logits[:first]]),
        teacher_logits=torch.cat([batch.teacher_logits[first:], batch.teacher_logits[:first]]),
    )
    expected = LOSS(batch).value
    torch.testing.assert_close(LOSS(moved).value, expected)
    valid = torch.ones_like(batch.valid)
    valid[-1] = False
    cut = replace(batch, valid=valid)
    noise = torch.where(valid[..., None], batch.student_logits, 1e4)
    torch.testing.assert_close(LOSS(replace(cut, student_logits=noise)).value, LOSS(cut).value)
    assert LOSS(cut).parts["notes"] < LOSS(batch).parts["notes"]


def test_a_batch_without_notes_is_exactly_zero_and_says_so() -> None:
    nothing = LOSS(make_batch(["K:C\nz8|"]))
    assert isinstance(nothing, LossValue)
    assert nothing.value.item() == 0 and nothing.parts == {"notes": 0, "series": 0}
    single = LOSS(make_batch(["K:C\nC8|"]))
    assert single.value.item() == 0 and single.parts == {"notes": 1, "series": 0}


def test_short_voices_give_no_spectrum() -> None:
    short = LOSS(make_batch(["K:C\n" + "CDEFGABc" * 3 + "CDEFGAB"]))
    assert "psd" not in short.parts and short.parts["series"] == 0 and short.parts["interval"] > 0
    assert "psd" in LOSS(make_batch(["K:C\n" + "CDEFGABc" * 4])).parts
    lenient = PhysicsAwareLoss(PhysicsOptions(min_notes=24))
    assert lenient(make_batch(["K:C\n" + "CDEFGABc" * 3])).parts["series"] == 1


def test_empty_bins_are_left_out() -> None:
    x = torch.randn(2, 32 + 96, generator=torch.Generator().manual_seed(0))
    assert log_psd(x[:, :32], [32]).shape == (2, 7)  # 1/32 is above the first bin
    assert log_psd(x, [32, 96]).shape == (2, 7 + 8)
    assert log_psd(torch.ones(2, 32), [32]).exp() == pytest.approx(1e-6, rel=1e-3)


def test_modes() -> None:
    batch = make_batch()
    alone = replace(batch, teacher_logits=None)
    matched = PhysicsAwareLoss(PhysicsOptions(mode="teacher-matched"))
    assert matched(batch).value == LOSS(batch).value
    assert CONDITIONAL(batch).value == LOSS(alone).value == CONDITIONAL(alone).value
    assert "psd" not in LOSS(alone).parts
    with pytest.raises(ConfigError, match="needs a teacher"):
        matched(alone)


def test_weights_scale_their_terms() -> None:
    batch = make_batch()
    parts = LOSS(batch).parts
    for psd, interval in ((1.0, 0.0), (0.0, 2.0)):
        value = PhysicsAwareLoss(PhysicsOptions(psd=psd, interval=interval))(batch).value.item()
        expected = psd * parts["psd"] + interval * parts["interval"]
        assert value == pytest.approx(expected, rel=1e-5)


def test_half_precision_logits_are_read_in_full() -> None:
    batch = make_batch()
    assert batch.teacher_logits is not None
    half = replace(
        batch,
        student_logits=batch.student_logits.bfloat16(),
        teacher_logits=batch.teacher_logits.bfloat16(),
    )
    assert LOSS(half).value.dtype == torch.float32
    assert LOSS(half).value.item() == pytest.approx(LOSS(batch).value.item(), rel=0.1)
