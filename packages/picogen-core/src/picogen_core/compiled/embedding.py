"""The patch embedding without torch: rows of NotaGen's table, summed.

N patches  P = 16 characters per patch  V = 128 codes  D width
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY
from picogen_core.compiled.jit import kernel
from picogen_core.compiled.weights import Floats, Weights


@kernel
def embed(patches, table, bias, out):
    """Write out [N, D] = bias + Σ_j table[j · V + patches[n, j]], added in this order."""
    for n in range(len(patches)):
        for i in range(out.shape[1]):
            out[n, i] = table[patches[n, 0], i]
        for j in range(1, patches.shape[1]):
            row = j * VOCABULARY + patches[n, j]
            for i in range(out.shape[1]):
                out[n, i] += table[row, i]
        for i in range(out.shape[1]):
            out[n, i] += bias[i]


class PatchEmbedding:
    """The patch embedding. Raises `BadCheckpoint` if a tensor is missing or misshapen."""

    def __init__(self, width: int, weights: Weights) -> None:
        self._table = weights.take("weight", PATCH_SIZE * VOCABULARY, width)
        self._bias = weights.take("bias", width)

    def __call__(self, patches: NDArray[np.uint8]) -> Floats:
        """Return the embeddings: [N, P] -> [N, D]."""
        out = np.empty((len(patches), len(self._bias)), np.float32)
        embed(np.ascontiguousarray(patches), self._table, self._bias, out)
        return out
