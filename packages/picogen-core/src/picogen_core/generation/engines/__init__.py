"""The interface of a decoder to a model.

N slots of a call  P = 16 characters per patch  V = 128 codes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from picogen_core.generation.decoding.draft_tokens import NGrams

if TYPE_CHECKING:
    from picogen_core.abc.grammar.nodes import Table
    from picogen_core.compiled.spelling import Rules, Walk

Slots = NDArray[np.int64]
Patches = NDArray[np.uint8]
Logits = NDArray[np.float32]


class Engine(Protocol):
    """A model that generates several pieces at once, each in its slot 0 … `slots` − 1.

    `read` and `advance` go from patch to patch, `begin` and `step` from character to character.
    """

    slots: int

    def read(self, slot: int, patches: Patches) -> None:
        """Clear the slot and read patches [S, P], S ≥ 1."""

    def copy(self, source: int, target: int) -> None:
        """Copy the state of the source slot into the target slot."""

    def advance(self, slots: Slots, patches: Patches) -> None:
        """Read one more patch for each of N different slots: [N], [N, P]. Other slots may be
        cleared."""

    def begin(self, slots: Slots) -> Logits:
        """Return logits [N, V] of the first characters of the next patches of slots [N]."""

    def step(self, slots: Slots, chars: NDArray[np.int64]) -> Logits:
        """Read characters [M] of M slots of `begin`; return logits [M, V] of the next ones."""


@runtime_checkable
class Verifying(Engine, Protocol):
    """An engine that verifies draft characters (speculative decoding).

    draft_tokens: number of draft characters that its head reads in hardly more time than one.
    grams:   the n-grams that draft them.
    """

    draft_tokens: int
    grams: NGrams

    def verify(self, slots: Slots, chars: NDArray[np.int64]) -> Logits:
        """Return logits [R, V] of what follows each of R characters, as `begin` and `step` do.

        A character may be `BEGINNING`. The rows of a slot stand behind each other.
        """

    def roll_back(self, slots: Slots, counts: NDArray[np.int64]) -> None:
        """Roll back the last `counts` characters of N different slots."""


@runtime_checkable
class Spelling(Engine, Protocol):
    """An engine whose head draws the characters of a whole patch, under an automaton.

    `walk` has a row per slot.
    """

    walk: Walk

    def rules(
        self, table: Table, numbers: tuple[float, int, float, float, bool], likelihood: bool
    ) -> Rules:
        """Return the automaton's table and `sampling_numbers` in the form of `spell`."""

    def spell(self, slots: Slots, walk: Walk, rules: Rules) -> None:
        """Continue N rows of the walk, each in its slot [N], until all have stopped.

        A patch begins if the newest characters are `BEGINNING`, in all rows or in none.
        """
