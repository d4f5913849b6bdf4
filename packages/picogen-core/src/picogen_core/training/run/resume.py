"""Resuming a run: its last state, and the check that its settings are the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from safetensors.torch import load_file
from torch.optim import Optimizer

from picogen_core.errors import BadCheckpoint, ConfigError, reason
from picogen_core.model.checkpoint import load_model
from picogen_core.model.config import MANIFEST
from picogen_core.model.files.folder import read_shapes
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.options import parse_options
from picogen_core.runtime.reading import parse_toml, read_json, read_text
from picogen_core.training.config import TrainConfig
from picogen_core.training.optimizers import unpack_optimizer
from picogen_core.training.state import STATE, Progress, read_progress

MAY_CHANGE = {
    "epochs", "max_steps", "max_characters", "max_seconds", "max_cpu_seconds", "save_every",
    "save_minutes", "device", "exp_name", "output_dir", "data", "eval_data", "init", "cache_dir",
    "cache_limit", "samples", "sample_share", "track",
}  # fmt: skip
"""Settings that a resumed run may change; data, teacher and init are checked by digest."""


class Source(BaseModel):
    """Path and digest of data or weights, from a manifest."""

    path: str | None = None
    sha256: str | None = None


class Origin(BaseModel):
    """Data, teacher and init of a run, from a manifest."""

    data: Source | None = None
    teacher: Source | None = None
    init: Source | None = None


def last_checkpoint(run_dir: Path) -> Path | None:
    """Return the checkpoint to resume from; between two renames it is `last.before`."""
    folders = [run_dir / name for name in ("last", "last.before")]
    return next((folder for folder in folders if (folder / STATE).is_file()), None)


def restore(
    config: TrainConfig, folder: Path, model: GenericStudent, optimizer: Optimizer
) -> Progress:
    """Restore model and optimizer from the run's checkpoint `folder`; return the progress.

    Raises:
        BadCheckpoint: the checkpoint's training state is damaged.
        ConfigError: the run was started with other settings.
    """
    _check_settings(config)
    model.load_state_dict(load_model(folder).state_dict())
    try:
        read_shapes(folder / STATE)
        unpack_optimizer(optimizer, load_file(folder / STATE))
        progress = read_progress(_manifest(folder))
    except Exception as error:  # a damaged state can make torch raise anything
        raise BadCheckpoint(
            f"{folder}: its training state cannot be read ({reason(error)}). "
            "Start again with --force, or from its weights under another --exp-name."
        ) from None
    progress.best = _best_loss(config.run_dir)
    return progress


def _best_loss(run_dir: Path) -> float | None:
    """Return the loss of best/, which is newer than last/ if a kill came between the two."""
    for folder in (run_dir / "best", run_dir / "best.before"):
        try:
            return read_progress(_manifest(folder)).best
        except (OSError, ValueError):
            continue
    return None


def check_origin(folder: Path, origin: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if data, teacher or init differ from those of the run's start."""
    try:
        manifest = Origin.model_validate(_manifest(folder))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{folder / MANIFEST}: cannot be read ({reason(error)}).") from None
    for name in ("data", "teacher", "init"):
        before, now = getattr(manifest, name) or Source(), origin[name]
        if before.sha256 != (now or {}).get("sha256"):
            raise ConfigError(
                f"{folder.parent} was started with another {name} ({before.path}). "
                "Resume with the same, or use another --exp-name."
            )


def _manifest(folder: Path) -> dict[str, Any]:
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict):
        raise ValueError(f"{MANIFEST} is no table")
    return manifest


def _check_settings(config: TrainConfig) -> None:
    file = config.run_dir / "config.toml"
    try:
        stored = parse_toml(read_text(file))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{file}: cannot be read ({reason(error)}).") from None
    before = parse_options(TrainConfig, stored, str(file)).model_dump()
    for name, value in config.model_dump().items():
        if name not in MAY_CHANGE and value != before[name]:
            raise ConfigError(
                f"the run {config.run_dir} was started with {name}={before[name]}, not {value}. "
                f"Resume with: {config.resume_command}"
            )
