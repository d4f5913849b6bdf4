"""The objective: cross-entropy + Σ weight · schedule · loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from picogen_core.data.batches import Batch
from picogen_core.errors import ConfigError, PluginError
from picogen_core.model.student import GenericStudent, Output
from picogen_core.plugins.protocols import Feedback, Loss, LossBatch, LossValue, NoteIndex
from picogen_core.plugins.registry import registry
from picogen_core.training.config import Term, read_term
from picogen_core.training.losses import cross_entropy
from picogen_core.training.teacher.outputs import OutputSource


@dataclass(frozen=True)
class Objective:
    """Losses by name with their terms; `wants_…` if one of them reads that teacher output.

    scoring:  names of the losses that may be computed on text sampled from the student.
    feedback: rewards for sampled pieces; `own_text.feedback` turns them into a gradient.
    """

    terms: Mapping[str, tuple[Term, Loss]]
    wants_hidden: bool = False
    wants_logits: bool = False
    scoring: frozenset[str] = frozenset()
    feedback: Mapping[str, tuple[Term, Feedback]] = field(default_factory=dict)

    def __call__(
        self,
        student: GenericStudent,
        batch: Batch,
        teacher_outputs: OutputSource | None,
        fraction: float,
        sampled: bool = False,
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch in nats per character, and its parts.

        A batch sampled from the student has no cross-entropy.
        """
        output = student(batch.patches, batch.lengths)
        active = self.active(fraction, sampled)
        context = loss_batch(student, batch, output, teacher_outputs if active else None, sampled)
        parts: dict[str, float] = {}
        if sampled:
            total = context.student_logits.sum() * 0.0
        else:
            total = cross_entropy(context)
            parts["ce"] = float(total.detach())
        for name in active:
            term, loss = self.terms[name]
            value = _ask(name, loss, context)
            total = total + term.weight_at(fraction) * value.value
            parts[name] = float(value.value.detach())
            parts |= {f"{name}/{part}": float(x) for part, x in value.parts.items()}
        return total, parts

    def active(self, fraction: float, sampled: bool = False) -> list[str]:
        """Return the terms with a weight at `fraction` of the run, for data or for samples."""
        names = [name for name in self.terms if name in self.scoring or not sampled]
        return [name for name in names if self.terms[name][0].weight_at(fraction)]


def _ask(name: str, loss: Loss, batch: LossBatch) -> LossValue:
    where = registry().get("loss", name).where
    try:
        value = loss(batch)
    except Exception as error:
        raise PluginError(f"{where} raised {error!r}. See it with: picogen --debug.") from error
    if not isinstance(value, LossValue) or not isinstance(value.value, Tensor):
        raise PluginError(f"{where} returned a {type(value).__name__}, not a LossValue.")
    if value.value.numel() != 1:
        raise PluginError(f"{where} returned {list(value.value.shape)} numbers, not one.")
    return value


def build_objective(table: Mapping[str, Mapping[str, Any]], has_teacher: bool) -> Objective:
    """Return the objective of a run.

    Raises:
        ConfigError: an unknown option, or a loss that needs a teacher in a run without one.
    """
    terms: dict[str, tuple[Term, Loss]] = {}
    feedback: dict[str, tuple[Term, Feedback]] = {}
    scoring = set()
    wants_hidden = wants_logits = False
    for name, values in table.items():
        entry = registry().get("loss", name)
        term, own = read_term(name, values)
        if entry.spec.needs_teacher and not has_teacher and term.weight:
            raise ConfigError(
                f"loss {name!r} needs a teacher and there is none. "
                f"Use `picogen distill --teacher-ckpt FILE`, or --set loss.{name}.weight=0."
            )
        loss = entry.build(own)
        if isinstance(loss, Feedback):
            if term.weight:
                feedback[name] = (term, loss)
            continue
        terms[name] = (term, loss)
        if entry.spec.scores_samples:
            scoring.add(name)
        counts = has_teacher and bool(term.weight)
        wants_hidden |= counts and "teacher_hidden" in entry.spec.reads
        wants_logits |= counts and "teacher_logits" in entry.spec.reads
    return Objective(terms, wants_hidden, wants_logits, frozenset(scoring), feedback)


def loss_batch(
    student: GenericStudent,
    batch: Batch,
    output: Output,
    teacher_outputs: OutputSource | None,
    sampled: bool = False,
) -> LossBatch:
    """Return the input of the losses."""
    hidden, teacher_logits, teacher_hidden = output.hidden, None, None
    if teacher_outputs is not None:
        outputs = teacher_outputs(batch)
        if outputs.log_probabilities is not None:
            teacher_logits = outputs.log_probabilities.new_zeros(output.logits.shape)
            teacher_logits[output.valid] = outputs.log_probabilities
        teacher_hidden = outputs.hidden
        if teacher_hidden is not None:
            hidden = student.to_teacher(hidden)
    context = LossBatch(
        student_logits=output.logits,
        student_hidden=hidden,
        characters=output.characters,
        valid=output.valid,
        row=output.row,
        patch=output.patch,
        notes=note_index(batch, output),
        teacher_logits=teacher_logits,
        teacher_hidden=teacher_hidden,
    )
    return _behind_prompts(context, batch) if sampled else context


def _behind_prompts(context: LossBatch, batch: Batch) -> LossBatch:
    """Return a sampled batch without its prompts: only sampled patches and characters count."""
    valid = context.valid & batch.targets()[context.row, context.patch]
    kept = valid.any(1)
    notes, size = context.notes, valid.shape[1]
    patch = notes.position // size
    moved = (kept.cumsum(0) - 1)[patch] * size + notes.position % size
    teacher = (context.teacher_logits, context.teacher_hidden)
    logits, hidden = (None if each is None else each[kept] for each in teacher)
    return LossBatch(
        student_logits=context.student_logits[kept],
        student_hidden=context.student_hidden[kept],
        characters=context.characters[kept],
        valid=valid[kept],
        row=context.row[kept],
        patch=context.patch[kept],
        notes=_chosen(replace(notes, position=moved), kept[patch]),
        teacher_logits=logits,
        teacher_hidden=hidden,
        sampled=True,
    )


def note_index(batch: Batch, output: Output) -> NoteIndex:
    """Return the notes of a batch by their position among the N · P target characters.

    Notes in the first patch of a row are left out: it is no target.
    """
    place = batch.patches.new_full(batch.patches.shape[:2], -1)
    place[output.row, output.patch] = torch.arange(len(output.row), device=place.device)
    target = place[batch.note_row, batch.note_patch]
    notes = NoteIndex(
        position=target * batch.patches.shape[2] + batch.note_char,
        row=batch.note_row,
        voice=batch.note_voice,
        step=batch.note_step,
        octave=batch.note_octave,
    )
    return _chosen(notes, target >= 0)


def _chosen(notes: NoteIndex, which: Tensor) -> NoteIndex:
    return NoteIndex(**{name: column[which] for name, column in vars(notes).items()})
