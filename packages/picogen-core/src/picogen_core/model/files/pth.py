"""Untrusted `.pth` files: their tensors, read without executing code or allocating by their claims.

The zipped format is mapped, so that an unused tensor is never read. The format before torch 1.6 can
only be read whole.
"""

from __future__ import annotations

import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from picogen_core.errors import BadCheckpoint
from picogen_core.runtime.reading import open_file

WANTED = "A NotaGen checkpoint is a .pth file with a 'model' in it."

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_GLOBAL = re.compile(r"(?:GLOBAL|Unsupported class) ([\w.]+)")
_SCANNED = 1 << 20
_MAX_PICKLE = 32 << 20
_LEGACY_PICKLES = 5  # of the format before torch 1.6: magic, version, system, tensors, names
_ALLOCATING = {("builtins", "bytearray"), ("_codecs", "encode"), ("torch", "Tensor")}


def read_pth(path: Path) -> dict[str, Tensor]:
    """Return the tensors below 'model', or all of a file of plain tensors, mapped from the file.

    Raises:
        BadCheckpoint: another kind of file, named in the message.
    """
    try:
        with open_file(path) as file:
            start = file.read(_SCANNED)
    except FileNotFoundError:
        raise BadCheckpoint(f"{path}: there is no such file. {WANTED}") from None
    except OSError as error:
        raise BadCheckpoint(f"{path}: cannot be read ({error.strerror}).") from None
    if not start:
        raise BadCheckpoint(f"{path}: the file is empty. Fetch it again.")
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 30:
        raise BadCheckpoint(
            f"{path}: a safetensors file. A teacher is a NotaGen .pth, or the run or checkpoint "
            "folder that PiCo-Gen wrote."
        )
    _refuse_bomb(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on pickle protocols that torch did not write
            stored: Any = torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except Exception as error:  # a damaged file can make the reader raise anything
        raise BadCheckpoint(f"{path}: {_what_is(start, error)}") from None
    model = stored.get("model", stored) if isinstance(stored, Mapping) else None
    if (
        not isinstance(model, Mapping)
        or not model
        or not all(isinstance(tensor, Tensor) for tensor in model.values())
    ):
        raise BadCheckpoint(f"{path}: it holds no 'model' with tensors. {WANTED}")
    return {str(name): tensor.detach() for name, tensor in model.items()}


def _refuse_bomb(path: Path) -> None:
    """Raise `BadCheckpoint` for a file that would take more memory than it has bytes.

    torch writes no compressed members, and no pickles that allocate objects of a given size.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                size = sum(member.file_size for member in members)
                stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
                if not stored or size > path.stat().st_size:
                    raise BadCheckpoint(
                        f"{path}: a compressed archive of {size:,} bytes, which torch did not "
                        f"write. {WANTED}"
                    )
                pickles = [m for m in members if m.filename.endswith("data.pkl")]
                if sum(member.file_size for member in pickles) > _MAX_PICKLE:
                    raise BadCheckpoint(f"{path}: its pickle is too long. {WANTED}")
                for member in pickles:
                    with archive.open(member) as file:
                        _refuse_allocation(file, path)
        else:
            with open_file(path) as file:
                for _ in range(_LEGACY_PICKLES):
                    _refuse_allocation(file, path)
    except BadCheckpoint:
        raise
    except Exception:  # damaged; torch will report it
        return


def _refuse_allocation(file: IO[bytes], path: Path) -> None:
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in ("GLOBAL", "STACK_GLOBAL"):
            module, name = argument.split(" ", 1) if argument else strings[-2:]
            if (module.replace("__builtin__", "builtins"), name) in _ALLOCATING:
                raise BadCheckpoint(f"{path}: it holds a {module}.{name}. {WANTED}")
        elif isinstance(argument, str):
            strings = [*strings[-1:], argument]


def check_numbers(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise `BadCheckpoint` for a tensor that is not plain floating-point numbers of this file.

    A few bytes can claim a tensor of any size, for example by strides of 0. Reading it would
    allocate all of it, so this check comes first.
    """
    claimed: dict[tuple[int, int], int] = {}
    for name, tensor in tensors.items():
        if tensor.dtype not in _FLOATS:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise BadCheckpoint(f"{path}: tensor {name} is of {kind}; weights are of float32.")
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise BadCheckpoint(f"{path}: tensor {name} holds no plain numbers. {WANTED}")
        claimed[tensor.data_ptr(), tensor.numel()] = tensor.numel() * tensor.element_size()
    size = path.stat().st_size
    if sum(claimed.values()) > size:
        raise BadCheckpoint(
            f"{path}: its tensors claim {sum(claimed.values()):,} bytes, the file has {size:,}. "
            "It is damaged, or made to exhaust the memory."
        )


def check_finite(name: str, tensor: Tensor, path: Path) -> None:
    """Raise `BadCheckpoint` if a number is NaN or infinite."""
    if not torch.isfinite(tensor).all():
        raise BadCheckpoint(
            f"{path}: tensor {name} holds NaN or infinity. Fetch the file again, or take a "
            "checkpoint from before the training diverged."
        )


def _what_is(start: bytes, error: Exception) -> str:
    """Return the kind of a file that cannot be loaded, by its first bytes and torch's error."""
    if start.startswith(b"version https://git-lfs"):
        return "only a Git LFS pointer; the file itself was not fetched. Run: git lfs pull"
    found = _GLOBAL.search(str(error))
    code = found.group(1) if found else _global_in(start)
    if code:
        return f"it holds code ({code}), which is never run. {WANTED}"
    if start.startswith(b"PK"):
        return "the file is cut off or damaged. Fetch it again and compare its size."
    return f"not a file of plain tensors. {WANTED}"


def _global_in(start: bytes) -> str | None:
    """Return the first import of a pickle that is not torch's, without running it."""
    strings: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(start):
            if opcode.name in ("GLOBAL", "STACK_GLOBAL"):
                module, name = argument.split(" ", 1) if argument else strings[-2:]
                if module.partition(".")[0] not in ("torch", "collections"):
                    return f"{module}.{name}"
            elif isinstance(argument, str):
                strings.append(argument)
    except Exception:  # not a pickle, or a damaged one
        return None
    return None
