"""The sum that is minimised: cross-entropy + Σ weight · schedule · loss."""

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
from picogen_core.training.losses import cross_entropy
from picogen_core.training.teacher.teaching import Teaching
from picogen_core.training.terms import Term, read_term


@dataclass(frozen=True)
class Objective:
    """Terms by name, each with its loss; `wants_…` if one may read that of a teacher.

    scoring:  names of those that may be asked of what the student wrote.
    feedback: rewards for what it writes, which `training.feedback` makes a gradient of.
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
        teaching: Teaching | None,
        fraction: float,
        sampled: bool = False,
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch in nats per character, and its parts; no cross-entropy if the
        student wrote the batch itself."""
        output = student(batch.patches, batch.lengths)
        active = self.active(fraction, sampled)
        context = loss_batch(student, batch, output, teaching if active else None, sampled)
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
        """The terms that count when `fraction` of the run is over, of data or of samples."""
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
    """The losses of a run.

    Raises:
        ConfigError: an option that does not exist, or a loss that needs a teacher and has none.
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
                f"loss {name!r} compares with a teacher and there is none. "
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
        asks = has_teacher and bool(term.weight)
        wants_hidden |= asks and "teacher_hidden" in entry.spec.reads
        wants_logits |= asks and "teacher_logits" in entry.spec.reads
    return Objective(terms, wants_hidden, wants_logits, frozenset(scoring), feedback)


def loss_batch(
    student: GenericStudent,
    batch: Batch,
    output: Output,
    teaching: Teaching | None,
    sampled: bool = False,
) -> LossBatch:
    """What the losses see."""
    hidden, teacher_logits, teacher_hidden = output.hidden, None, None
    if teaching is not None:
        taught = teaching(batch)
        if taught.log_probabilities is not None:
            teacher_logits = taught.log_probabilities.new_zeros(output.logits.shape)
            teacher_logits[output.valid] = taught.log_probabilities
        teacher_hidden = taught.hidden
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
    """Of a sampled batch, the patches that the student wrote and the characters that it drew."""
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
    """The notes of a batch by their place among the N · P target characters; those in the first
    patch of a row, which is no target, are left out."""
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
