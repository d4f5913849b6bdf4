"""Going on with a run: where it stood, and whether it is still the same run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from picogen_core.errors import BadCheckpoint, BadInput, ConfigError
from picogen_core.model.checkpoint import load_model
from picogen_core.model.config import MANIFEST
from picogen_core.model.student import GenericStudent
from picogen_core.options import parse_options
from picogen_core.training.config import TrainConfig
from picogen_core.training.state import STATE, Progress, unpack_optimizer

MAY_CHANGE = {"epochs", "max_seconds", "device", "exp_name", "output_dir", "data", "eval_data"}
"""Settings that a resumed run may have otherwise; the data's content is checked by digest."""


def restore(config: TrainConfig, model: GenericStudent, optimizer: torch.optim.AdamW) -> Progress:
    """Put model and optimizer back to the run's last checkpoint.

    Raises:
        BadInput: there is nothing to resume.
        BadCheckpoint: the checkpoint's training state is damaged.
        ConfigError: the run was started with other settings.
    """
    folders = [config.run_dir / name for name in ("last", "last.before")]
    folder = next((folder for folder in folders if (folder / STATE).is_file()), None)
    if folder is None:
        raise BadInput(f"{config.run_dir}: no checkpoint to resume from. Start without --resume.")
    _check_settings(config)
    model.load_state_dict(load_model(folder).state_dict())
    try:
        unpack_optimizer(optimizer, load_file(folder / STATE))
        manifest = json.loads((folder / MANIFEST).read_text())
        progress = Progress(**manifest["progress"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(
            f"{folder}: its training state cannot be read ({error}). "
            "Start again with --force, or from its weights under another --exp-name."
        ) from None
    if not (config.run_dir / "best").is_dir():
        progress.best = float("inf")
    return progress


def check_origin(run_dir: Path, origin: Mapping[str, Any]) -> None:
    """Raises `ConfigError` if data or teacher are not those that the run was started with."""
    folder = next(path for path in (run_dir / "last", run_dir / "last.before") if path.is_dir())
    manifest = json.loads((folder / MANIFEST).read_text())
    for name in ("data", "teacher"):
        before, now = manifest.get(name), origin[name]
        if (before or {}).get("sha256") != (now or {}).get("sha256"):
            raise ConfigError(
                f"{run_dir} was started with another {name} ({(before or {}).get('path')}). "
                "Resume with the same, or use another --exp-name."
            )


def _check_settings(config: TrainConfig) -> None:
    file = config.run_dir / "config.toml"
    try:
        stored = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadCheckpoint(f"{file}: cannot be read ({error}).") from None
    before = parse_options(TrainConfig, stored, str(file)).model_dump()
    for name, value in config.model_dump().items():
        if name not in MAY_CHANGE and value != before[name]:
            raise ConfigError(
                f"the run {config.run_dir} was started with {name}={before[name]}, not {value}. "
                f"Resume with: picogen train --config {file} --resume"
            )
