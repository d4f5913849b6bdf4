"""Negative controls of the physics loss. Each is biased: it pulls a perfect model away from music.

    python studies/physics_controls.py distill … --set loss.physics-control.mode=legacy

is `picogen distill …` with them as the loss `physics-control`. They are here so that the bias can
be shown and measured, not to be used. `expected` and
`straight-through` pull a statistic of teacher-forced predictions to the music's value, and
predictions given the true past are smoother (or rougher) than the music. `legacy` is the loss of
the first PiCo-Gen: its "pitch" is the ASCII code and its 2.5 has no source.

Glossary: M notes, L = 14 letters, N characters that count, V = 128 codes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float, Int
from picogen_core import LossBatch, LossSpec, LossValue, Options, hookimpl
from picogen_core.plugins.registry import registry
from picogen_metrics.physics_loss import (
    FIRST_STEP,
    Notes,
    expected_steps,
    letter_probabilities,
    log_psd,
    sort_notes,
)
from pydantic import Field
from torch import Tensor

NAME = "physics-control"
LEAP_FLOOR = 1e-3
TARGET, SMOOTHNESS, ENTROPY = 2.5, 0.5, 0.1


class ControlOptions(Options):
    """Weights as those of the loss `physics`."""

    mode: Literal["expected", "straight-through", "legacy"] = Field(
        "expected", description="Which statistic is pulled, and to what."
    )
    psd: float = Field(0.3, ge=0, description="Weight of the spectrum.")
    interval: float = Field(3.0, ge=0, description="Weight of the mean interval.")
    min_notes: int = Field(32, ge=8, description="A shorter voice gives no spectrum.")


class PhysicsControl:
    """Modes `expected`, `straight-through` and `legacy`; 0 for text sampled from the student.

    The first two: `psd` × mean square difference of log power + `interval` × square of ln(mean
    |interval| / that of the music). They use the expected melody, or one sampled given the true
    past, with the gradient of the expected one (Bengio et al. 2013). Parts as theirs.
    """

    def __init__(self, options: ControlOptions) -> None:
        self.options = options

    def __call__(self, batch: LossBatch) -> LossValue:
        nothing = LossValue(batch.student_logits.sum() * 0.0)
        if batch.sampled:
            return nothing
        if self.options.mode == "legacy":
            return legacy(batch)
        notes = sort_notes(batch)
        if not notes.follows.any():
            return nothing
        probabilities = letter_probabilities(batch.student_logits, notes.position)
        melody = expected_steps(probabilities, notes.step, notes.octave)
        if self.options.mode == "straight-through":
            melody = _drawn(probabilities, notes) + melody - melody.detach()
        music = notes.step.float()
        ratio = (_mean_leap(melody, notes) / _mean_leap(music, notes)).log().square()
        value, parts = self.options.interval * ratio, {"interval": ratio.item()}
        long = [length for length in notes.lengths if length >= self.options.min_notes]
        if long:
            both = torch.stack([melody, music])[:, len(music) - sum(long) :]
            found, wanted = log_psd(both, long)
            psd = (found - wanted).square().mean()
            value, parts = value + self.options.psd * psd, parts | {"psd": psd.item()}
        return LossValue(value, parts)


def _drawn(probabilities: Float[Tensor, "M L"], notes: Notes) -> Float[Tensor, " M"]:
    letters = torch.multinomial(probabilities.detach(), 1)[:, 0] + FIRST_STEP
    return torch.where(notes.octave, notes.step, letters).float()


def _mean_leap(melody: Float[Tensor, " M"], notes: Notes) -> Float[Tensor, ""]:
    leaps = (melody - melody.roll(1)).abs()
    return leaps[notes.follows].mean() + LEAP_FLOOR


def legacy(batch: LossBatch) -> LossValue:
    """Return 0.5 · |s − 2.5| − 0.1 · entropy; with a teacher 0.5 · (s − the teacher's s)².

    s = mean ln max(1, |difference of expected codes|) over successive characters.
    """
    row = batch.row[:, None].expand_as(batch.valid)[batch.valid]
    logs = batch.student_log_probabilities
    smoothness = _smoothness(logs, row)
    entropy = -(logs.exp() * logs).sum(-1).mean()
    if batch.teacher_logits is None:
        distance = (smoothness - TARGET).abs()
    else:
        teacher = batch.teacher_logits[batch.valid].float().log_softmax(-1)
        distance = (smoothness - _smoothness(teacher, row)).square()
    parts = {"smoothness": smoothness.item(), "entropy": entropy.item()}
    return LossValue(SMOOTHNESS * distance - ENTROPY * entropy, parts)


def _smoothness(logs: Float[Tensor, "N V"], row: Int[Tensor, " N"]) -> Float[Tensor, ""]:
    codes = torch.arange(logs.shape[1], device=logs.device, dtype=logs.dtype)
    expected = logs.exp() @ codes
    leaps = expected.diff().abs()[row[1:] == row[:-1]]
    return leaps.clamp(min=1.0).log().sum() / max(1, len(leaps))


@hookimpl
def picogen_losses() -> Iterator[LossSpec]:
    yield LossSpec(
        name=NAME, summary="Biased forms of physics: negative controls of a study.",
        config=lambda: ControlOptions, build=PhysicsControl, reads={"teacher_logits"},
        scores_samples=True, unit="1",
    )  # fmt: skip


def register() -> None:
    """Make the loss known in this process."""
    if NAME not in [entry.name for entry in registry().all("loss")]:
        registry().include(sys.modules[__name__], "studies")


if __name__ == "__main__":
    from picogen_cli.main import main

    register()
    main()
