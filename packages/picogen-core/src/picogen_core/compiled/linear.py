"""One linear layer without torch."""

from __future__ import annotations

import numpy as np

from picogen_core.compiled.tiles import linear
from picogen_core.compiled.weights import Floats, Packer, padded, zeros


class Linear:
    """A linear layer [N, k] -> [N, n]; a row's bits do not depend on N."""

    def __init__(self, weight: Floats, bias: Floats | None = None) -> None:
        packer = Packer()
        self._n, self._k = weight.shape
        self._weight = packer.matrix(weight)
        self._bias = packer.vector(zeros(self._n) if bias is None else bias)
        self._flat, self._room = packer.flat(), padded(self._n)

    def __call__(self, x: Floats) -> Floats:
        rows = len(x)
        y = np.zeros((rows, self._room), np.float32)
        x = x if x.flags.c_contiguous else x.copy()
        linear(
            self._flat, self._weight, self._bias, self._n, self._k, x.reshape(-1), self._k, rows,
            y.reshape(-1), self._room,
        )  # fmt: skip
        return y[:, : self._n]
