"""The numba engine: a compiled head, and a compiled backbone if it has a compiled step.

N slots of a call  S patches of a prompt  P = 16 characters per patch  V = 128 codes  D width
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from picogen_core.abc.grammar.nodes import Table
from picogen_core.compiled.embedding import PatchEmbedding
from picogen_core.compiled.spelling import Rules, SpellingHead, Walk, make_walk
from picogen_core.compiled.weights import Floats, Weights
from picogen_core.generation.decoding.draft_tokens import NGrams
from picogen_core.generation.engines import Logits, Patches, Slots
from picogen_core.model.config import ModelConfig
from picogen_core.plugins.protocols import (
    BEGINNING,
    CompiledBackbone,
    CompiledHead,
    CompiledRememberingHead,
    VerifyingHead,
)
from picogen_core.plugins.registry import registry
from picogen_core.plugins.renamed import with_new_names


class PatchSide(Protocol):
    """From patches to hidden states, one per slot.

    `read` returns the hidden states of the S patches [S, D]. For a head without memory it may
    return only the last, [1, D].
    """

    def read(self, slot: int, patches: Patches) -> Floats: ...
    def copy(self, source: int, target: int) -> None: ...
    def advance(self, slots: Slots, patches: Patches) -> None: ...
    def hidden(self, slots: Slots) -> Floats: ...


class CompiledPatches:
    """The patch embedding and a compiled backbone."""

    def __init__(self, config: ModelConfig, weights: Weights, slots: int, capacity: int) -> None:
        width = config.d_model
        self._embed = PatchEmbedding(width, weights.part("patch_embedding."))
        entry = registry().get("backbone", config.backbone)
        assert entry.spec.compiled_step is not None
        self._backbone: CompiledBackbone = entry.spec.compiled_step(
            entry.options(config.backbone_options), width, weights.part("backbone.")
        )
        self._backbone.allocate(slots, capacity)
        self._hidden = np.zeros((slots, width), np.float32)

    def read(self, slot: int, patches: Patches) -> Floats:
        self._backbone.clear(slot)
        slots = np.full(len(patches), slot, np.int64)
        hidden = self._backbone.extend(self._embed(patches), slots)
        self._hidden[slot] = hidden[-1]
        return hidden

    def copy(self, source: int, target: int) -> None:
        self._backbone.copy(source, target)
        self._hidden[target] = self._hidden[source]

    def advance(self, slots: Slots, patches: Patches) -> None:
        self._hidden[slots] = self._backbone.extend(self._embed(patches), slots)

    def hidden(self, slots: Slots) -> Floats:
        return self._hidden[slots]


class CompiledEngine:
    """A compiled head over hidden states of either kind of patch side."""

    def __init__(self, patches: PatchSide, head: CompiledHead, slots: int) -> None:
        self.slots, self._patches, self._head = slots, patches, head
        self._memory = head if isinstance(head, CompiledRememberingHead) else None
        head.allocate(slots)

    def read(self, slot: int, patches: Patches) -> None:
        hidden = self._patches.read(slot, patches)
        if self._memory:  # no hidden state predicts the first patch
            self._memory.clear(slot)
            self._memory.read(hidden[:-1], patches[1:], slot)

    def copy(self, source: int, target: int) -> None:
        self._patches.copy(source, target)
        if self._memory:
            self._memory.copy(source, target)

    def advance(self, slots: Slots, patches: Patches) -> None:
        if self._memory:
            self._memory.close(patches, slots)
        self._patches.advance(slots, patches)

    def begin(self, slots: Slots) -> Logits:
        return self._head.begin(self._patches.hidden(slots), slots)

    def step(self, slots: Slots, chars: Slots) -> Logits:
        return self._head.step(chars, slots)


class VerifyingEngine(CompiledEngine):
    """An engine whose head verifies draft characters."""

    def __init__(self, patches: PatchSide, head: VerifyingHead, slots: int) -> None:
        super().__init__(patches, head, slots)
        self.draft_tokens, self.grams = head.draft_tokens, NGrams()
        self._extend, self.roll_back = head.extend, head.roll_back

    def verify(self, slots: Slots, chars: Slots) -> Logits:
        begun = slots[chars == BEGINNING]
        hidden = self._patches.hidden(begun) if len(begun) else None
        return self._extend(hidden, chars, slots)


class SpellingEngine(CompiledEngine):
    """An engine whose head draws whole patches."""

    def __init__(self, patches: PatchSide, head: SpellingHead, slots: int) -> None:
        super().__init__(patches, head, slots)
        self.walk = make_walk(slots)
        self._spell = head.spell

    def rules(
        self, table: Table, numbers: tuple[float, int, float, float, bool], likelihood: bool
    ) -> Rules:
        known = table.limits, table.following, table.returns, table.within, table.due, table.tones
        return Rules(*known, *numbers, likelihood)

    def spell(self, slots: Slots, walk: Walk, rules: Rules) -> None:
        begins = walk.known[0] == BEGINNING
        self._spell(self._patches.hidden(slots) if begins else None, slots, walk, rules)


def compiled_head(config: ModelConfig, weights: Weights) -> CompiledHead:
    """Return the compiled head of a model, whose spec has a compiled step."""
    entry = registry().get("head", config.head)
    assert entry.spec.compiled_step is not None
    options = entry.options(config.head_options)
    head = entry.spec.compiled_step(options, config.d_model, weights.part("head."))
    return with_new_names(head, entry.where)
