"""Checkpoints: `model.safetensors`, `config.json` and `manifest.json` in one folder."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from picogen_core.errors import BadInput
from picogen_core.model.config import CONFIG, MANIFEST, WEIGHTS, Storage
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.runtime.files import flush, mode
from picogen_core.runtime.progress import Reporter


def save_checkpoint(
    folder: Path,
    model: GenericStudent,
    manifest: dict[str, Any],
    extra: dict[str, dict[str, torch.Tensor]] | None = None,
) -> None:
    """Write a checkpoint atomically: `folder` holds the old one or the new one, never a part.

    `extra` are further tensor files by name (the training state), apart from the model.

    Raises:
        BadInput: it cannot be written; the old checkpoint is unchanged.
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
        for path in aside.iterdir():
            path.chmod(mode())  # safetensors makes files that only their owner may read
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
    """Clean up after a killed process: keep the newer complete checkpoint alone."""
    before, aside = _beside(folder)
    if before.exists() and not folder.exists():
        before.rename(folder)
    shutil.rmtree(before, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)


def _beside(folder: Path) -> tuple[Path, Path]:
    """Return the temporary folders of the old and the new checkpoint during a save."""
    return folder.with_name(folder.name + ".before"), folder.with_name(folder.name + ".writing")


def load_model(
    path: Path | str,
    device: torch.device | str = "cpu",
    reporter: Reporter | None = None,
    storage: Storage = "fp32",
) -> GenericStudent:
    """Return a model in evaluation mode and float32. Nothing is unpickled.

    `path` is a run, a checkpoint folder, a NotaGen `.pth`, or one of them as
    `hf:OWNER/REPO[/FILE]`. A large `.pth` is first imported into the user's cache, once, in the
    precision of `storage`.

    Raises:
        BadCheckpoint: not a checkpoint, or tensors are missing, extra or misshapen.
        BadInput: the cache cannot be written to.
    """
    return locate(path, reporter, storage).model(device)
