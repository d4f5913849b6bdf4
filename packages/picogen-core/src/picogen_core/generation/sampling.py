"""Drawing characters. N rows  V = 128 codes."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from picogen_core.generation.options import SamplingOptions


def sample(
    logits: Float[Tensor, "N V"], uniforms: Float[Tensor, " N"], options: SamplingOptions
) -> Int[Tensor, " N"]:
    """One code a row by inversion of its uniform in [0, 1), in NotaGen's order of restrictions.

    A row depends on its own logits and uniform alone. Logits of −inf are never drawn.
    """
    if options.temperature == 0:
        return logits.argmax(-1)
    ordered, codes = torch.softmax(logits.double(), dim=-1).sort(
        dim=-1, descending=True, stable=True
    )
    if options.top_k:
        ordered = ordered[:, : options.top_k]
    ordered = ordered / ordered.sum(-1, keepdim=True)
    if 0 < options.top_p < 1:
        before = ordered.cumsum(-1) - ordered  # keeps the first that crosses top_p
        ordered = ordered.masked_fill(before > options.top_p, 0.0)
    # Relative to the largest, so that no temperature makes all of them underflow to 0.
    weights = (ordered / ordered[:, :1]) ** (1 / options.temperature)
    cumulative = weights.cumsum(-1)
    place = (cumulative <= uniforms.double()[:, None] * cumulative[:, -1:]).sum(-1)
    last = (weights > 0).sum(-1) - 1
    return codes.gather(-1, torch.minimum(place, last)[:, None])[:, 0]
