"""The cost of a run, measured with its real parts and a few real steps; nothing is kept."""

from __future__ import annotations

import math
import shutil
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from picogen_core.data.batches import Sampling
from picogen_core.errors import BadInput
from picogen_core.runtime.devices import pick_device
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.training.budget import Budget, make_budget
from picogen_core.training.config import TrainConfig
from picogen_core.training.dry_run.rehearsal import (
    Rehearsal,
    evaluation_seconds,
    rehearse,
    weight_bytes,
)
from picogen_core.training.initial_weights import adopt
from picogen_core.training.processes import check_device
from picogen_core.training.run.folder import Resume, claim
from picogen_core.training.run.tracking import check_tracker
from picogen_core.training.setup import RunParts, build_parts
from picogen_core.training.state import Progress
from picogen_core.training.teacher.cache import cache_sizes, parse_size, show_size
from picogen_core.training.teacher.outputs import LiveTeacher


@dataclass(frozen=True)
class TeacherPlan:
    """Cost of a teacher. `cache_bytes` is None without a cache: too large, or random crops."""

    path: str
    parameters: int
    cache_bytes: int | None
    cache_limit: int


@dataclass(frozen=True)
class Plan:
    """Expected cost of a run.

    parameters:       by part; a `projector` is used in training alone.
    trained:          parameters that training changes.
    step_seconds:     with a filled teacher cache; before, `first_epoch_step_seconds`.
    steps:            estimate of the steps until the first limit of the run.
    seconds:          of all steps and evaluations.
    model_bytes:      weights, gradients and the optimizer's moments.
    peak_bytes:       of the process or the CUDA device, in the step of the longest crops.
    checkpoint_bytes: peak size of best/ and last/, while the next last/ is written too.
    """

    run_dir: Path
    device: str
    processes: int
    parameters: dict[str, int]
    trained: int
    pieces: int
    crops: int
    held_out: int
    steps: int
    steps_per_epoch: int
    step_seconds: float
    first_epoch_step_seconds: float
    evaluation_seconds: float
    characters_per_second: float
    seconds: float
    model_bytes: int
    peak_bytes: int | None
    checkpoint_bytes: int
    disk_free: int
    teacher: TeacherPlan | None


def plan_training(
    config: TrainConfig,
    *,
    resume: Resume = "never",
    force: bool = False,
    reporter: Reporter | None = None,
) -> Plan:
    """Run all checks of `run_training` and return its cost; make no run folder and no cache.

    With several processes, one of them is measured.

    Raises:
        PicogenError: an error of the run up to its first step, or too little disk.
    """
    check_tracker(config.track)
    config = adopt(config, resume, reporter)
    resume_from = claim(config.run_dir, resume, force)
    device = pick_device(config.device)
    check_device(device, config.nproc)
    parts = build_parts(
        config.model_copy(update={"cache_limit": "0"}), device, Quiet(), resume_from
    )
    weights, trained = weight_bytes(parts)
    checkpoints = weights + 2 * (weights + 2 * trained)
    disk_free = _check_disk(config, checkpoints)
    teacher = _plan_teacher(config, parts)
    sampling = Sampling(
        config.batch_size, config.micro_batches, config.max_patches, config.seed, 0, config.nproc
    )
    crops = len(parts.train if parts.crops is None else parts.crops)
    per_epoch = sampling.steps(crops)
    kept = teacher is not None and teacher.cache_bytes is not None
    found = rehearse(config, parts, sampling, device, reporter or Quiet(), kept)
    steps, training = _length(make_budget(config, per_epoch), found, per_epoch, config.nproc)
    evaluation = evaluation_seconds(config, parts)
    evaluations = math.ceil(steps / per_epoch / config.eval_every) + 1
    return Plan(
        run_dir=config.run_dir,
        device=str(device),
        processes=config.nproc,
        parameters={
            name: count
            for name, part in parts.model.named_children()
            if (count := sum(p.numel() for p in part.parameters()))
        },
        trained=sum(p.numel() for p in parts.model.parameters() if p.requires_grad),
        pieces=len(parts.train),
        crops=crops,
        held_out=len(parts.held_out),
        steps=steps,
        steps_per_epoch=per_epoch,
        step_seconds=found.warm,
        first_epoch_step_seconds=found.cold,
        evaluation_seconds=evaluation,
        characters_per_second=found.characters * config.nproc / found.warm,
        seconds=training + evaluation * evaluations,
        model_bytes=found.model_bytes,
        peak_bytes=found.peak_bytes,
        checkpoint_bytes=checkpoints,
        disk_free=disk_free,
        teacher=teacher,
    )


def _length(budget: Budget, found: Rehearsal, per_epoch: int, processes: int) -> tuple[int, float]:
    """Return the steps until the first limit, and their seconds."""

    def progress(step: int) -> Progress:
        cold = min(step, per_epoch)
        seconds = found.cold * cold + found.warm * (step - cold)
        characters = int(found.characters * processes * step)
        return Progress(
            step=step, seconds=seconds, cpu_seconds=seconds * processes, characters=characters
        )

    last = 1
    while budget.fraction(progress(last)) < 1:
        last *= 2
    steps = bisect_left(range(last), 1.0, key=lambda step: budget.fraction(progress(step)))
    return steps, progress(steps).seconds


def _plan_teacher(config: TrainConfig, parts: RunParts) -> TeacherPlan | None:
    if not isinstance(parts.teacher_outputs, LiveTeacher):
        return None
    size, limit = None, parse_size(config.cache_limit)
    if parts.crops is not None:
        sizes = cache_sizes(parts.train, parts.crops, parts.teacher_outputs.format)
        size = sum(int(each.sum()) for each in sizes.values())
    return TeacherPlan(
        path=str(config.teacher_ckpt),
        parameters=parts.teacher_outputs.model.parameter_count(),
        cache_bytes=size if size is not None and size <= limit else None,
        cache_limit=limit,
    )


def _check_disk(config: TrainConfig, needed: int) -> int:
    """Return the free bytes on the run's disk. Raises `BadInput` if they are too few."""
    folder = config.run_dir.absolute()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise BadInput(
            f"{place} has {show_size(free)} free; the checkpoints of {config.exp_name} take up to "
            f"{show_size(needed)}. Choose another --output-dir."
        )
    return free
