"""The batches of one gradient step, and the source that chooses them.

A run learns from its data. Training on text that the student samples itself is another source
(`own_text/source.py`); the step and the loop are the same for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from picogen_core.data.batches import Batch
from picogen_core.model.student import GenericStudent
from picogen_core.runtime.devices import Autocast
from picogen_core.training.processes import Processes
from picogen_core.training.teacher.outputs import OutputSource

MicroBatches = Sequence[tuple[int, Batch]]
"""This process's micro-batches of a step, with their numbers among those of all processes."""


class ExtraGradient(Protocol):
    """A gradient that a step adds to that of its micro-batches.

    totals: names of its values that are sums over all processes.
    """

    @property
    def totals(self) -> Sequence[str]: ...

    def add(
        self,
        model: GenericStudent,
        autocast: Autocast,
        device: torch.device,
        seed: Sequence[int],
    ) -> dict[str, float]:
        """Add the gradient to the model's; return values for the log."""


@dataclass(frozen=True)
class StepBatches:
    """What a gradient step learns from.

    sampled: the text was sampled from the student, so it has no cross-entropy.
    seconds: time in which the student sampled.
    """

    micro_batches: MicroBatches
    teacher_outputs: OutputSource | None = None
    sampled: bool = False
    extra: Sequence[ExtraGradient] = ()
    seconds: float = 0.0


class BatchSource(Protocol):
    """Chooses what a step learns from, given its batches of the data."""

    def __call__(
        self, batches: MicroBatches, step: int, fraction: float, processes: Processes
    ) -> StepBatches: ...


@dataclass(frozen=True)
class DataBatches:
    """The data themselves, with the teacher's outputs for them."""

    teacher_outputs: OutputSource | None

    def __call__(
        self, batches: MicroBatches, step: int, fraction: float, processes: Processes
    ) -> StepBatches:
        return StepBatches(batches, self.teacher_outputs)


def derive_seed(numbers: Sequence[int]) -> int:
    """Return a seed derived from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
