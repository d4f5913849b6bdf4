"""What a decoder needs of a model. N slots of a call  P = 16 characters a patch  V = 128 codes"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Slots = NDArray[np.int64]
Patches = NDArray[np.uint8]
Logits = NDArray[np.float32]


class Engine(Protocol):
    """A model that writes several pieces side by side, each in its slot 0 … `slots` − 1.

    `read` and `advance` go from patch to patch, `begin` and `step` from character to character.
    """

    slots: int

    def read(self, slot: int, patches: Patches) -> None:
        """Forget the slot's piece and read patches [S, P], S ≥ 1."""

    def copy(self, source: int, target: int) -> None:
        """Let the target slot go on from what the source slot has read."""

    def advance(self, slots: Slots, patches: Patches) -> None:
        """[N], [N, P]: one more patch for each of N different slots. Others may be forgotten."""

    def begin(self, slots: Slots) -> Logits:
        """[N] -> [N, V], of the first characters of the patches that follow."""

    def step(self, slots: Slots, chars: NDArray[np.int64]) -> Logits:
        """[M] of the slots that `begin` had, their characters [M] -> [M, V], of the next ones."""
