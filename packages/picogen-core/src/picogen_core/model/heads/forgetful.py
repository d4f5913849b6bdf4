"""Adapter of a `Head` to the contract of a `RememberingHead`, with an empty memory.

N patches  B rows  S patches of a row  P = 16 characters per patch  V = 128 codes  D width
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from picogen_core.model.by_length import by_length
from picogen_core.plugins.protocols import Head, RememberingHead
from picogen_core.plugins.registry import Entry
from picogen_core.plugins.specs import HeadSpec

Memory = dict[str, Tensor]


class Forgetful:
    """A `RememberingHead` around a `Head`, with its parameters and its state."""

    def __init__(self, head: Head[Any], reads_cut_patches: bool) -> None:
        self._head, self._cuts = head, reads_cut_patches

    def __call__(self, hidden: Tensor, patch: Tensor, row: Tensor, index: Tensor) -> Tensor:
        if self._cuts and hidden.device.type == "cpu":
            return by_length(self._head, hidden, patch)
        return self._head(hidden, patch)

    def initial_memory(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> Memory:
        return {}

    def read(self, hidden: Tensor, patches: Tensor, lengths: Tensor, memory: Memory) -> Memory:
        return memory

    def begin(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, Any]:
        return self._head.begin(hidden)

    def step(self, chars: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self._head.step(chars, state)

    def close(self, patch: Tensor, state: Any) -> Memory:
        return {}


def as_remembering(head: Any, entry: Entry[HeadSpec]) -> RememberingHead[Any, Any]:
    """Return `head` itself if it remembers, else with an empty memory."""
    return head if entry.spec.remembers else Forgetful(head, entry.spec.reads_cut_patches)
