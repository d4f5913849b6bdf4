"""A few real steps and batches of a run, to know what it will cost; its weights are thrown away."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch

from picogen_core.data.batches import Batch, Sampling, train_steps
from picogen_core.data.crops import fixed_crops
from picogen_core.errors import BadInput
from picogen_core.runtime.devices import autocast
from picogen_core.runtime.progress import Reporter
from picogen_core.training.config import TrainConfig
from picogen_core.training.evaluate import evaluate
from picogen_core.training.processes import Processes
from picogen_core.training.setup import Parts
from picogen_core.training.step import accumulate_gradients, count_characters
from picogen_core.training.teacher.teaching import Answer, LiveTeacher, Taught, decode

STEPS = 3
ENOUGH_SECONDS = 60.0
"""Of measuring; steps that are left are then not taken."""

Step = list[tuple[int, Batch]]


@dataclass(frozen=True)
class Rehearsal:
    """Seconds a step of the first epoch (`cold`), and later, with what is kept at hand (`warm`).

    characters:  mean of the steps, in one process.
    model_bytes: weights, gradients and the optimizer's moments.
    peak_bytes:  of the process, or of the CUDA device, in the step of the longest crops; None where
                 the system does not tell.
    """

    cold: float
    warm: float
    characters: float
    model_bytes: int
    peak_bytes: int | None


def rehearse(
    config: TrainConfig,
    parts: Parts,
    sampling: Sampling,
    device: torch.device,
    reporter: Reporter,
    kept: bool,
) -> Rehearsal:
    """The step of the longest crops, then `STEPS` of the first epoch; `kept` says that the run will
    keep the teacher's answers.

    Raises:
        BadInput: the loss is not finite.
    """
    passes = 1
    if kept and isinstance(parts.teaching, LiveTeacher):
        parts, passes = replace(parts, teaching=Remembered(parts.teaching)), 2
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    reporter.start("Measuring steps", 1 + STEPS, "steps")
    begun = time.monotonic()
    _seconds(config, parts, _longest(config, parts, sampling), device)  # also warms up
    reporter.advance(1)
    taken: list[list[float]] = []
    characters = 0
    for step in train_steps(parts.train, parts.crops, sampling, epoch=0):
        taken.append([_seconds(config, parts, step, device) for _ in range(passes)])
        characters += count_characters(step)
        reporter.advance(1 + len(taken))
        if len(taken) == STEPS or time.monotonic() - begun > ENOUGH_SECONDS:
            break
    reporter.finish()
    means = np.mean(taken, axis=0)
    return Rehearsal(
        cold=float(means[0]),
        warm=float(means[-1]),
        characters=characters / len(taken),
        model_bytes=_model_bytes(parts),
        peak_bytes=_peak(device),
    )


def evaluation_seconds(config: TrainConfig, parts: Parts) -> float:
    """Of all held-out pieces, of which each process takes a share; from a few over all lengths."""
    order = np.argsort(parts.held_out.lengths(), kind="stable")
    some = parts.held_out.select(order[:: max(1, len(order) // (2 * config.batch_size))].tolist())
    begun = time.monotonic()
    evaluate(parts.model, some, config.batch_size, config.max_patches)
    seconds = time.monotonic() - begun
    return seconds * len(order) / len(some) / config.nproc


def weight_bytes(parts: Parts) -> tuple[int, int]:
    """Bytes of all weights, and of those that are trained."""
    trained = (p for p in parts.model.parameters() if p.requires_grad)
    return _bytes(parts.model.state_dict().values()), _bytes(trained)


class Remembered:
    """A teacher behind a cache in memory. A crop that is drawn is asked for every time."""

    def __init__(self, live: LiveTeacher) -> None:
        self.live, self.answers = live, dict[int, Answer]()

    def __call__(self, batch: Batch) -> Taught:
        return decode(self.live.format, batch, lambda row: self._answer(batch, row))

    def _answer(self, batch: Batch, row: int) -> Answer:
        item = int(batch.items[row])
        if item < 0:
            return self.live.ask(batch, row)
        if item not in self.answers:
            self.answers[item] = self.live.ask(batch, row)
        return self.answers[item]


def _seconds(config: TrainConfig, parts: Parts, step: Step, device: torch.device) -> float:
    """Of one optimizer step."""
    begun = time.monotonic()
    parts.optimizer.zero_grad(set_to_none=True)
    terms = accumulate_gradients(
        parts,
        step,
        count_characters(step),
        0.0,
        (config.seed, 0),
        autocast(config.precision, device),
        Processes(device),
    )
    torch.nn.utils.clip_grad_norm_(parts.model.parameters(), config.clip)
    parts.optimizer.step()
    if not math.isfinite(terms["loss"]):
        raise BadInput(f"the loss is {terms['loss']} in the first steps. Try a lower --lr.")
    return time.monotonic() - begun


def _longest(config: TrainConfig, parts: Parts, sampling: Sampling) -> Step:
    """One micro-batch that takes as much memory as any."""
    crops = parts.crops or fixed_crops(parts.train, config.max_patches)
    longest = np.argsort(-crops.lengths(), kind="stable")[: config.batch_size]
    chosen = replace(crops, **{name: column[longest] for name, column in vars(crops).items()})
    alone = replace(sampling, micro_batches=1, processes=1)
    (step,) = train_steps(parts.train, chosen, alone, epoch=0)
    # Among all crops these rows have other numbers, so the teacher's answers are not kept.
    return [(k, replace(batch, items=torch.full_like(batch.items, -1))) for k, batch in step]


def _model_bytes(parts: Parts) -> int:
    weights, gradients = weight_bytes(parts)
    states = parts.optimizer.state.values()
    tensors = (value for state in states for value in state.values())
    return weights + gradients + _bytes(t for t in tensors if isinstance(t, torch.Tensor))


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _peak(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)
