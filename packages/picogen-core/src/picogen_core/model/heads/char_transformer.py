"""NotaGen's character decoder: GPT-2 over one hidden state and the characters of a patch.

N patches  D width of the model  W width of the head  H attention heads
K channels per head (W = H·K)  L layers  J positions of a call
P = 16 characters per patch  V = 128 codes

The input is [hidden, wte(c1) … wte(c15)] plus positions 0 … 15, and position j predicts c(j+1).
NotaGen feeds c16 too, whose output predicts nothing; its position stays in the table, so that the
tensors below `transformer.` are those of `char_level_decoder.base.transformer.` (GPT-2's names,
linear weights stored [in, out]). Its `lm_head.weight` is `transformer.wte.weight`, kept once here.
Attention is written out: on 16 positions it is faster than the fused kernel.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY

State = dict[str, Tensor]


class Conv1D(nn.Module):
    """A linear layer with its weight stored [in, out], as GPT-2 does."""

    def __init__(self, fan_in: int, fan_out: int, std: float = 0.02) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(fan_in, fan_out))
        self.bias = nn.Parameter(torch.zeros(fan_out))
        nn.init.normal_(self.weight, std=std)

    def forward(self, x: Float[Tensor, "N J I"]) -> Float[Tensor, "N J O"]:
        return F.linear(x, self.weight.T, self.bias)


class Past(NamedTuple):
    """The KV cache of one layer for each patch; `extend` writes the next character into it."""

    keys: Float[Tensor, "N H P K"]
    values: Float[Tensor, "N H P K"]
    position: Int[Tensor, " N"]

    def extend(
        self, key: Float[Tensor, "N H 1 K"], value: Float[Tensor, "N H 1 K"]
    ) -> tuple[Float[Tensor, "N H P K"], Float[Tensor, "N H P K"]]:
        rows = torch.arange(key.shape[0], device=key.device)
        self.keys[rows, :, self.position] = key[:, :, 0].to(self.keys.dtype)
        self.values[rows, :, self.position] = value[:, :, 0].to(self.values.dtype)
        return self.keys.to(key.dtype), self.values.to(value.dtype)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = Conv1D(width, 3 * width)
        self.c_proj = Conv1D(width, width, std=0.02 / math.sqrt(2 * layers))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "N J W"], ahead: Bool[Tensor, "..."], past: Past | None
    ) -> Float[Tensor, "N J W"]:
        q, k, v = (
            y.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for y in self.c_attn(x).chunk(3, -1)
        )
        if past is not None:
            k, v = past.extend(k, v)
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        weights = self.dropout(scores.masked_fill(ahead, -math.inf).softmax(-1))
        mixed = (weights.to(v.dtype) @ v).transpose(1, 2).flatten(2)
        result: Tensor = self.dropout(self.c_proj(mixed))
        return result


class Mlp(nn.Module):
    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.c_fc = Conv1D(width, 4 * width)
        self.c_proj = Conv1D(4 * width, width, std=0.02 / math.sqrt(2 * layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "N J W"]) -> Float[Tensor, "N J W"]:
        result: Tensor = self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))
        return result


class Block(nn.Module):
    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads, layers, dropout)
        self.mlp = Mlp(width, layers, dropout)

    def forward(
        self,
        x: Float[Tensor, "N J W"],
        ahead: Bool[Tensor, "..."],
        past: Past | None = None,
    ) -> Float[Tensor, "N J W"]:
        """Return the block's output; the mask `ahead` broadcasts to [N, H, J, P]."""
        x = x + self.attn(self.ln_1(x), ahead, past)
        result: Tensor = x + self.mlp(self.ln_2(x))
        return result


class Transformer(nn.Module):
    """The parameters, under GPT-2's names."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, width)
        self.wpe = nn.Embedding(PATCH_SIZE + 1, width)
        self.drop = nn.Dropout(dropout)
        self.h = nn.ModuleList(Block(width, heads, layers, dropout) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        for table in (self.wte, self.wpe):
            nn.init.normal_(table.weight, std=0.02)


class CharTransformer(nn.Module):
    """NotaGen's head. The state is a dict: keys, values [N, L, H, P, K], and the next position [N].

    `step` writes into its argument, so that state must not be used again.
    """

    ahead: Tensor

    def __init__(self, d_model: int, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Identity() if width == d_model else nn.Linear(d_model, width)
        self.transformer = Transformer(width, layers, heads, dropout)
        self.cache_shape = layers, heads, PATCH_SIZE, width // heads
        ahead = torch.ones(PATCH_SIZE, PATCH_SIZE, dtype=torch.bool).triu(1)
        self.register_buffer("ahead", ahead, persistent=False)

    def forward(
        self, hidden: Float[Tensor, "N D"], patch: Int[Tensor, "N P"]
    ) -> Float[Tensor, "N P V"]:
        """Return teacher-forced logits: j sees the hidden state and the characters before j."""
        first = self.project(hidden)[:, None]
        x = torch.cat([first, self.transformer.wte(patch[:, :-1]).to(first.dtype)], 1)
        x = self.transformer.drop(x + self.transformer.wpe.weight[: x.shape[1]])
        ahead = self.ahead[: x.shape[1], : x.shape[1]]
        for block in self.transformer.h:
            x = block(x, ahead)
        return self._logits(x)

    def begin(self, hidden: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N V"], State]:
        x = self.project(hidden)
        cache = x.new_zeros(x.shape[0], *self.cache_shape)
        position = torch.zeros(x.shape[0], dtype=torch.long, device=x.device)
        return self._advance(x, {"keys": cache, "values": cache.clone(), "position": position})

    def step(self, chars: Int[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N V"], State]:
        """Return the next logits. Raises `IndexError` past 15 steps after `begin`."""
        return self._advance(self.transformer.wte(chars), state)

    def _advance(self, x: Float[Tensor, "N W"], state: State) -> tuple[Float[Tensor, "N V"], State]:
        position = state["position"]
        ahead = self.ahead[position][:, None, None]
        x = self.transformer.drop(x + self.transformer.wpe(position))[:, None]
        for layer, block in enumerate(self.transformer.h):
            past = Past(state["keys"][:, layer], state["values"][:, layer], position)
            x = block(x, ahead, past)
        return self._logits(x)[:, 0], {**state, "position": position + 1}

    def _logits(self, x: Float[Tensor, "N J W"]) -> Float[Tensor, "N J V"]:
        return F.linear(self.transformer.ln_f(x), self.transformer.wte.weight)
