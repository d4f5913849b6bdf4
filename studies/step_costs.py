"""What a step of a command costs beside others: CPU seconds, all commands in turns.

Every batch goes through every command in a drawn order: once while a teacher's answers are written
down (`cold`), and once when they are read (`warm`). The first command is the measure of all: its
cost is a mean over batches, and that of another is its median ratio to the first's. So a machine
that others use favours nobody. Rewarded steps of a feedback loss are added by their share.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import torch
from cells import configuration
from picogen_core.data.batches import Sampling, train_steps
from picogen_core.runtime.progress import Quiet
from picogen_core.training.initial_weights import adopt
from picogen_core.training.own_text.feedback import rewarded_pieces
from picogen_core.training.processes import Processes
from picogen_core.training.setup import build_parts
from picogen_core.training.step import accumulate_gradients, count_characters
from picogen_core.training.step_batches import MicroBatches, StepBatches

REWARDED = 2
"""Batches that rewarded steps are measured with."""
CPU = torch.device("cpu")


class Stepper:
    """One command: its own student, optimizer and teacher's cache."""

    def __init__(
        self, command: tuple[str, ...], data: Path, cache: Path, start: Path | None
    ) -> None:
        config = configuration(command, data=data, cache_dir=cache, device="cpu")
        if command[0] == "distill" and config.teacher_ckpt is None:
            from picogen_cli.defaults import shipped_teacher

            config = config.model_copy(update={"teacher_ckpt": shipped_teacher()})
        if start is not None:
            config = adopt(config.model_copy(update={"init": start}), "never")
        self.config = config
        self.parts = build_parts(config, CPU, Quiet())
        feedback = [mine for _, mine in self.parts.objective.feedback.values()]
        self.share = feedback[0].share if feedback else 0.0
        for mine in feedback:
            mine.share = 1.0  # it is measured apart, in steps of its own
        self.cold: list[float] = []
        self.warm: list[float] = []
        self.rewarded: list[float] = []

    def batches(self, count: int) -> list[MicroBatches]:
        """The first batches of an epoch."""
        config = self.config
        sampling = Sampling(config.batch_size, 1, config.max_patches, config.seed)
        steps = train_steps(self.parts.train, self.parts.crops, sampling, epoch=0)
        return list(islice(steps, count))

    def seconds(self, batches: MicroBatches, rewarded: bool = False) -> float:
        """CPU seconds of one step."""
        begun = time.process_time()
        config, parts, alone = self.config, self.parts, Processes(CPU)
        music = (
            rewarded_pieces(config, parts.objective, parts.model, batches, 0, 0.5, alone)
            if rewarded
            else []
        )
        parts.optimizer.zero_grad(set_to_none=True)
        accumulate_gradients(
            parts, StepBatches(batches, parts.teacher_outputs, extra=music),
            count_characters(batches), 0.5, (config.seed, 0),
            torch.autocast("cpu", enabled=False), alone,
        )  # fmt: skip
        torch.nn.utils.clip_grad_norm_(parts.model.parameters(), config.clip)
        parts.optimizer.step()
        return time.process_time() - begun


def measure(
    commands: Mapping[str, tuple[str, ...]],
    data: Path,
    rounds: int,
    starts: Mapping[str, Path] | None = None,
) -> dict[str, dict[str, float]]:
    """`cold` and `warm` CPU seconds per step of each command; some start from given weights."""
    with tempfile.TemporaryDirectory() as folder:
        steppers = {
            key: Stepper(command, data, Path(folder) / str(number), (starts or {}).get(key))
            for number, (key, command) in enumerate(commands.items())
        }
        first, *batches = next(iter(steppers.values())).batches(rounds + 1)
        for stepper in steppers.values():  # the first step of a process is not like others
            stepper.seconds(first)
        draw = random.Random(0)
        for number, batch in enumerate(batches):
            for kind in ("cold", "warm"):
                for key in draw.sample(list(steppers), len(steppers)):
                    getattr(steppers[key], kind).append(steppers[key].seconds(batch))
            for stepper in steppers.values():
                if stepper.share and number < REWARDED:
                    stepper.rewarded.append(stepper.seconds(batch, rewarded=True))
    base = next(iter(steppers.values()))
    unit = [min(pair) for pair in zip(base.cold, base.warm, strict=True)]
    return {key: _cost(stepper, unit) for key, stepper in steppers.items()}


def _cost(stepper: Stepper, unit: list[float]) -> dict[str, float]:
    mean = statistics.fmean(unit)
    cold, warm = (
        mean * statistics.median(a / b for a, b in zip(spent, unit, strict=True))
        for spent in (stepper.cold, stepper.warm)
    )
    if stepper.parts.teacher_outputs is None:
        cold = warm = (cold + warm) / 2
    if stepper.rewarded:
        extra = stepper.share * max(0.0, statistics.fmean(stepper.rewarded) - warm)
        cold, warm = cold + extra, warm + extra
    return {"cold": cold, "warm": warm}
