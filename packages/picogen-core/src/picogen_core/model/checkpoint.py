"""Checkpoints: `model.safetensors`, `config.json` and `manifest.json` in one folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from picogen_core.errors import BadCheckpoint, BadInput, PicogenError
from picogen_core.files import flush
from picogen_core.model.config import ModelConfig
from picogen_core.model.notagen import read_notagen
from picogen_core.model.student import GenericStudent
from picogen_core.options import parse_options
from picogen_core.registry import registry

WEIGHTS, CONFIG, MANIFEST = "model.safetensors", "config.json", "manifest.json"


def save_checkpoint(
    folder: Path,
    model: GenericStudent,
    manifest: dict[str, Any],
    extra: dict[str, dict[str, torch.Tensor]] | None = None,
) -> None:
    """Write aside, flush, rename: `folder` holds the old checkpoint or the new one, never half.

    `extra` are further tensor files by name (the training state), apart from the model.

    Raises:
        BadInput: it cannot be written; the checkpoint that was there is whole.
    """
    files = {WEIGHTS: model.state_dict(), **(extra or {})}
    texts = {CONFIG: model.config.model_dump(), MANIFEST: manifest}
    before, aside = _beside(folder)
    try:
        settle(folder)
        aside.mkdir(parents=True)
        for name, tensors in files.items():
            save_file({k: t.detach().cpu().contiguous() for k, t in tensors.items()}, aside / name)
        for name, values in texts.items():
            (aside / name).write_text(json.dumps(values, indent=1) + "\n")
        for path in (*aside.iterdir(), aside):
            flush(path)
        if folder.exists():
            folder.rename(before)
        aside.rename(folder)
        flush(folder.parent)
        settle(folder)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            settle(folder)
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{folder} cannot be written: {reason}.") from None


def settle(folder: Path) -> None:
    """Put in order what a killed process may have left beside a checkpoint: of two whole ones the
    newer stays, and what was being written goes."""
    before, aside = _beside(folder)
    if before.exists() and not folder.exists():
        before.rename(folder)
    shutil.rmtree(before, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)


def _beside(folder: Path) -> tuple[Path, Path]:
    """Where the old checkpoint and the new one are while they change places."""
    return folder.with_name(folder.name + ".before"), folder.with_name(folder.name + ".writing")


def find_checkpoint(path: Path) -> Path:
    """The folder of weights that `path` means: a checkpoint, or a run's best/ or last/.

    A run that was stopped between two renames still has its checkpoint in `….before`.

    Raises:
        BadCheckpoint: there is none.
    """
    names = ("best", "last", "best.before", "last.before")
    candidates = [path, *(path / name for name in names)]
    for folder in candidates:
        if (folder / WEIGHTS).is_file() and (folder / CONFIG).is_file():
            return folder
    what = "no such file or folder" if not path.exists() else f"no {WEIGHTS} with a {CONFIG} in it"
    raise BadCheckpoint(
        f"{path}: {what}. Give a run folder (checkpoints/NAME), a checkpoint folder, "
        "or a NotaGen .pth file."
    )


def load_model(path: Path, device: torch.device | str = "cpu") -> GenericStudent:
    """A run, a checkpoint folder, or a NotaGen `.pth`, in evaluation mode. Nothing is unpickled.

    Raises:
        BadCheckpoint: not a checkpoint, or tensors that are missing, extra or of another shape.
    """
    if path.is_file():
        return read_notagen(path).to(device).eval()
    folder = find_checkpoint(path)
    try:
        values = json.loads((folder / CONFIG).read_text())
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise BadCheckpoint(f"{folder}: cannot be read ({error}). Is it a whole copy?") from None
    config = _pinned(parse_options(ModelConfig, values, f"{folder / CONFIG}"), folder)
    try:
        model = GenericStudent(config)
    except PicogenError as error:
        raise BadCheckpoint(f"{folder}: {error}") from None
    check_tensors(model, tensors, folder / WEIGHTS)
    model.load_state_dict(tensors)
    return model.to(device).eval()


def _pinned(config: ModelConfig, folder: Path) -> ModelConfig:
    """Parts whose name two distributions claim, by the distribution that the manifest names."""
    manifest = folder / MANIFEST
    made = json.loads(manifest.read_text()).get("components", {}) if manifest.is_file() else {}
    pins = {}
    for kind in ("backbone", "head"):
        name = getattr(config, kind)
        namesakes = [entry for entry in registry().all(kind) if entry.name == name]
        if len(namesakes) > 1 and kind in made:
            pins[kind] = f"{name}@{made[kind]['distribution']}"
    return config.model_copy(update=pins)


def check_tensors(model: torch.nn.Module, tensors: dict[str, torch.Tensor], source: Path) -> None:
    """Raises `BadCheckpoint` for the first tensor that is missing, extra or of another shape."""
    wanted = model.state_dict()
    for name, tensor in wanted.items():
        if name not in tensors:
            raise BadCheckpoint(
                f"{source}: tensor {name} is missing. Is it a checkpoint of this model?"
            )
        if tensors[name].shape != tensor.shape:
            raise BadCheckpoint(
                f"{source}: tensor {name} has shape {list(tensors[name].shape)}, "
                f"the model needs {list(tensor.shape)}."
            )
    extra = sorted(set(tensors) - set(wanted))
    if extra:
        raise BadCheckpoint(
            f"{source}: {len(extra)} tensors that the model has not, first {extra[0]}."
        )


def digest(path: Path) -> str:
    """sha256 of a file, or of the weights of a checkpoint folder."""
    file = path if path.is_file() else find_checkpoint(path) / WEIGHTS
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
