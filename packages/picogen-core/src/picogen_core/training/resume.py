"""Going on with a run: where it stood, and whether it is still the same run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.optim import Optimizer

from picogen_core.errors import BadCheckpoint, ConfigError
from picogen_core.model.checkpoint import load_model
from picogen_core.model.config import MANIFEST
from picogen_core.model.student import GenericStudent
from picogen_core.options import parse_options
from picogen_core.training.config import TrainConfig
from picogen_core.training.optimizers import unpack_optimizer
from picogen_core.training.state import STATE, Progress

MAY_CHANGE = {
    "epochs", "max_steps", "max_characters", "max_seconds", "max_cpu_seconds", "save_every",
    "save_minutes", "device", "exp_name", "output_dir", "data", "eval_data", "init", "cache_dir",
    "cache_limit", "samples", "sample_share", "track",
}  # fmt: skip
"""Settings that a resumed run may have otherwise; what data, teacher and init hold is checked by
digest."""


def last_checkpoint(run_dir: Path) -> Path | None:
    """What a run can go on from; between two renames it is called `last.before`."""
    folders = [run_dir / name for name in ("last", "last.before")]
    return next((folder for folder in folders if (folder / STATE).is_file()), None)


def restore(
    config: TrainConfig, folder: Path, model: GenericStudent, optimizer: Optimizer
) -> Progress:
    """Put model and optimizer back to the checkpoint `folder` of the run.

    Raises:
        BadCheckpoint: the checkpoint's training state is damaged.
        ConfigError: the run was started with other settings.
    """
    _check_settings(config)
    model.load_state_dict(load_model(folder).state_dict())
    try:
        unpack_optimizer(optimizer, load_file(folder / STATE))
        progress = Progress(**_manifest(folder)["progress"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(
            f"{folder}: its training state cannot be read ({error}). "
            "Start again with --force, or from its weights under another --exp-name."
        ) from None
    progress.best = _best_loss(config.run_dir)
    return progress


def _best_loss(run_dir: Path) -> float | None:
    """Of best/, which may be newer than last/ if the run was killed between saving the two."""
    for folder in (run_dir / "best", run_dir / "best.before"):
        try:
            best: float | None = _manifest(folder)["progress"]["best"]
            return best
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def check_origin(folder: Path, origin: Mapping[str, Any]) -> None:
    """Raises `ConfigError` if data, teacher or init are not those that the run began with."""
    manifest = _manifest(folder)
    for name in ("data", "teacher", "init"):
        before, now = manifest.get(name), origin[name]
        if (before or {}).get("sha256") != (now or {}).get("sha256"):
            raise ConfigError(
                f"{folder.parent} was started with another {name} ({(before or {}).get('path')}). "
                "Resume with the same, or use another --exp-name."
            )


def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return manifest


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
                f"Resume with: {config.resume_command}"
            )
