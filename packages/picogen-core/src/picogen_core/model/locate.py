"""The meaning of a path to a checkpoint: its config, weights, manifest and digest.

A path is a run, a checkpoint folder, its `model.safetensors`, a NotaGen `.pth`, the name of shipped
weights, or `hf:OWNER/REPO[/FILE]`. Only `Checkpoint.model` and its users load torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from picogen_core.errors import BadCheckpoint
from picogen_core.model.config import CONFIG, MANIFEST, WEIGHTS, ModelConfig, Storage
from picogen_core.model.files import digests
from picogen_core.model.files.folder import read_arrays, read_config
from picogen_core.model.files.hub import PLACES, local_path
from picogen_core.plugins.registry import registry
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.runtime.progress import Reporter
from picogen_core.runtime.reading import read_json

if TYPE_CHECKING:
    from picogen_core.model.student import GenericStudent


class Checkpoint(ABC):
    """A checkpoint that was found: `path` as it was given, `file` with its weights."""

    def __init__(self, path: Path | str, file: Path) -> None:
        self.path, self.file = path, file
        self._model: GenericStudent | None = None

    @cached_property
    def config(self) -> ModelConfig:
        """Configuration of the model.

        Raises:
            BadCheckpoint: the file is no checkpoint, or one of another program.
            ConfigError: an option in it does not fit.
        """
        return self._read_config()

    def model(self, device: Any = "cpu") -> GenericStudent:
        """Return the model on a device, in evaluation mode and float32: one object for all calls.

        Raises:
            BadCheckpoint: tensors are missing, extra or of another shape, or not finite.
            BadInput: a big `.pth` cannot be imported, as the cache cannot be written to.
        """
        if self._model is None:
            self._model = self._load()
        return self._model.to(device)

    def digest(self) -> str:
        """Return the sha256 of the file of weights."""
        return digests.file_digest(self.file)

    def manifest(self) -> dict[str, Any]:
        """Return the manifest that training wrote; empty without one that can be read."""
        return {}

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the tensors by name, in float32. Raises `BadCheckpoint` as `model` does."""

    @abstractmethod
    def _read_config(self) -> ModelConfig: ...

    @abstractmethod
    def _load(self) -> GenericStudent: ...


class FolderCheckpoint(Checkpoint):
    """A folder with `model.safetensors`, `config.json` and perhaps `manifest.json`."""

    def __init__(self, path: Path | str, folder: Path) -> None:
        super().__init__(path, folder / WEIGHTS)
        self.folder = folder

    def manifest(self) -> dict[str, Any]:
        try:
            manifest = read_json(self.folder / MANIFEST)
        except (OSError, ValueError):
            return {}
        return manifest if isinstance(manifest, dict) else {}

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        return read_arrays(self.folder)

    def _read_config(self) -> ModelConfig:
        return read_config(self.folder)

    def _load(self) -> GenericStudent:
        from picogen_core.model.files.weights import load_folder

        return load_folder(self.folder)


class PthCheckpoint(Checkpoint):
    """A NotaGen `.pth`. A big one is imported into the user's cache on first use."""

    def __init__(
        self, file: Path, path: Path | str, reporter: Reporter | None, storage: Storage
    ) -> None:
        super().__init__(path, file)
        self._reporter, self._storage = reporter, storage

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        return {name: t.float().numpy() for name, t in self.model().state_dict().items()}

    def _read_config(self) -> ModelConfig:
        if self._is_small:
            from picogen_core.model.files.notagen import open_notagen

            return open_notagen(self.file).config
        return read_config(self._imported())

    def _load(self) -> GenericStudent:
        if self._is_small:
            from picogen_core.model.files.notagen import read_notagen

            return read_notagen(self.file)
        from picogen_core.model.files.weights import load_folder

        # The cache's files are never changed in place, so the model may map them.
        return load_folder(self._imported(), share=True)

    @property
    def _is_small(self) -> bool:
        return self.file.stat().st_size < digests.SMALL

    def _imported(self) -> Path:
        from picogen_core.model.files.imported import import_teacher

        return import_teacher(self.file, self._storage, self._reporter)


def locate(
    path: Path | str, reporter: Reporter | None = None, storage: Storage = "fp32"
) -> FolderCheckpoint | PthCheckpoint:
    """Return the checkpoint of a path: best/ of a run, else last/.

    A file of another kind is refused when it is read.

    Raises:
        BadCheckpoint: there is none, or it cannot be fetched.
    """
    place = local_path(path)
    if not place.is_file():
        return FolderCheckpoint(path, _find_folder(place))
    if place.name == WEIGHTS and (place.parent / CONFIG).is_file():
        return FolderCheckpoint(path, place.parent)
    return PthCheckpoint(place, path, reporter, storage)


def _find_folder(path: Path) -> Path:
    """Return the folder of weights of a run or checkpoint.

    A run that was killed between two renames still has its checkpoint in `….before`.
    """
    for folder in (path / part for part in PLACES):
        if (folder / WEIGHTS).is_file() and (folder / CONFIG).is_file():
            return folder
    what = "no such file or folder" if not path.exists() else f"no {WEIGHTS} with a {CONFIG} in it"
    names = tuple(registry().weights())
    shipped = f", or a shipped model: {', '.join(names)}" if names else ""
    raise BadCheckpoint(
        f"{path}: {what}.{did_you_mean(str(path), names)} Give a run folder (checkpoints/NAME), a "
        f"checkpoint folder, a NotaGen .pth file, hf:OWNER/REPO[/FILE]{shipped}."
    )
