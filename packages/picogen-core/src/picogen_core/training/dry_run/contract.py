"""Contract check: call each method of a run's plugins once on a few patches, before the first step.

Without it, a backbone without `step` would train to the end and fail at the first generated piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY, decode
from picogen_core.data.batches import Batch, collate
from picogen_core.data.crops import crop
from picogen_core.data.prepared.store import Dataset
from picogen_core.errors import PicogenError, PluginError
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.protocols import Feedback
from picogen_core.plugins.registry import registry
from picogen_core.training.objective import Objective
from picogen_core.training.teacher.outputs import OutputSource

ROWS, PATCHES = 2, 8


def check_contract(
    model: GenericStudent,
    objective: Objective,
    teacher_outputs: OutputSource | None,
    data: Dataset,
    device: torch.device,
) -> None:
    """Call each method of the run's plugins; leave no gradient and no random state changed.

    Raises:
        PluginError: the part, the method, and what it raised or returned.
    """
    shortest = np.argsort(data.lengths(), kind="stable")[:ROWS]
    batch = collate([crop(data[int(i)], PATCHES, None) for i in shortest]).to(device)
    devices = [device] if device.type == "cuda" else []
    was_training = model.training
    with torch.random.fork_rng(devices), torch.no_grad():
        model.eval()
        try:
            hidden = _call_backbone(model, batch)
            _call_head(model, batch, hidden)
        finally:
            model.train(was_training)
        # A cache has no records for these rows.
        live = getattr(teacher_outputs, "live", teacher_outputs)
        objective(model, batch, live, 0.0)
    for name, (_, feedback) in objective.feedback.items():
        _call_feedback(name, feedback, strip_counters(decode(data[int(shortest[0])].patches)))


def _call_backbone(model: GenericStudent, batch: Batch) -> Tensor:
    """Return the hidden states [B, S, D]."""
    kind, name = "backbone", model.config.backbone
    rows, length = batch.patches.shape[:2]
    width = (rows, model.config.d_model)
    with _blaming(kind, name, "call"):
        hidden = model.states(batch.patches)
    _check_shape(kind, name, "call", hidden, (rows, length, model.config.d_model))
    with _blaming(kind, name, "initial_state"):
        state = model.initial_state(rows, length + 1)
    with _blaming(kind, name, "prefill"):
        last, state = model.prefill(batch.patches, batch.lengths, state)
    _check_shape(kind, name, "prefill", last, width)
    with _blaming(kind, name, "step"):
        last, _ = model.step(batch.patches[:, 0], state)
    _check_shape(kind, name, "step", last, width)
    return hidden


def _call_head(model: GenericStudent, batch: Batch, hidden: Tensor) -> None:
    kind, name, head = "head", model.config.head, model.speller
    rows, length = batch.patches.shape[:2]
    row = torch.arange(rows, device=hidden.device).repeat_interleave(length - 1)
    index = torch.arange(1, length, device=hidden.device).repeat(rows)
    targets = batch.patches[:, 1:].reshape(-1, PATCH_SIZE)
    with _blaming(kind, name, "call"):
        logits = head(hidden[:, :-1].reshape(len(row), -1), targets, row, index)
    _check_shape(kind, name, "call", logits, (len(row), PATCH_SIZE, VOCABULARY))
    with _blaming(kind, name, "initial_memory"):
        memory = model.initial_memory(rows, length + 1)
    with _blaming(kind, name, "read"):
        memory = head.read(hidden, batch.patches, batch.lengths, memory)
    with _blaming(kind, name, "begin"):
        logits, state = head.begin(hidden[:, -1], memory)
    _check_shape(kind, name, "begin", logits, (rows, VOCABULARY))
    patch = batch.patches[:, 0]
    for place in range(PATCH_SIZE - 1):
        with _blaming(kind, name, "step"):
            logits, state = head.step(patch[:, place], state)
        _check_shape(kind, name, "step", logits, (rows, VOCABULARY))
    with _blaming(kind, name, "close"):
        head.close(patch, state)


def _call_feedback(name: str, feedback: Feedback, text: str) -> None:
    with _blaming("loss", name, "features, rewards or parts"):
        features = np.stack([np.asarray(feedback.features(text), np.float64)] * ROWS)
        rewards = np.asarray(feedback.rewards(features), np.float64)
        if rewards.shape != (ROWS,):
            raise ValueError(f"rewards of shape {list(rewards.shape)}, not [{ROWS}]")
        dict(feedback.parts(features))


@contextmanager
def _blaming(kind: str, name: str, method: str) -> Iterator[None]:
    try:
        yield
    except PicogenError:
        raise
    except Exception as error:
        raise PluginError(f"{_where(kind, name)}: {method} raised {error!r}.") from error


def _check_shape(kind: str, name: str, method: str, found: object, wanted: tuple[int, ...]) -> None:
    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if shape != wanted:
        raise PluginError(f"{_where(kind, name)}: {method} returned {shape}, not {wanted}.")


def _where(kind: str, name: str) -> str:
    return registry().get(kind, name).where
