"""The heads `char-transformer` and `parallel` without torch. Each is a `CompiledHead`.

N rows  D width of the model  W width of the head  P = 16 characters per patch  V = 128 codes
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY
from picogen_core.compiled.linear import Linear
from picogen_core.compiled.transformer import Transformer
from picogen_core.compiled.weights import Floats, Weights
from picogen_core.plugins.protocols import BEGINNING

Rows = NDArray[np.int64]

DRAFT_TOKENS = 7  # draft tokens; eight rows at once take 1.5 times as long as one
CACHED = 3 << 20  # bytes of weights that stay in a core's own cache from one row to the next


class CharTransformer:
    """`model.heads.char_transformer`: one hidden state, then the characters after it.

    A `VerifyingHead`: the time of a row goes into reading the weights, which a few rows share.
    """

    def __init__(self, d_model: int, width: int, layers: int, heads: int, weights: Weights) -> None:
        self._project: Linear | None = None
        if width != d_model:
            weight = weights.take("project.weight", width, d_model)
            self._project = Linear(weight, weights.take("project.bias", width))
        part = weights.part("transformer.")
        positions = part.take("wpe.weight", PATCH_SIZE + 1, width)
        self._decoder = Transformer.gpt2(part, width, heads, layers, positions)
        self._embed = part.take("wte.weight", VOCABULARY, width)
        self._readout = Linear(self._embed)
        self.draft_tokens = DRAFT_TOKENS if self._decoder.nbytes > CACHED else 0

    def allocate(self, slots: int) -> None:
        self._decoder.allocate(slots, PATCH_SIZE + 1)

    def begin(self, hidden: Floats, slots: Rows) -> Floats:
        return self.extend(hidden, np.full(len(slots), BEGINNING), slots)

    def step(self, chars: Rows, slots: Rows) -> Floats:
        return self._readout(self._decoder.extend(self._embed[chars], slots))

    def extend(self, hidden: Floats | None, chars: Rows, slots: Rows) -> Floats:
        x = self._embed[chars]
        if hidden is not None:
            first = chars == BEGINNING
            for slot in slots[first]:
                self._decoder.clear(int(slot))
            x[first] = self._project(hidden) if self._project else hidden
        return self._readout(self._decoder.extend(x, slots))

    def roll_back(self, slots: Rows, counts: Rows) -> None:
        self._decoder.roll_back(slots, counts)


class Parallel:
    """`model.heads.parallel`: all logits of a patch at once, returned one character at a time."""

    def __init__(self, d_model: int, weights: Weights) -> None:
        weight = weights.take("readout.weight", PATCH_SIZE * VOCABULARY, d_model)
        self._readout = Linear(weight, weights.take("readout.bias", PATCH_SIZE * VOCABULARY))
        self.allocate(1)

    def allocate(self, slots: int) -> None:
        self._logits = np.zeros((slots, PATCH_SIZE, VOCABULARY), np.float32)
        self._place = np.zeros(slots, np.int64)

    def begin(self, hidden: Floats, slots: Rows) -> Floats:
        self._logits[slots] = self._readout(hidden).reshape(-1, PATCH_SIZE, VOCABULARY)
        self._place[slots] = 0
        logits: Floats = self._logits[slots, 0]
        return logits

    def step(self, chars: Rows, slots: Rows) -> Floats:
        self._place[slots] += 1
        logits: Floats = self._logits[slots, self._place[slots]]
        return logits
