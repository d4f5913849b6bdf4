"""The gradient of one optimizer step, over micro-batches and processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from picogen_core.data.batches import Batch
from picogen_core.model.student import counted
from picogen_core.training.own_text.feedback import Rewarded, add_feedback
from picogen_core.training.own_text.on_policy import derive_seed
from picogen_core.training.processes import Processes
from picogen_core.training.setup import RunParts


@dataclass
class Means:
    """Means over micro-batches, each weighted by its share of the characters."""

    sums: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    def add(self, values: dict[str, float], share: float) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + share * value
            self.shares[name] = self.shares.get(name, 0.0) + share

    def over(self, processes: Processes, names: Sequence[str]) -> dict[str, float]:
        """Return means of `names` over all processes, and of other values over this process."""
        found = {name: total / self.shares[name] for name, total in self.sums.items()}
        summed = processes.sum([self.sums.get(name, 0.0) for name in names])
        return found | dict(zip(names, summed, strict=True))


def count_characters(batches: Sequence[tuple[int, Batch]]) -> int:
    """Return the number of target characters in these micro-batches that the losses count."""
    return sum(int((counted(batch.patches) & batch.targets()).sum()) for _, batch in batches)


def accumulate_gradients(
    parts: RunParts,
    batches: Sequence[tuple[int, Batch]],
    characters: float,
    fraction: float,
    seed: Sequence[int],
    autocast: Any,
    processes: Processes,
    sampled: bool = False,
    rewarded: Sequence[Rewarded] = (),
) -> dict[str, float]:
    """Accumulate the gradient of the mean over all `characters` of the step.

    The loss of a micro-batch is a mean over its characters, weighted by their share of the step. So
    the sum does not depend on the number of micro-batches or processes. Randomness in micro-batch n
    depends on (seed, n).

    Args:
        sampled: the batches were sampled from the student.
        rewarded: further sampled pieces, whose policy gradients are added.

    Returns the loss and its terms in nats per character, over all processes.
    """
    model, objective = parts.model, parts.objective
    teacher_outputs = parts.live if sampled else parts.teacher_outputs
    means = Means()
    for number, batch in batches:
        count = count_characters([(number, batch)])
        if not count:
            continue
        torch.manual_seed(derive_seed([*seed, number]))
        with autocast:
            loss, terms = objective(
                model, batch.to(processes.device), teacher_outputs, fraction, sampled
            )
        share = count / characters
        torch.autograd.backward(loss * share)
        means.add({"loss": float(loss.detach()), **terms}, share)
    names = ["loss", *([] if sampled else ["ce"]), *objective.active(fraction, sampled)]
    for pieces in rewarded:
        means.add(add_feedback(model, pieces, autocast, processes.device, seed), 1.0)
        names += [f"{pieces.name}/surrogate"]
    processes.sum_gradients(model.parameters())
    return means.over(processes, names)
