"""Tensors by name, checked as they are taken, and packed into one array for the kernels."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from picogen_core.errors import BadCheckpoint

Floats = NDArray[np.float32]


class Weights(Mapping[str, Floats]):
    """The tensors of one part of a model, in float32, without the part's prefix.

    `where` names the file in messages. `refuse_leftover` raises if a tensor was not used.
    """

    def __init__(self, tensors: Mapping[str, Floats], where: str, prefix: str = "") -> None:
        self._tensors, self._where, self._prefix = tensors, where, prefix
        self._names = [name for name in tensors if name.startswith(prefix)]
        self._taken: set[str] = set()

    def part(self, prefix: str) -> Weights:
        """Return the tensors below a prefix (`backbone.`)."""
        part = Weights(self._tensors, self._where, self._prefix + prefix)
        part._taken = self._taken
        return part

    def take(self, name: str, *shape: int) -> Floats:
        """Return the tensor of that name and shape.

        Raises:
            BadCheckpoint: it is missing or has another shape.
        """
        full = self._prefix + name
        if full not in self._tensors:
            raise BadCheckpoint(
                f"{self._where}: tensor {full} is missing. Is it a checkpoint of this model?"
            )
        tensor = self._tensors[full]
        if shape and tensor.shape != shape:
            raise BadCheckpoint(
                f"{self._where}: tensor {full} has shape {list(tensor.shape)}, "
                f"the model needs {list(shape)}."
            )
        self._taken.add(full)
        return np.ascontiguousarray(tensor, dtype=np.float32)

    def refuse_leftover(self) -> None:
        """Raise `BadCheckpoint` if a tensor was not taken: the file is of another model."""
        extra = sorted(set(self._names) - self._taken)
        if extra:
            raise BadCheckpoint(
                f"{self._where}: {len(extra)} tensors are not in the model, first {extra[0]}."
            )

    def __getitem__(self, name: str) -> Floats:
        return self.take(name)

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._names)

    def __len__(self) -> int:
        return len(self._names)


def zeros(*shape: int) -> Floats:
    """Return float32 zeros aligned to a cache line, so that no vector of weights straddles two."""
    size = math.prod(shape)
    raw = np.zeros(size + 16, np.float32)
    skip = -raw.ctypes.data % 64 // 4
    return raw[skip : skip + size].reshape(shape)


@functools.cache
def padded(n: int) -> int:
    """Return `n` rounded up to the outputs of a tile: the room for a product of `n` outputs."""
    from picogen_core.compiled.tiles import GROUP

    return -(-n // GROUP) * GROUP


class Packer:
    """Collects vectors, tables and matrices; `flat` holds them all, each at its offset."""

    def __init__(self) -> None:
        self._items: list[Floats] = []
        self._size = 0

    def vector(self, values: Floats) -> int:
        """Add a vector, padded with zeros to the room of a product; return its offset."""
        flat = np.ravel(values)
        room = zeros(padded(flat.size))
        room[: flat.size] = flat
        return self._add(room)

    def table(self, rows: Floats) -> int:
        """Add rows of `padded(width)` each; return their offset."""
        room = zeros(len(rows), padded(rows.shape[1]))
        room[:, : rows.shape[1]] = rows
        return self._add(room.reshape(-1))

    def matrix(self, matrix: Floats) -> int:
        """Add a matrix [out, in] in the layout of `tiles.matmul`; return its offset."""
        return self._add(panels(matrix))

    def _add(self, values: Floats) -> int:
        offset = self._size
        self._items.append(values)
        self._size += -(-values.size // 16) * 16
        return offset

    def flat(self) -> Floats:
        """Return everything in one array; the packer is empty afterwards."""
        whole, at = zeros(max(self._size, 1)), 0
        for values in self._items:
            whole[at : at + values.size] = values
            at += -(-values.size // 16) * 16
        self._items = []
        return whole


def panels(matrix: Floats) -> Floats:
    """Return a matrix in panels, padded with zeros: [out, in] -> flat [out / LANES, in, LANES]."""
    from picogen_core.compiled.tiles import LANES

    n, k = matrix.shape
    whole = np.zeros((padded(n), k), np.float32)
    whole[:n] = matrix
    return np.ascontiguousarray(whole.reshape(-1, LANES, k).transpose(0, 2, 1)).reshape(-1)
