"""The reference engine: any backbone and any head, as they were trained, on any device.

N slots of a call  S patches of a prompt  P = 16 characters a patch  V = 128 codes  D width
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from picogen_core.generation.engines import Logits, Patches, Slots
from picogen_core.model.student import GenericStudent
from picogen_core.trees import merge_states, select_rows


class TorchPatches:
    """States of the slots as one batch, whose rows are selected and merged as slots change."""

    def __init__(self, model: GenericStudent, places: int) -> None:
        self._model, self._places = model, places
        self._rows: list[int] = []  # which slot each row of the batch belongs to
        self._batch: Any = None  # (hidden states, backbone's state) of those
        self._fresh: dict[int, Any] = {}  # the same of slots not yet in the batch, a row each

    @torch.no_grad()
    def read(self, slot: int, patches: Patches) -> None:
        one = self._tensor(patches)[None]
        lengths = torch.tensor([len(patches)], device=one.device)
        empty = self._model.initial_state(1, self._places)
        self._fresh[slot] = self._model.prefill(one, lengths, empty)

    def copy(self, source: int, target: int) -> None:
        self._fresh[target] = self._one(source)

    @torch.no_grad()
    def advance(self, slots: Slots, patches: Patches) -> None:
        self._gather(slots.tolist())
        self._batch = self._model.step(self._tensor(patches), self._batch[1])

    def hidden(self, slots: Slots) -> Logits:
        return self.tensor(slots).float().cpu().numpy()

    def tensor(self, slots: Slots) -> Float[Tensor, "N D"]:
        """The hidden states where the model is."""
        self._gather(slots.tolist())
        hidden: Tensor = self._batch[0]
        return hidden

    def _tensor(self, patches: Patches) -> Tensor:
        return torch.from_numpy(patches.astype(np.int64)).to(self._model.device)

    def _one(self, slot: int) -> Any:
        if slot in self._fresh:
            return self._fresh[slot]
        row = torch.tensor([self._rows.index(slot)], device=self._model.device)
        return select_rows(self._batch, row)

    def _gather(self, slots: list[int]) -> None:
        """Make the batch hold these slots, in this order."""
        if slots == self._rows and not self._fresh:
            return
        if slots == [slot for slot in self._rows if slot in slots] and not self._fresh:
            rows = [self._rows.index(slot) for slot in slots]
            self._batch = select_rows(self._batch, torch.tensor(rows, device=self._model.device))
        else:
            self._batch = merge_states([self._one(slot) for slot in slots])
        self._rows, self._fresh = slots, {}


class TorchEngine:
    """Backbone and head in torch. Rows that have ended their patch leave the head's batch."""

    def __init__(self, model: GenericStudent, slots: int, places: int) -> None:
        self.slots, self._head = slots, model.head
        self._device = model.device
        self._patches = TorchPatches(model, places)
        self.read, self.copy = self._patches.read, self._patches.copy
        self.advance = self._patches.advance
        self._rows: list[int] = []
        self._state: Any = None

    @torch.no_grad()
    def begin(self, slots: Slots) -> Logits:
        self._rows = slots.tolist()
        logits, self._state = self._head.begin(self._patches.tensor(slots))
        return logits.float().cpu().numpy()  # type: ignore[no-any-return]

    @torch.no_grad()
    def step(self, slots: Slots, chars: Slots) -> Logits:
        wanted = slots.tolist()
        if wanted != self._rows:
            rows = torch.tensor([self._rows.index(slot) for slot in wanted], device=self._device)
            self._rows, self._state = wanted, select_rows(self._state, rows)
        codes = torch.from_numpy(chars).to(self._device)
        logits, self._state = self._head.step(codes, self._state)
        return logits.float().cpu().numpy()  # type: ignore[no-any-return]
