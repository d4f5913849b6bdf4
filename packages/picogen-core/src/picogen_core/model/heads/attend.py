"""Attention to the key-value pairs of the last `window` places, and to an empty pair.

    B rows  T places of a row  H heads  K channels of a key and of a value, over all heads
    C = K / H  Y = 2K channels of a pair, the key first  R stored pairs per row
    F = ⌊C / 4⌋ frequencies  X, Z: any number

The empty pair has score 0 and value 0. Scores are scaled by 1 / √(K / H). `attend_plainly` is the
reference. `attend` computes all places at once, in time T · window, `attend_to` one place per row.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

BASE = 1000.0  # of the frequencies: the slowest rotates once in some 2π · BASE patches


def turns(
    index: Int[Tensor, "*B"], channels: int
) -> tuple[Float[Tensor, "*B F"], Float[Tensor, "*B F"]]:
    """Return cosines and sines for patch numbers and heads of C channels.

    They are computed in double precision, to be exact for large numbers.
    """
    place = "cpu" if index.device.type == "mps" else index.device  # which has no such precision
    count = channels // 4
    powers = torch.arange(count, dtype=torch.float64, device=place) / max(1, count)
    angles = index[..., None].to(place, torch.float64) * BASE**-powers
    return angles.cos().to(index.device, torch.float32), angles.sin().to(
        index.device, torch.float32
    )


def turned(
    x: Float[Tensor, "*B K"],
    by: tuple[Float[Tensor, "*B F"], Float[Tensor, "*B F"]],
    heads: int,
) -> Float[Tensor, "*B K"]:
    """Return x with half of each head's channels rotated by the patch's number.

    They are taken as real and imaginary parts. So the score of query and key depends on the number
    of patches between them (rotary positions, Su et al. 2021, arXiv:2104.09864). The other half
    depends on contents alone.
    """
    cosine, sine = (part.to(x.dtype)[..., None, :] for part in by)
    parts = x.view(*x.shape[:-1], heads, x.shape[-1] // heads)
    count = cosine.shape[-1]
    a, b, rest = parts.tensor_split([count, 2 * count], -1)
    both = torch.cat([a * cosine - b * sine, b * cosine + a * sine, rest], -1)
    return both.flatten(-2)


def attend_plainly(
    queries: Float[Tensor, "B T K"], pairs: Float[Tensor, "B T Y"], heads: int, window: int
) -> Float[Tensor, "B T K"]:
    """Return the attention, place by place and head by head: the reference."""
    keys, values = pairs.chunk(2, -1)
    found = torch.zeros_like(queries)
    for t in range(queries.shape[1]):
        near = slice(max(0, t - window), t)
        for channels in torch.arange(queries.shape[2]).chunk(heads):
            query, key = queries[:, t, channels], keys[:, near, channels]
            scores = (key @ query[:, :, None])[:, :, 0] / math.sqrt(len(channels))
            weights = F.pad(scores, (1, 0)).softmax(1)[:, 1:]  # the empty pair comes first
            found[:, t, channels] = (weights[:, None] @ values[:, near, channels])[:, 0]
    return found


def attend(
    queries: Float[Tensor, "B T K"], pairs: Float[Tensor, "B T Y"], heads: int, window: int
) -> Float[Tensor, "B T K"]:
    """Return the attention of every place to the pairs of the `window` places before it."""
    rows, places, channels = queries.shape
    if not places:
        return queries
    if places <= window:  # plain causal attention after the empty pair
        keys, values = _split(F.pad(pairs, (0, 0, 1, 0))[:, :places], heads)
        found = F.scaled_dot_product_attention(
            _by_head(queries, heads), keys, values, is_causal=True
        )
        return found.transpose(1, 2).reshape(rows, places, channels)
    # In blocks of one window: a block sees itself and the one before it.
    blocks = -(-places // window)
    padding = blocks * window - places
    queries = F.pad(queries, (0, 0, 0, padding)).view(rows * blocks, window, channels)
    pairs = F.pad(pairs, (0, 0, window, padding)).view(rows, blocks + 1, window, 2 * channels)
    both = torch.cat([pairs[:, :-1], pairs[:, 1:]], 2).view(rows * blocks, 2 * window, -1)
    keys, values = _split(F.pad(both, (0, 0, 1, 0)), heads)
    seen = _band(blocks, window, queries.device).repeat(rows, 1, 1)[:, None]
    found = F.scaled_dot_product_attention(_by_head(queries, heads), keys, values, attn_mask=seen)
    return found.transpose(1, 2).reshape(rows, blocks * window, channels)[:, :places]


def attend_to(
    query: Float[Tensor, "B K"],
    pairs: Float[Tensor, "B R Y"],
    seen: Bool[Tensor, "B R"],
    heads: int,
) -> Float[Tensor, "B K"]:
    """Return the attention of one place per row to the pairs marked in `seen`."""
    keys, values = _split(pairs, heads)
    scores = (keys @ _by_head(query[:, None], heads).transpose(-1, -2))[..., 0]
    scores = (scores / math.sqrt(keys.shape[-1])).masked_fill(~seen[:, None], -math.inf)
    weights = F.pad(scores, (1, 0)).softmax(-1)[..., 1:]
    return (weights[:, :, None] @ values)[:, :, 0].flatten(1)


def _by_head(x: Float[Tensor, "B T X"], heads: int) -> Float[Tensor, "B H T Z"]:
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def _split(
    pairs: Float[Tensor, "B T Y"], heads: int
) -> tuple[Float[Tensor, "B H T Z"], Float[Tensor, "B H T Z"]]:
    keys, values = pairs.chunk(2, -1)
    return _by_head(keys, heads), _by_head(values, heads)


def _band(blocks: int, window: int, device: torch.device) -> Bool[Tensor, "X Z R"]:
    """Return the mask [blocks, window, 1 + 2 · window] of visible pairs, the empty one first."""
    place = torch.arange(window, device=device)[:, None]
    pair = torch.arange(2 * window, device=device) - window  # from the block's beginning on
    seen = F.pad((pair < place) & (pair >= place - window), (1, 0), value=True)
    band = seen.repeat(blocks, 1, 1)
    band[0, :, 1 : window + 1] = False  # no pairs before the first block
    return band
