"""What a decoder needs of a model. N slots of a call  P = 16 characters a patch  V = 128 codes"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from picogen_core.generation.decoding.guessing import NGrams

if TYPE_CHECKING:
    from picogen_core.abc.grammar.nodes import Table
    from picogen_core.compiled.spelling import Rules, Walk

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


@runtime_checkable
class Verifying(Engine, Protocol):
    """An engine whose head reads `guesses` characters beside one in little more time than that one.

    `grams` are what guesses are made of.
    """

    guesses: int
    grams: NGrams

    def verify(self, slots: Slots, chars: NDArray[np.int64]) -> Logits:
        """Rows [R], those of a slot one behind the other, each a character or `BEGINNING` -> [R, V]
        of what follows it: as `begin` and `step` give them, row for row."""

    def forget(self, slots: Slots, counts: NDArray[np.int64]) -> None:
        """Take back the last `counts` characters of N different slots."""


@runtime_checkable
class Spelling(Engine, Protocol):
    """An engine whose head draws the characters of a patch by itself, under an automaton.

    `walk` has room for as many rows as there are slots.
    """

    walk: Walk

    def rules(
        self, table: Table, numbers: tuple[float, int, float, float, bool], likelihood: bool
    ) -> Rules:
        """The automaton's table and `sampling_numbers` as `spell` takes them."""

    def spell(self, slots: Slots, walk: Walk, rules: Rules) -> None:
        """[N] rows of the walk, each in its slot, until all have stopped. A patch begins where the
        newest characters are `BEGINNING`, in all rows or in none."""
