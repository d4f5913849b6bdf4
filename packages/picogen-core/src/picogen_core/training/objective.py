"""The sum that is minimised: cross-entropy + Σ weight · schedule · loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from picogen_core.data.batches import Batch
from picogen_core.errors import ConfigError, PluginError
from picogen_core.model.student import GenericStudent, Output
from picogen_core.options import Options, parse_options
from picogen_core.protocols import Loss, LossBatch, LossValue, NoteIndex
from picogen_core.registry import registry
from picogen_core.training.config import Schedule
from picogen_core.training.losses import cross_entropy


class Term(Options):
    """What every loss has beside its own options."""

    weight: float = Field(1.0, ge=0, description="Multiplies the loss.")
    schedule: Schedule = Field(
        "constant", description="Of the weight over the run; linear and cosine fall to 0."
    )

    def weight_at(self, fraction: float) -> float:
        """The weight when `fraction` of the run, 0 … 1, is over."""
        if self.schedule == "linear":
            return self.weight * (1 - fraction)
        if self.schedule == "cosine":
            return self.weight * (1 + math.cos(math.pi * fraction)) / 2
        return self.weight


@dataclass(frozen=True)
class Objective:
    """Terms by name, each with its loss."""

    terms: Mapping[str, tuple[Term, Loss]]

    def __call__(
        self,
        student: GenericStudent,
        batch: Batch,
        teacher: GenericStudent | None,
        fraction: float,
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch in nats per character, and its parts."""
        output = student(batch.patches, batch.lengths)
        total = cross_entropy(output.logits, output.characters, output.valid)
        parts = {"ce": float(total.detach())}
        if any(term.weight for term, _ in self.terms.values()):
            context = loss_batch(student, batch, output, teacher)
            for name, (term, loss) in self.terms.items():
                weight = term.weight_at(fraction)
                if weight:
                    value = _ask(name, loss, context)
                    total = total + weight * value.value
                    parts[name] = float(value.value.detach())
                    parts |= {f"{name}/{part}": float(x) for part, x in value.parts.items()}
        return total, parts

    def active(self, fraction: float) -> list[str]:
        """The terms that count when `fraction` of the run is over."""
        return [name for name, (term, _) in self.terms.items() if term.weight_at(fraction)]


def _ask(name: str, loss: Loss, batch: LossBatch) -> LossValue:
    try:
        return loss(batch)
    except Exception as error:
        where = registry().get("loss", name).where
        raise PluginError(f"{where} raised {error!r}. See it with: picogen --debug.") from error


def build_objective(table: Mapping[str, Mapping[str, Any]], has_teacher: bool) -> Objective:
    """The losses of a run.

    Raises:
        ConfigError: an option that does not exist, or a loss that needs a teacher and has none.
    """
    terms = {}
    for name, values in table.items():
        entry = registry().get("loss", name)
        common = {key: values[key] for key in values if key in Term.model_fields}
        own = {key: values[key] for key in values if key not in Term.model_fields}
        term = parse_options(Term, common, f"loss {name!r}")
        if entry.spec.needs_teacher and not has_teacher and term.weight:
            raise ConfigError(
                f"loss {name!r} compares with a teacher and there is none. "
                f"Use `picogen distill --teacher-ckpt FILE`, or --set loss.{name}.weight=0."
            )
        terms[name] = (term, entry.build(own))
    return Objective(terms)


def loss_batch(
    student: GenericStudent, batch: Batch, output: Output, teacher: GenericStudent | None
) -> LossBatch:
    """What the losses see; the teacher is asked without a gradient."""
    hidden = output.hidden
    taught: Output | None = None
    if teacher is not None:
        with torch.no_grad():
            taught = teacher(batch.patches, batch.lengths)
        if student.projector is not None:
            hidden = student.projector(hidden)
    return LossBatch(
        student_logits=output.logits,
        student_hidden=hidden,
        characters=output.characters,
        valid=output.valid,
        row=output.row,
        patch=output.patch,
        notes=note_index(batch, output),
        teacher_logits=taught.logits if taught else None,
        teacher_hidden=taught.hidden if taught else None,
    )


def note_index(batch: Batch, output: Output) -> NoteIndex:
    """The notes of a batch by their place among the N · P target characters."""
    place = batch.patches.new_full(batch.patches.shape[:2], -1)
    place[output.row, output.patch] = torch.arange(len(output.row), device=place.device)
    return NoteIndex(
        position=place[batch.note_row, batch.note_patch] * batch.patches.shape[2] + batch.note_char,
        row=batch.note_row,
        voice=batch.note_voice,
        step=batch.note_step,
        octave=batch.note_octave,
    )
