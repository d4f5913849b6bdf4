"""Import of large NotaGen files: their weights, as a checkpoint folder in the user's cache.

Two thirds of an official `.pth` are an optimizer's moments. The folder's name contains the file's
digest, so a moved or copied file is recognised. The digest of a path is cached by size and time, so
that 6 GB are not read at every start.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from picogen_core import __version__
from picogen_core.errors import BadCheckpoint, BadInput
from picogen_core.model.config import CONFIG, MANIFEST, WEIGHTS, Storage
from picogen_core.model.files.digests import file_digest, remembered, teachers_dir
from picogen_core.model.files.notagen import NotaGenFile, open_notagen
from picogen_core.model.files.pth import check_finite
from picogen_core.model.student import components
from picogen_core.runtime.locks import in_turn
from picogen_core.runtime.progress import Quiet, Reporter

_CHUNK = 8 << 20
_TYPES: dict[Storage, tuple[torch.dtype, str]] = {
    "fp32": (torch.float32, "F32"),
    "fp16": (torch.float16, "F16"),
}


def import_teacher(path: Path, storage: Storage = "fp32", reporter: Reporter | None = None) -> Path:
    """Return the checkpoint folder of a NotaGen `.pth`, written now unless it exists.

    A model reads it as float32. With `fp16` it takes half the space, with 11 bits of precision.

    Raises:
        BadCheckpoint: the file is not NotaGen's, or a tensor does not fit.
        BadInput: the cache cannot be written to.
    """
    reporter = reporter or Quiet()
    known = remembered(path)
    if known and (_folder(known, storage) / MANIFEST).is_file():
        return _folder(known, storage)
    file = open_notagen(path)
    sha256 = file_digest(path, reporter)
    folder = _folder(sha256, storage)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with in_turn(folder, reporter) as aside:
            if not (folder / MANIFEST).is_file():
                source = {"path": str(path.absolute()), "sha256": sha256}
                _write(folder, aside, path, file, source, storage, reporter)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        half = ", or --set teacher_storage=fp16 (half of it)" if storage == "fp32" else ""
        raise BadInput(
            f"{folder.parent}: the weights of {path.name} cannot be written "
            f"({'the disk is full' if full else error.strerror or error}). They take "
            f"{_bytes(file, storage) / 1e9:.2f} GB: make room, or set PICOGEN_CACHE to a folder "
            f"elsewhere{half}."
        ) from None
    return folder


def _folder(sha256: str, storage: Storage) -> Path:
    return teachers_dir() / f"{sha256[:32]}-{storage}"


def _write(
    folder: Path,
    aside: Path,
    path: Path,
    file: NotaGenFile,
    source: Mapping[str, str],
    storage: Storage,
    reporter: Reporter,
) -> None:
    total = _bytes(file, storage)
    if shutil.disk_usage(folder.parent).free < total + _CHUNK:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    reporter.message(
        f"Importing {path} once into {folder} ({total / 1e9:.2f} GB); later runs start from there."
    )
    reporter.start(f"Importing {path.name}", total / 1e6, "MB")
    try:
        with (aside / WEIGHTS).open("wb") as target:
            _write_tensors(target, path, file, storage, lambda done: reporter.advance(done / 1e6))
        manifest = {
            "picogen": __version__,
            "source": source,
            "components": components(file.config),
        }
        for name, values in ((CONFIG, file.config.model_dump()), (MANIFEST, manifest)):
            (aside / name).write_text(json.dumps(values, indent=1) + "\n")
        for written in aside.iterdir():
            with written.open("rb+") as handle:
                os.fsync(handle.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    except BaseException:
        for left in aside.glob("*"):
            left.unlink()
        raise
    reporter.finish()


def _bytes(file: NotaGenFile, storage: Storage) -> int:
    width = _TYPES[storage][0].itemsize
    return width * sum(tensor.numel() for tensor in file.tensors.values())


def _write_tensors(
    target: BinaryIO,
    path: Path,
    file: NotaGenFile,
    storage: Storage,
    on_bytes: Callable[[int], None],
) -> None:
    """Write a safetensors file, one tensor at a time: length of the header, header, numbers."""
    dtype, code = _TYPES[storage]
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in file.tensors.items():
        begin, end = end, end + dtype.itemsize * tensor.numel()
        header[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    target.write(struct.pack("<Q", len(text)) + text)
    done = 0
    for name, tensor in file.tensors.items():
        check_finite(name, tensor, path)
        values = tensor.to(dtype).contiguous()
        if not torch.isfinite(values).all():
            raise BadCheckpoint(
                f"{path}: tensor {name} has numbers too large for fp16. "
                "Use --set teacher_storage=fp32."
            )
        target.write(values.numpy().data)
        done += values.nbytes
        on_bytes(done)
