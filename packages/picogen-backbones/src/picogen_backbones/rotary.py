"""Base class of Llama and Qwen3: rotary positions, whose frequencies stay in float32."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from picogen_backbones.cached import CachedDecoder


class RotaryDecoder(CachedDecoder):
    """A `CachedDecoder` whose `model` has a `rotary_emb`."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "RotaryDecoder":
        """Keep the rotary frequencies in float32.

        In bfloat16 they are 0.4 % off, a whole turn after a few hundred patches.
        """
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        rope: Any = self.model.rotary_emb
        exact, _ = rope.compute_default_rope_parameters(rope.config)
        exact = exact.to(device=rope.inv_freq.device, dtype=torch.float32)
        rope.register_buffer("inv_freq", exact, persistent=False)
        return self
