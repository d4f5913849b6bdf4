"""Build the parts of a run from its configuration: data, models, objective, optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.checkpoint import checkpoint

from picogen_core.data.crops import Crops, fixed_crops
from picogen_core.data.headers import count_headers
from picogen_core.data.prepared.index import open_all, shared_pieces
from picogen_core.data.prepared.store import Dataset
from picogen_core.data.tags import count_tags
from picogen_core.errors import BadInput, ConfigError
from picogen_core.model.checkpoint import load_model
from picogen_core.model.heads.teacher import copy_teacher_head, with_teacher_head
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import registry
from picogen_core.runtime.progress import Reporter
from picogen_core.training.config import TrainConfig
from picogen_core.training.dry_run.contract import check_contract
from picogen_core.training.initial_weights import initial_record, start_from
from picogen_core.training.objective import Objective, build_objective
from picogen_core.training.optimizers import make_optimizer
from picogen_core.training.own_text.source import make_source, prepare_own_text
from picogen_core.training.step_batches import BatchSource
from picogen_core.training.teacher.cache import open_outputs
from picogen_core.training.teacher.outputs import OutputSource

_LICENCES = 20  # named in a manifest


@dataclass(frozen=True)
class RunParts:
    """The parts of a run. `origin` identifies data and teacher in the manifest.

    An epoch is the `crops`, or a random crop of each piece of `train` if they are None. `source`
    chooses what a step learns from.
    """

    train: Dataset
    crops: Crops | None
    held_out: Dataset
    model: GenericStudent
    teacher_outputs: OutputSource | None
    source: BatchSource
    objective: Objective
    optimizer: Optimizer
    origin: dict[str, Any]


def build_parts(
    config: TrainConfig, device: torch.device, reporter: Reporter, resume_from: Path | None = None
) -> RunParts:
    """Return all parts on the device, the model in training mode.

    Its weights are those of `config.init`, or seeded ones. A run that is `resume_from` from a
    checkpoint loads that checkpoint's weights later.

    Raises:
        PicogenError: a wrong configuration.
    """
    train, held_out = _open_splits(config, reporter)
    torch.manual_seed(config.seed)
    teacher = None
    if config.teacher_ckpt:
        teacher = load_model(config.teacher_ckpt, device, reporter, config.teacher_storage)
    objective = build_objective(config.loss, teacher is not None)
    initial = initial_record(config, resume_from)
    model = _make_student(config, teacher, objective.wants_hidden)
    if config.init and resume_from is None:
        start_from(model, config, reporter)
    copy_teacher_head(model, teacher)
    _freeze(model, config, reporter)
    model.to(device).train()
    crops = fixed_crops(train, config.max_patches) if config.crops == "fixed" else None
    live = prepare_own_text(config, objective, teacher, train, reporter)
    taught_by = locate(config.teacher_ckpt).digest() if config.teacher_ckpt else None
    teacher_outputs = live
    needed = objective.wants_logits or objective.wants_hidden
    if teacher is not None and taught_by is not None and needed and config.on_policy < 1:
        teacher_outputs = open_outputs(
            config, teacher, taught_by, train, crops, objective, reporter
        )
    check_contract(model, objective, teacher_outputs, train, device)
    if config.checkpoint_gradients:
        recompute_layers(model)
    if config.compile and device.type == "cuda":
        compile_parts(model)
    elif config.compile:
        reporter.message(f"compile=true is ignored: on {device.type} it costs more than it gains.")
    return RunParts(
        train=train,
        crops=crops,
        held_out=held_out,
        model=model,
        teacher_outputs=teacher_outputs,
        source=make_source(config, model, objective, teacher_outputs, live),
        objective=objective,
        optimizer=make_optimizer(config.optimizer, model, config.lr, config.weight_decay),
        origin={
            "teacher": taught_by and {"path": str(config.teacher_ckpt), "sha256": taught_by},
            "init": initial,
            "frozen": list(config.freeze),
            "tags": count_tags(train),
            "headers": count_headers(train).as_json(),
            "data": _data_origin(config.data, train),
            "eval_data": _data_origin(config.eval_data or config.data, held_out),
        },
    )


def _data_origin(paths: Path | tuple[Path, ...] | None, data: Dataset) -> dict[str, Any]:
    licences = sorted({str(row["licence"]) for row in data.rows if "licence" in row})
    return {
        "path": _names(paths),
        "pieces": len(data),
        "sha256": data.digest(),
        "licences": licences[:_LICENCES],
    }


def _listed(paths: Path | tuple[Path, ...] | None) -> tuple[Path, ...]:
    return paths if isinstance(paths, tuple) else () if paths is None else (paths,)


def _names(paths: Path | tuple[Path, ...] | None) -> str:
    return ", ".join(map(str, _listed(paths)))


def _open_splits(config: TrainConfig, reporter: Reporter) -> tuple[Dataset, Dataset]:
    data = open_all(_listed(config.data))
    if config.eval_data is None:
        train, held_out = data.split("train"), data.split("eval").in_source_keys()
        if not len(held_out) or not len(train):
            raise BadInput(
                f"{_names(config.data)}: its rows name no splits `train` and `eval`. Perhaps all "
                "its music is one piece with its variants. Give --eval-data, or prepare more of it."
            )
        return train, held_out
    held_out = open_all(_listed(config.eval_data))
    shared = shared_pieces(data, held_out)
    if shared:
        reporter.message(
            f"Warning: {shared} pieces of {_names(config.eval_data)} are in {_names(config.data)} "
            "too; the evaluation is not of unseen music."
        )
    return data, held_out


def _make_student(
    config: TrainConfig, teacher: GenericStudent | None, wants_hidden: bool
) -> GenericStudent:
    if teacher is None:
        return GenericStudent(config.model_config_for(None))
    _check_context(config, teacher)
    parts = config.model_config_for(teacher.config.d_model if wants_hidden else None)
    return GenericStudent(with_teacher_head(parts, teacher.config))


def _freeze(model: GenericStudent, config: TrainConfig, reporter: Reporter) -> None:
    if not config.freeze:
        return
    model.freeze(config.freeze)
    trained, all_of_them = model.trained_parameter_count(), model.parameter_count()
    frozen = ", ".join(config.freeze)
    if not trained:
        raise ConfigError(
            f"freeze: with {frozen} frozen nothing is trained. Leave one of them out."
        )
    reporter.message(
        f"Training {trained:,} of {all_of_them:,} parameters "
        f"({trained / all_of_them:.0%}); frozen: {frozen}."
    )


def _check_context(config: TrainConfig, teacher: GenericStudent) -> None:
    """Raise `ConfigError` if pieces are longer than a teacher with a fixed context can read."""
    recurrent = registry().get("backbone", teacher.config.backbone).spec.recurrent
    if config.max_patches > teacher.config.max_patches and not recurrent:
        raise ConfigError(
            f"max_patches={config.max_patches} is more than the teacher "
            f"{config.teacher_ckpt} has positions for ({teacher.config.max_patches}). "
            f"Use --set max_patches={teacher.config.max_patches}."
        )


def recompute_layers(model: GenericStudent) -> None:
    """Recompute each layer in the backward pass, so that only its input is kept.

    Layers are the members of the outermost `ModuleList`s of backbone and head. A part without one
    is a single layer. Dropout draws the same numbers again.
    """
    for part in (model.backbone, model.head):
        for layer in list(_layers(part)) or [part]:
            layer.forward = _recomputed(layer.forward)


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        yield from child if isinstance(child, nn.ModuleList) else _layers(child)


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run


def compile_parts(model: GenericStudent) -> None:
    """Apply torch.compile in place, so that tensor names stay; sequence lengths are dynamic."""
    for part in (model.backbone, model.head):
        part.compile(dynamic=True)
