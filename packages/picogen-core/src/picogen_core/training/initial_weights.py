"""`--init`: start a run from the architecture and weights of a checkpoint, and record it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picogen_core.data.headers import known_headers
from picogen_core.data.tags import known_tags
from picogen_core.errors import BadCheckpoint, ConfigError
from picogen_core.model.checkpoint import load_model
from picogen_core.model.config import ModelConfig
from picogen_core.model.files.weights import check_tensors
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import registry
from picogen_core.runtime.progress import Reporter
from picogen_core.training.config import TrainConfig
from picogen_core.training.run.folder import Resume
from picogen_core.training.run.resume import last_checkpoint

PROJECTOR = "projector."


def adopt(config: TrainConfig, resume: Resume, reporter: Reporter | None = None) -> TrainConfig:
    """Return the configuration with the architecture of `init`, or of the run if it is resumed.

    Options of backbone and head may differ; loading the weights later checks that they fit.
    Without `init` the configuration stays unchanged.

    Raises:
        BadCheckpoint: `init` is not a checkpoint.
        ConfigError: the given width, backbone or head differs from that of `init`.
    """
    if config.init is None:
        return config
    source = last_checkpoint(config.run_dir) if resume != "never" else None
    if source is None and _within(config.init, config.run_dir):
        raise ConfigError(
            f"init={config.init} lies in the folder of the run itself. Choose another --exp-name, "
            "or continue the run: --resume auto."
        )
    model = locate(source or config.init, reporter, config.teacher_storage).config
    where = str(source or config.init)
    given = config.model_fields_set
    if "d_model" in given and config.d_model != model.d_model:
        raise ConfigError(
            f"d_model={config.d_model}, but {where} has {model.d_model}. Leave d_model out."
        )
    longest = config.max_patches if "max_patches" in given else model.max_patches
    return config.model_copy(
        update={
            "d_model": model.d_model,
            "max_patches": longest,
            "backbone": _table("backbone", config, model, where),
            "head": _table("head", config, model, where),
        }
    )


def start_from(student: GenericStudent, config: TrainConfig, reporter: Reporter) -> None:
    """Load the weights of `config.init` into a new student.

    A projector to the teacher's width is loaded if it fits; else it keeps its seeded weights, or is
    dropped.

    Raises:
        BadCheckpoint: `init` is not a checkpoint.
        ConfigError: the weights do not fit the changed options, or `init` has too few positions.
    """
    assert config.init is not None
    source = load_model(config.init, "cpu", reporter, config.teacher_storage)
    changes = _changes(source.config, student.config)
    tensors = {k: t for k, t in source.state_dict().items() if not k.startswith(PROJECTOR)}
    own = {k: t for k, t in student.state_dict().items() if k.startswith(PROJECTOR)}
    for name, tensor in own.items():
        before = source.state_dict().get(name)
        tensors[name] = before if before is not None and before.shape == tensor.shape else tensor
    try:
        check_tensors(student, tensors, config.init)
    except BadCheckpoint as error:
        if not changes:
            raise
        raise ConfigError(
            f"{error} Change only options that keep the tensors' shapes, such as dropout; "
            f"changed: {changes}."
        ) from None
    student.load_state_dict(tensors)
    _check_positions(student, source.config.max_patches, config)
    if changes:
        reporter.message(f"{config.init} is loaded with changed options: {changes}.")


def initial_record(config: TrainConfig, resume_from: Path | None) -> dict[str, Any] | None:
    """Return the manifest's entry for `init`: path, digest, and its earlier training.

    A resumed run does not need the file; if it is gone, the run's own record is kept.
    """
    if config.init is None:
        return None
    try:
        init = locate(config.init)
        sha256, manifest = init.digest(), init.manifest()
    except BadCheckpoint:
        if resume_from is None:
            raise
        record: dict[str, Any] | None = locate(resume_from).manifest().get("init")
        return record
    headers = known_headers(manifest)
    return {
        "path": str(config.init),
        "sha256": sha256,
        "tags": known_tags(manifest),
        **({"headers": headers.as_json()} if headers else {}),
    }


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _table(kind: str, config: TrainConfig, model: ModelConfig, where: str) -> dict[str, Any]:
    """Return name and options of the backbone or head: the checkpoint's, overridden by given ones.

    All options are present, as in the run's own checkpoints; TOML has no None.
    """
    name, options = getattr(model, kind), getattr(model, f"{kind}_options")
    given = getattr(config, kind) if kind in config.model_fields_set else {}
    wanted = given.get("name", name)
    if wanted.partition("@")[0] != name.partition("@")[0]:
        raise ConfigError(
            f"{kind} {wanted!r} was requested, but {where} has {name!r}. Leave --{kind} out."
        )
    chosen = options | {key: value for key, value in given.items() if key != "name"}
    filled = registry().get(kind, wanted).options(chosen).model_dump(mode="json")
    return {"name": name if wanted == name.partition("@")[0] else wanted, **_without_none(filled)}


def _without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(value) if isinstance(value, Mapping) else value
        for name, value in options.items()
        if value is not None
    }


def _changes(before: ModelConfig, after: ModelConfig) -> str:
    """Return the changed options, like `backbone.dropout 0.1 -> 0.0`."""
    return ", ".join(
        f"{kind}.{name} {old} -> {getattr(after, f'{kind}_options').get(name)}"
        for kind in ("backbone", "head")
        for name, old in getattr(before, f"{kind}_options").items()
        if getattr(after, f"{kind}_options").get(name) != old
    )


def _check_positions(student: GenericStudent, fitting: int, config: TrainConfig) -> None:
    if config.max_patches <= fitting:
        return
    try:
        student.initial_state(1, config.max_patches)
    except ConfigError:
        raise ConfigError(
            f"max_patches={config.max_patches} is more than {config.init} has positions for. "
            f"Use --set max_patches={fitting}, or leave it out."
        ) from None
