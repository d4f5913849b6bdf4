"""The gradient of one optimizer step: micro-batches here, and in other processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from picogen_core.data.batches import Batch
from picogen_core.model.student import counted
from picogen_core.training.processes import Processes
from picogen_core.training.setup import Parts


@dataclass
class Means:
    """Figures of micro-batches, each weighed by its share of the characters."""

    sums: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    def add(self, values: dict[str, float], share: float) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + share * value
            self.shares[name] = self.shares.get(name, 0.0) + share

    def over(self, processes: Processes, names: Sequence[str]) -> dict[str, float]:
        """`names` over all processes; what else a loss tells, over this one."""
        found = {name: total / self.shares[name] for name, total in self.sums.items()}
        summed = processes.sum([self.sums.get(name, 0.0) for name in names])
        return found | dict(zip(names, summed, strict=True))


def count_characters(batches: Sequence[tuple[int, Batch]]) -> int:
    """How many characters of these micro-batches the losses count; the first patch is no target."""
    return sum(int(counted(batch.patches[:, 1:]).sum()) for _, batch in batches)


def accumulate_gradients(
    parts: Parts,
    batches: Sequence[tuple[int, Batch]],
    characters: float,
    fraction: float,
    seed: Sequence[int],
    autocast: Any,
    processes: Processes,
) -> dict[str, float]:
    """Leave in the parameters the gradient of the mean over all `characters` of the step.

    The loss of a micro-batch is a mean over its characters; weighed by its share of the step's
    characters it adds up to the same whether they came in one micro-batch or many, in one process
    or many. What is drawn at random in micro-batch n depends on (seed, n).

    Returns the loss and its terms in nats per character, over all processes.
    """
    model, objective = parts.model, parts.objective
    means = Means()
    for number, batch in batches:
        count = count_characters([(number, batch)])
        if not count:
            continue
        torch.manual_seed(_drawn(seed, number))
        with autocast:
            loss, terms = objective(model, batch.to(processes.device), parts.teaching, fraction)
        share = count / characters
        torch.autograd.backward(loss * share)
        means.add({"loss": float(loss.detach()), **terms}, share)
    processes.sum_gradients(model.parameters())
    return means.over(processes, ["loss", "ce", *objective.active(fraction)])


def _drawn(seed: Sequence[int], number: int) -> int:
    return int(np.random.SeedSequence([*seed, number]).generate_state(1, np.uint64)[0])
