"""A few real steps of a run, to measure its cost; the weights are discarded."""

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
from picogen_core.training.setup import RunParts
from picogen_core.training.step import accumulate_gradients, count_characters
from picogen_core.training.step_batches import MicroBatches, StepBatches
from picogen_core.training.teacher.outputs import BatchOutputs, CropOutputs, LiveTeacher, decode

STEPS = 3
ENOUGH_SECONDS = 60.0
"""Time limit of the measurement; the remaining steps are then skipped."""


@dataclass(frozen=True)
class Rehearsal:
    """Seconds per step, without (`cold`) and with a filled teacher cache (`warm`).

    characters:  mean of the steps, in one process.
    model_bytes: weights, gradients and the optimizer's moments.
    peak_bytes:  of the process or the CUDA device, in the step of the longest crops; None if the
                 system does not report it.
    """

    cold: float
    warm: float
    characters: float
    model_bytes: int
    peak_bytes: int | None


def rehearse(
    config: TrainConfig,
    parts: RunParts,
    sampling: Sampling,
    device: torch.device,
    reporter: Reporter,
    kept: bool,
) -> Rehearsal:
    """Run the step of the longest crops, then `STEPS` of the first epoch.

    With `kept`, the run will have a teacher cache.

    Raises:
        BadInput: the loss is not finite.
    """
    passes = 1
    if kept and isinstance(parts.teacher_outputs, LiveTeacher):
        parts, passes = replace(parts, teacher_outputs=Remembered(parts.teacher_outputs)), 2
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


def evaluation_seconds(config: TrainConfig, parts: RunParts) -> float:
    """Estimate the seconds of one process's share of an evaluation, from a few lengths."""
    order = np.argsort(parts.held_out.lengths(), kind="stable")
    some = parts.held_out.select(order[:: max(1, len(order) // (2 * config.batch_size))].tolist())
    begun = time.monotonic()
    evaluate(parts.model, some, config.batch_size, config.max_patches)
    seconds = time.monotonic() - begun
    return seconds * len(order) / len(some) / config.nproc


def weight_bytes(parts: RunParts) -> tuple[int, int]:
    """Return the bytes of all weights, and of the trained ones."""
    trained = (p for p in parts.model.parameters() if p.requires_grad)
    return _bytes(parts.model.state_dict().values()), _bytes(trained)


class Remembered:
    """A teacher behind a cache in memory. Random crops are computed every time."""

    def __init__(self, live: LiveTeacher) -> None:
        self.live, self.answers = live, dict[int, CropOutputs]()

    def __call__(self, batch: Batch) -> BatchOutputs:
        return decode(self.live.format, batch, lambda row: self._answer(batch, row))

    def _answer(self, batch: Batch, row: int) -> CropOutputs:
        item = int(batch.items[row])
        if item < 0:
            return self.live.compute(batch, row)
        if item not in self.answers:
            self.answers[item] = self.live.compute(batch, row)
        return self.answers[item]


def _seconds(
    config: TrainConfig, parts: RunParts, step: MicroBatches, device: torch.device
) -> float:
    """Return the seconds of one optimizer step."""
    begun = time.monotonic()
    parts.optimizer.zero_grad(set_to_none=True)
    terms = accumulate_gradients(
        parts,
        StepBatches(step, parts.teacher_outputs),
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


def _longest(config: TrainConfig, parts: RunParts, sampling: Sampling) -> MicroBatches:
    """Return the micro-batch that takes the most memory."""
    crops = parts.crops or fixed_crops(parts.train, config.max_patches)
    longest = np.argsort(-crops.lengths(), kind="stable")[: config.batch_size]
    chosen = replace(crops, **{name: column[longest] for name, column in vars(crops).items()})
    alone = replace(sampling, micro_batches=1, processes=1)
    (step,) = train_steps(parts.train, chosen, alone, epoch=0)
    # These rows have other numbers among all crops, so the cache cannot serve them.
    return [(k, replace(batch, items=torch.full_like(batch.items, -1))) for k, batch in step]


def _model_bytes(parts: RunParts) -> int:
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
