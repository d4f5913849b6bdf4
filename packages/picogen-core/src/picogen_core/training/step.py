"""One gradient step: choose the batches, add their gradients, clip, change the weights."""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from picogen_core.errors import PicogenError
from picogen_core.model.student import counted
from picogen_core.runtime.devices import Autocast, autocast
from picogen_core.runtime.signals import Signals, Stopped
from picogen_core.training.config import TrainConfig
from picogen_core.training.optimizers import learning_rate
from picogen_core.training.processes import Processes
from picogen_core.training.setup import RunParts
from picogen_core.training.state import Progress
from picogen_core.training.step_batches import MicroBatches, StepBatches, derive_seed


class Diverged(PicogenError):
    """The loss or its gradient is not finite; resuming would end here again."""


ADVICE = "Try a lower --lr, or smaller weights of losses."


@dataclass(frozen=True)
class GradientStep:
    """One optimizer step of a run, over the micro-batches of all its processes."""

    config: TrainConfig
    parts: RunParts
    processes: Processes
    signals: Signals

    def __call__(
        self, data: MicroBatches, progress: Progress, fraction: float
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Change the weights and the progress; `fraction` of the run is over.

        Returns the row for the log, and the terms of the loss in nats per character.

        Raises:
            Diverged: the loss, its gradient or the student's output is not finite.
            Stopped: a process received a signal; nothing was changed.
        """
        parts, optimizer, step = self.parts, self.parts.optimizer, progress.step
        batches = parts.source(data, step, fraction, self.processes)
        progress.own_text_seconds += batches.seconds
        characters = self._count(batches.micro_batches)
        if batches.sampled and not characters:
            raise Diverged(
                f"the student cannot be sampled at step {step}: its output is not finite. {ADVICE}"
            )
        rate = learning_rate(self.config.lr, self.config.warmup, fraction)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        terms = accumulate_gradients(
            parts,
            batches,
            characters,
            fraction,
            (self.config.seed, step),
            autocast(self.config.precision, self.processes.device),
            self.processes,
        )
        norm = float(torch.nn.utils.clip_grad_norm_(parts.model.parameters(), self.config.clip))
        for name, value in (("loss", terms["loss"]), ("norm of the gradient", norm)):
            if not math.isfinite(value):
                raise Diverged(f"the {name} is {value} at step {step}. {ADVICE}")
        optimizer.step()
        progress.step += 1
        progress.characters += int(characters)
        row: dict[str, Any] = {"on_policy": True} if batches.sampled else {}
        bits = {"bits": terms["ce"] / math.log(2)} if "ce" in terms else {}
        return {**row, **terms, **bits, "lr": rate, "grad_norm": norm}, terms

    def _count(self, batches: MicroBatches) -> float:
        """Return the step's characters in all processes, which also exchange their signals here."""
        received = self.signals.requested if self.signals.note_only else None
        flags = [float(received == number) for number in (signal.SIGINT, signal.SIGTERM)]
        mine = float(count_characters(batches))
        characters, interrupts, terminations = self.processes.sum([mine, *flags])
        if interrupts or terminations:
            raise Stopped(signal.SIGINT if interrupts else signal.SIGTERM)
        return characters


def accumulate_gradients(
    parts: RunParts,
    batches: StepBatches,
    characters: float,
    fraction: float,
    seed: Sequence[int],
    autocast: Autocast,
    processes: Processes,
) -> dict[str, float]:
    """Accumulate the gradient of the mean over all `characters` of the step.

    The loss of a micro-batch is a mean over its characters, weighted by their share of the step. So
    the sum does not depend on the number of micro-batches or processes. Randomness in micro-batch n
    depends on (seed, n).

    Returns the loss and its terms in nats per character, over all processes.
    """
    model, objective, sampled = parts.model, parts.objective, batches.sampled
    means = Means()
    for number, batch in batches.micro_batches:
        count = count_characters([(number, batch)])
        if not count:
            continue
        torch.manual_seed(derive_seed([*seed, number]))
        with autocast:
            loss, terms = objective(
                model, batch.to(processes.device), batches.teacher_outputs, fraction, sampled
            )
        share = count / characters
        torch.autograd.backward(loss * share)
        means.add({"loss": float(loss.detach()), **terms}, share)
    names = ["loss", *([] if sampled else ["ce"]), *objective.active(fraction, sampled)]
    for extra in batches.extra:
        means.add(extra.add(model, autocast, processes.device, seed), 1.0)
        names += extra.totals
    processes.sum_gradients(model.parameters())
    return means.over(processes, names)


def count_characters(batches: MicroBatches) -> int:
    """Return the number of target characters in these micro-batches that the losses count."""
    return sum(int((counted(batch.patches) & batch.targets()).sum()) for _, batch in batches)


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
