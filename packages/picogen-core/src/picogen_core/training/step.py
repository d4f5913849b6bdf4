"""The gradient of one optimizer step: micro-batches here, and in other processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from picogen_core.data.batches import Batch
from picogen_core.model.student import counted
from picogen_core.training.own_text.feedback import Rewarded, add_feedback
from picogen_core.training.own_text.on_policy import drawn
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
    """How many characters of these micro-batches the losses count, of those that are targets."""
    return sum(int((counted(batch.patches) & batch.targets()).sum()) for _, batch in batches)


def accumulate_gradients(
    parts: Parts,
    batches: Sequence[tuple[int, Batch]],
    characters: float,
    fraction: float,
    seed: Sequence[int],
    autocast: Any,
    processes: Processes,
    sampled: bool = False,
    rewarded: Sequence[Rewarded] = (),
) -> dict[str, float]:
    """Leave in the parameters the gradient of the mean over all `characters` of the step.

    The loss of a micro-batch is a mean over its characters; weighed by its share of the step's
    characters it adds up to the same whether they came in one micro-batch or many, in one process
    or many. What is drawn at random in micro-batch n depends on (seed, n). `sampled` says that the
    student wrote the batches; `rewarded` are pieces of its own beside them, whose gradients are
    added.

    Returns the loss and its terms in nats per character, over all processes.
    """
    model, objective = parts.model, parts.objective
    teaching = parts.live if sampled else parts.teaching
    means = Means()
    for number, batch in batches:
        count = count_characters([(number, batch)])
        if not count:
            continue
        torch.manual_seed(drawn([*seed, number]))
        with autocast:
            loss, terms = objective(model, batch.to(processes.device), teaching, fraction, sampled)
        share = count / characters
        torch.autograd.backward(loss * share)
        means.add({"loss": float(loss.detach()), **terms}, share)
    names = ["loss", *([] if sampled else ["ce"]), *objective.active(fraction, sampled)]
    for pieces in rewarded:
        means.add(add_feedback(model, pieces, autocast, processes.device, seed), 1.0)
        names += [f"{pieces.name}/surrogate"]
    processes.sum_gradients(model.parameters())
    return means.over(processes, names)
