"""Checkpoint folders without torch: their location, configuration and numpy arrays."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from safetensors import SafetensorError, deserialize

from picogen_core.errors import BadCheckpoint, reason
from picogen_core.model.config import CONFIG, MANIFEST, WEIGHTS, ModelConfig
from picogen_core.plugins.options import parse_options
from picogen_core.plugins.registry import registry
from picogen_core.runtime.reading import open_file, parse_json, read_bytes, read_json

_MAX_CONFIG, _MAX_HEADER = 1 << 20, 100_000_000  # bytes; the latter is safetensors' own limit
_WIDTHS = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
_TYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def read_config(folder: Path) -> ModelConfig:
    """Return the `config.json` of a checkpoint folder.

    Raises:
        BadCheckpoint: it is not PiCo-Gen's.
        ConfigError: an option in it is invalid.
    """
    try:
        values = read_json(folder / CONFIG, _MAX_CONFIG)
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{folder}: cannot be read ({error}). Is it a whole copy?") from None
    if not isinstance(values, dict) or "model_type" in values or "architectures" in values:
        kind = values.get("model_type", "of another program") if isinstance(values, dict) else ""
        raise BadCheckpoint(
            f"{folder}: its {CONFIG} is not PiCo-Gen's but {kind or 'no table'}. "
            "A teacher is a NotaGen .pth, or a run or checkpoint folder that PiCo-Gen wrote."
        )
    return _pinned(parse_options(ModelConfig, values, f"{folder / CONFIG}"), folder)


def read_arrays(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a checkpoint folder, in float32.

    Raises:
        BadCheckpoint: the file is damaged, or a tensor is not finite floats.
    """
    file = folder / WEIGHTS
    size = sum(math.prod(shape) for shape in read_shapes(file).values()) * 8
    try:
        stored = deserialize(read_bytes(file, size + _MAX_HEADER))  # type: ignore[no-untyped-call]
    except (OSError, ValueError, SafetensorError) as error:
        raise BadCheckpoint(f"{folder}: cannot be read ({error}). Is it a whole copy?") from None
    arrays = {}
    while stored:
        name, entry = stored.pop()
        if entry["dtype"] not in _TYPES:
            raise BadCheckpoint(f"{file}: tensor {name} is of {entry['dtype']}, not of floats.")
        array = np.frombuffer(entry["data"], _TYPES[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":  # the upper half of a float32
            array = (array.astype(np.uint32) << 16).view(np.float32)
        arrays[name] = array.astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise BadCheckpoint(
                f"{file}: tensor {name} holds NaN or infinity. Fetch the file again, or take a "
                "checkpoint from before the training diverged."
            )
    return arrays


class StoredTensor(BaseModel):
    """Entry of one tensor in the header of a safetensors file."""

    dtype: str
    shape: list[Annotated[int, Field(ge=0)]]
    data_offsets: tuple[int, int]


def read_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a safetensors file, reading only its header.

    Raises:
        BadCheckpoint: it is damaged, or a tensor is not plain numbers.
    """
    try:
        with open_file(file) as handle:
            size = os.fstat(handle.fileno()).st_size
            (length,) = struct.unpack("<Q", handle.read(8))
            if length > min(size - 8, _MAX_HEADER):
                raise ValueError(f"its header claims {length:,} bytes")
            header = parse_json(handle.read(length))
        if not isinstance(header, dict):
            raise ValueError("its header is no table")
        header.pop("__metadata__", None)
        tensors = {name: StoredTensor.model_validate(entry) for name, entry in header.items()}
    except (OSError, ValueError, struct.error) as error:
        raise BadCheckpoint(
            f"{file.parent}: {file.name} cannot be read ({reason(error)}). Is it a whole copy?"
        ) from None
    for name, tensor in tensors.items():
        if tensor.dtype not in _WIDTHS:
            raise BadCheckpoint(
                f"{file}: tensor {name} is of {tensor.dtype}, not of plain numbers."
            )
        begin, end = tensor.data_offsets
        needed = math.prod(tensor.shape) * _WIDTHS[tensor.dtype]
        if not 0 <= begin <= end <= size - 8 - length or end - begin != needed:
            raise BadCheckpoint(f"{file}: tensor {name} does not lie in it. Is it a whole copy?")
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _pinned(config: ModelConfig, folder: Path) -> ModelConfig:
    """Return the configuration with ambiguous names resolved by the manifest's distributions."""
    manifest = folder / MANIFEST
    try:
        made = read_json(manifest)["components"] if manifest.exists() else {}
    except (OSError, ValueError, KeyError, TypeError):
        made = {}
    pins = {}
    for kind in ("backbone", "head"):
        name = getattr(config, kind)
        namesakes = [entry for entry in registry().all(kind) if entry.name == name]
        if len(namesakes) > 1 and kind in made:
            pins[kind] = f"{name}@{made[kind]['distribution']}"
    return config.model_copy(update=pins)
