"""From a configuration to what the loop works with: data, models, objective, optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import Optimizer

from picogen_core.data.index import open_data, shared_pieces
from picogen_core.data.store import Dataset
from picogen_core.errors import BadInput, ConfigError
from picogen_core.model.checkpoint import digest, load_model
from picogen_core.model.student import GenericStudent
from picogen_core.progress import Reporter
from picogen_core.training.config import TrainConfig
from picogen_core.training.memory import compile_parts, recompute_layers
from picogen_core.training.objective import Objective, build_objective
from picogen_core.training.optimizers import make_optimizer


@dataclass(frozen=True)
class Parts:
    """What a run is made of. `origin` says which data and teacher these are, for the manifest."""

    train: Dataset
    held_out: Dataset
    model: GenericStudent
    teacher: GenericStudent | None
    objective: Objective
    optimizer: Optimizer
    origin: dict[str, Any]


def build_parts(config: TrainConfig, device: torch.device, reporter: Reporter) -> Parts:
    """Everything on its device, the model in training mode with the seed's weights.

    Raises:
        PicogenError: anything in the configuration that cannot work.
    """
    train, held_out = _open_splits(config, reporter)
    torch.manual_seed(config.seed)
    teacher = None
    if config.teacher_ckpt:
        teacher = load_model(config.teacher_ckpt, device, reporter, config.teacher_storage)
    objective = build_objective(config.loss, teacher is not None)
    model = GenericStudent(config.model_config_for(teacher.config.d_model if teacher else None))
    model.to(device).train()
    if teacher is not None:
        _check_context(config, teacher)
    if config.checkpoint_gradients:
        recompute_layers(model)
    if config.compile and device.type == "cuda":
        compile_parts(model)
    elif config.compile:
        reporter.message(f"compile=true is left out: on {device.type} it costs more than it gains.")
    return Parts(
        train=train,
        held_out=held_out,
        model=model,
        teacher=teacher,
        objective=objective,
        optimizer=make_optimizer(config.optimizer, model, config.lr, config.weight_decay),
        origin={
            "teacher": {"path": str(config.teacher_ckpt), "sha256": digest(config.teacher_ckpt)}
            if config.teacher_ckpt
            else None,
            "data": {"path": str(config.data), "pieces": len(train), "sha256": train.digest()},
        },
    )


def original_keys(data: Dataset) -> Dataset:
    """Each piece once, in the key its source has: evaluation does not count transpositions."""
    return data.select([i for i, row in enumerate(data.rows) if row.get("original", True)])


def _open_splits(config: TrainConfig, reporter: Reporter) -> tuple[Dataset, Dataset]:
    assert config.data is not None
    data = open_data(config.data)
    if config.eval_data is None:
        train, held_out = data.split("train"), original_keys(data.split("eval"))
        if not len(held_out) or not len(train):
            raise BadInput(
                f"{config.data}: its rows name no splits `train` and `eval`. "
                "Give --eval-data, or prepare it with picogen data."
            )
        return train, held_out
    held_out = open_data(config.eval_data)
    shared = shared_pieces(data, held_out)
    if shared:
        reporter.message(
            f"Warning: {shared} pieces of {config.eval_data} are in {config.data} too; "
            "the evaluation is not of unseen music."
        )
    return data, held_out


def _check_context(config: TrainConfig, teacher: GenericStudent) -> None:
    if config.max_patches > teacher.config.max_patches:
        raise ConfigError(
            f"max_patches={config.max_patches} is more than the teacher "
            f"{config.teacher_ckpt} has positions for ({teacher.config.max_patches}). "
            f"Use --set max_patches={teacher.config.max_patches}."
        )
