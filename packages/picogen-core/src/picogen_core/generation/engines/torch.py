"""The reference engine: any backbone and any head in torch, on any device.

N slots of a call  S patches of a prompt  P = 16 characters per patch  D width
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from picogen_core.generation.engines import Logits, Patches, Slots
from picogen_core.model.state_tree import merge_states, select_rows
from picogen_core.model.student import GenericStudent


class Rows:
    """Trees of tensors, one row per slot, as one batch whose rows are selected and merged."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._slots: list[int] = []  # which slot each row of the batch belongs to
        self._batch: Any = None
        self._fresh: dict[int, Any] = {}  # trees of one row, not yet in the batch

    def put(self, slot: int, tree: Any) -> None:
        """Set the slot's tree, of one row."""
        self._fresh[slot] = tree

    def copy(self, source: int, target: int) -> None:
        self._fresh[target] = self._one(source)

    def replace(self, slots: list[int], batch: Any) -> None:
        """Set the trees of all slots that continue, in order; drop the others."""
        self._slots, self._batch, self._fresh = slots, batch, {}

    def batch(self, slots: list[int]) -> Any:
        """Return the trees of these slots, in this order, as one; drop the others."""
        if slots != self._slots or self._fresh:
            if self._fresh or not set(slots) <= set(self._slots):
                self._batch = merge_states([self._one(slot) for slot in slots])
            else:
                self._batch = self._select([self._slots.index(slot) for slot in slots])
            self._slots, self._fresh = slots, {}
        return self._batch

    def _one(self, slot: int) -> Any:
        if slot in self._fresh:
            return self._fresh[slot]
        return self._select([self._slots.index(slot)])

    def _select(self, rows: list[int]) -> Any:
        return select_rows(self._batch, torch.tensor(rows, device=self._device))


class TorchPatches:
    """Embedding and backbone: the hidden state and the backbone's state of every slot."""

    def __init__(self, model: GenericStudent, capacity: int) -> None:
        self._model, self._capacity = model, capacity
        self._rows = Rows(model.device)
        self.copy = self._rows.copy

    def read(self, slot: int, patches: Patches) -> Logits:
        """Return hidden states [S, D] of the patches; only the last, [1, D], without memory."""
        return self.read_prompt(slot, patches).float().cpu().numpy()

    @torch.no_grad()
    def read_prompt(self, slot: int, patches: Patches) -> Float[Tensor, "S D"]:
        """Return the same on the model's device."""
        one = codes(patches, self._model.device)[None]
        lengths = torch.tensor([len(patches)], device=one.device)
        last, state = self._model.prefill(
            one, lengths, self._model.initial_state(1, self._capacity)
        )
        self._rows.put(slot, (last, state))
        return self._model.states(one)[0] if self._model.remembers else last

    @torch.no_grad()
    def advance(self, slots: Slots, patches: Patches) -> None:
        _, state = self._rows.batch(slots.tolist())
        after = self._model.step(codes(patches, self._model.device), state)
        self._rows.replace(slots.tolist(), after)

    def hidden(self, slots: Slots) -> Logits:
        return self.tensor(slots).float().cpu().numpy()

    def tensor(self, slots: Slots) -> Float[Tensor, "N D"]:
        """Return the hidden states [N, D] on the model's device."""
        hidden: Tensor = self._rows.batch(slots.tolist())[0]
        return hidden


class TorchEngine:
    """Backbone and head in torch.

    For a head without memory, rows that have ended their patch leave the batch. A head with memory
    keeps them: copying its state at every end would cost too much, and `close` drops what was read
    after the end.
    """

    def __init__(self, model: GenericStudent, slots: int, capacity: int) -> None:
        self.slots, self._head, self._remembers = slots, model.speller, model.remembers
        self._model, self._capacity = model, capacity
        self._patches = TorchPatches(model, capacity)
        self._memories = Rows(model.device)
        self._rows: list[int] = []
        self._state: Any = None

    @torch.no_grad()
    def read(self, slot: int, patches: Patches) -> None:
        hidden = self._patches.read_prompt(slot, patches)
        memory = self._model.initial_memory(1, self._capacity)
        if self._remembers:  # no hidden state predicts the first patch
            target = codes(patches[1:], hidden.device)
            lengths = torch.tensor([len(target)], device=hidden.device)
            memory = self._head.read(hidden[None, :-1], target[None], lengths, memory)
        self._memories.put(slot, memory)

    def copy(self, source: int, target: int) -> None:
        self._patches.copy(source, target)
        self._memories.copy(source, target)

    @torch.no_grad()
    def advance(self, slots: Slots, patches: Patches) -> None:
        going = slots.tolist()
        if self._remembers:
            state = self._of(going)
            memory = self._head.close(codes(patches, self._model.device), state)
            self._memories.replace(going, memory)
        self._patches.advance(slots, patches)

    @torch.no_grad()
    def begin(self, slots: Slots) -> Logits:
        self._rows = slots.tolist()
        memory = self._memories.batch(self._rows)
        logits, self._state = self._head.begin(self._patches.tensor(slots), memory)
        return logits.float().cpu().numpy()

    @torch.no_grad()
    def step(self, slots: Slots, chars: Slots) -> Logits:
        going = slots.tolist()
        if not self._remembers:
            self._state, self._rows = self._of(going), going
        rows = [self._rows.index(slot) for slot in going]
        read = torch.zeros(len(self._rows), dtype=torch.long, device=self._model.device)
        read[rows] = torch.from_numpy(chars).to(read.device)
        logits, self._state = self._head.step(read, self._state)
        return logits[rows].float().cpu().numpy()

    def _of(self, slots: list[int]) -> Any:
        """Return the head's state of these slots."""
        if slots == self._rows:
            return self._state
        rows = [self._rows.index(slot) for slot in slots]
        return select_rows(self._state, torch.tensor(rows, device=self._model.device))


def codes(patches: Patches, device: torch.device) -> Int[Tensor, "N P"]:
    """Return patches as integers in torch."""
    return torch.from_numpy(patches.astype(np.int64)).to(device)
