"""transformers' decoders as a `Backbone`: static caches, one length per row.

B rows  S patches of a call  T capacity of the cache in patches  D width
L layers  G heads of keys and values  K channels per head

transformers' own caches have one length for the whole batch and rely on left padding. Here each row
has its own length: a call writes the row's keys at its own positions, and a mask hides the places
past them. So slots can be refilled at different lengths.
"""

import inspect
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

State = dict[str, Tensor]


def cache_name(model: PreTrainedModel, old: str) -> str:
    """Return the keyword of the cache: `cache` from transformers 5.24 on, before it `old`."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else old


class KvCacheView(Cache):
    """View of the state for the attention layers of one call: `update` writes, then reads."""

    def __init__(
        self,
        keys: Float[Tensor, "B L G T K"],
        values: Float[Tensor, "B L G T K"],
        positions: Int[Tensor, "B S"],
        valid: Bool[Tensor, "B S"],
        filled: int | None,
    ) -> None:
        """Take the positions to write (zeros where not `valid`), and how many places to read."""
        super().__init__(layers=[])
        self.keys, self.values = keys, values
        self.positions, self.filled = positions, filled
        self.rows = torch.arange(positions.shape[0], device=positions.device)[:, None]
        self.valid = valid[:, :, None, None]

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Return keys and values so far: [B, G, S, K] of new patches -> [B, G, filled, K]."""
        return (
            self._extend(self.keys[:, layer_idx], key_states),
            self._extend(self.values[:, layer_idx], value_states),
        )

    def _extend(
        self, stored: Float[Tensor, "B G T K"], new: Float[Tensor, "B G S K"]
    ) -> Float[Tensor, "B G F K"]:
        written = new.transpose(1, 2).masked_fill(~self.valid, 0)
        stored[self.rows, :, self.positions] = written.to(stored.dtype)
        return stored[:, :, : self.filled].to(new.dtype)


class CachedDecoder(nn.Module):
    """A decoder `model` without its token embedding. The state is a dict:

    keys, values [B, L, G, T, K] and length [B]. `step` writes into its argument, so that state must
    not be used again. For two continuations, select rows of it first.
    """

    def __init__(self, model: PreTrainedModel, layers: int, kv_heads: int, head_size: int) -> None:
        super().__init__()
        self.model = model
        self.model.set_attn_implementation("sdpa")
        self.cache_shape = layers, kv_heads, head_size
        self._cache_name = cache_name(model, "past_key_values")

    def forward(self, x: Float[Tensor, "B S D"]) -> Float[Tensor, "B S D"]:
        result: Tensor = self.model(inputs_embeds=x, use_cache=False).last_hidden_state
        return result

    def initial_state(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        layers, kv_heads, head_size = self.cache_shape
        shape = batch, layers, kv_heads, max_patches, head_size
        return {
            "keys": torch.zeros(shape, device=device, dtype=dtype),
            "values": torch.zeros(shape, device=device, dtype=dtype),
            "length": torch.zeros(batch, device=device, dtype=torch.long),
        }

    def prefill(
        self, x: Float[Tensor, "B S D"], lengths: Int[Tensor, " B"], state: State
    ) -> tuple[Float[Tensor, "B D"], State]:
        """Return the outputs and a new state; 1 ≤ lengths ≤ S. `state` is ignored and unchanged."""
        rows, patches = x.shape[:2]
        _check_room(patches, state)
        positions = torch.arange(patches, device=x.device).expand(rows, -1)
        valid = positions < lengths[:, None]
        fresh = {
            "keys": torch.zeros_like(state["keys"]),
            "values": torch.zeros_like(state["values"]),
            "length": lengths.clone(),
        }
        # Zeros, since a NaN in the padding would pass through a masked attention weight of 0.
        x = x.masked_fill(~valid[:, :, None], 0)
        hidden = self._extend(x, positions, valid, patches, fresh)
        return hidden[torch.arange(rows, device=x.device), lengths - 1], fresh

    def step(self, x: Float[Tensor, "B D"], state: State) -> tuple[Float[Tensor, "B D"], State]:
        """Read one patch per row. Raises `ValueError` if a row's state is full."""
        length = state["length"]
        filled = None
        if not torch.compiler.is_compiling():  # a traced graph must serve any length
            filled = int(length.max()) + 1
            _check_room(filled, state)
        positions = length[:, None]
        hidden = self._extend(x[:, None], positions, positions >= 0, filled, state)
        return hidden[:, 0], {**state, "length": length + 1}

    def _extend(
        self,
        x: Float[Tensor, "B S D"],
        positions: Int[Tensor, "B S"],
        valid: Bool[Tensor, "B S"],
        filled: int | None,
        state: State,
    ) -> Float[Tensor, "B S D"]:
        """Return the outputs of `x` at `positions`; write keys and values into `state`."""
        places = torch.arange(state["keys"].shape[3], device=x.device)[:filled]
        visible = places <= positions[:, None, :, None]
        cache = KvCacheView(state["keys"], state["values"], positions, valid, filled)
        output = self.model(
            inputs_embeds=x,
            position_ids=positions,
            attention_mask=visible,
            use_cache=True,
            **{self._cache_name: cache},
        )
        result: Tensor = output.last_hidden_state
        return result


def _check_room(patches: int, state: State) -> None:
    room = state["keys"].shape[3]
    if patches > room:
        raise ValueError(f"{patches} patches do not fit into a state made for {room}")
