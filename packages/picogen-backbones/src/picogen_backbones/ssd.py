"""The scan of Mamba-2 with one group, chunk by chunk in a CPU's cache, with its own gradient.

It computes the same as transformers' plain scan, which repeats B and C for every head.

    R rows  S patches  H heads  K channels per head  N size of a channel's state
    Q patches per chunk
    x values  dt steps Δ  a = Δ A logarithms of decays  b, c where x is written and y is read
    Z_t = e^(a_t) Z_{t−1} + b_t (Δ_t x_t)ᵀ [N, K], one per head;  y_t = Z_tᵀ c_t + D x_t

With s the sums of a within a chunk and u = Δ x (Dao and Gu 2024, arXiv:2405.21060, section 6):

    y = e^s (c Z₀) + tril(c bᵀ · e^(s_i − s_j)) u + D x,  Z_Q = e^(s_Q) Z₀ + bᵀ (e^(s_Q − s) u)

c bᵀ is the same for all heads. No exponent is above 0.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

Values = Float[Tensor, "R S H K"]
Steps = Float[Tensor, "R S H"]
Keys = Float[Tensor, "R S N"]
Memory = Float[Tensor, "R N H K"]


def ssd_loop(
    x: Values, dt: Steps, a: Steps, b: Keys, c: Keys, skip: Float[Tensor, " H"], state: Memory
) -> tuple[Values, Memory]:
    """Return the outputs and the last state, one patch at a time: the reference."""
    outputs = []
    for t in range(x.shape[1]):
        value = dt[:, t, :, None] * x[:, t]
        state = a[:, t].exp()[:, None, :, None] * state + b[:, t, :, None, None] * value[:, None]
        outputs.append((state * c[:, t, :, None, None]).sum(1) + skip[:, None] * x[:, t])
    return torch.stack(outputs, 1), state


def ssd_chunked(
    x: Values,
    dt: Steps,
    a: Steps,
    b: Keys,
    c: Keys,
    skip: Float[Tensor, " H"],
    state: Memory,
    chunk: int,
) -> tuple[Values, Memory]:
    """Return `ssd_loop`, one chunk after another; all in float32, also under autocast."""
    with torch.autocast("cpu", enabled=False):
        result: tuple[Values, Memory] = Scan.apply(x, dt, a, b, c, skip, state, chunk)  # type: ignore[no-untyped-call]
        return result


class Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Values,
        dt: Steps,
        a: Steps,
        b: Keys,
        c: Keys,
        skip: Float[Tensor, " H"],
        state: Memory,
        chunk: int,
    ) -> tuple[Values, Memory]:
        outputs, starts = torch.empty_like(x), []
        memory = state.flatten(2)
        for part in _parts(x, chunk):
            starts.append(memory)
            x_, dt_, b_, c_ = x[:, part], dt[:, part, :, None], b[:, part], c[:, part]
            sums = _sums(a[:, part])
            u = x_ * dt_
            weights = _decays(sums, x) * torch.bmm(c_, b_.mT)[:, None]
            y = torch.bmm(c_, memory).view_as(u) * _decay(sums, x)[..., None]
            y += (weights @ u.transpose(1, 2)).transpose(1, 2)
            outputs[:, part] = y.addcmul_(x_, skip[:, None])
            late = (u * _decay(sums[:, -1:] - sums, x)[..., None]).flatten(2)
            memory = torch.baddbmm(_whole(memory, sums), b_.mT, late)
        ctx.save_for_backward(x, dt, a, b, c, skip, outputs, *starts, memory)
        ctx.chunk = chunk
        return outputs, memory.view_as(state)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Values, d_state: Memory) -> tuple[Tensor | None, ...]:
        x, dt, a, b, c, skip, outputs, *memories = ctx.saved_tensors
        d_memory = d_state.flatten(2)
        grads = d_x, d_dt, d_a, d_b, d_c = [torch.empty_like(z) for z in (x, dt, a, b, c)]
        d_skip = torch.zeros_like(skip)
        parts = list(_parts(x, ctx.chunk))
        for part, start, end in reversed(list(zip(parts, memories, memories[1:], strict=False))):
            x_, dt_, b_, c_ = x[:, part], dt[:, part, :, None], b[:, part], c[:, part]
            d_y = d_outputs[:, part]
            sums = _sums(a[:, part])
            u, left = x_ * dt_, _decay(sums[:, -1:] - sums, x)[..., None]
            decays = _decays(sums, x)
            weights = decays * torch.bmm(c_, b_.mT)[:, None]
            d_read = (d_y * _decay(sums, x)[..., None]).flatten(2)
            d_heads = d_y.transpose(1, 2)
            d_u = torch.bmm(b_, d_memory).view_as(u) * left
            d_u += (weights.mT @ d_heads).transpose(1, 2)
            d_scores = (d_heads @ u.permute(0, 2, 3, 1)).mul_(decays).sum(1)
            d_c[:, part] = torch.baddbmm(torch.bmm(d_scores, b_), d_read, start.mT)
            late = (u * left).flatten(2)
            d_b[:, part] = torch.baddbmm(torch.bmm(d_scores.mT, c_), late, d_memory.mT)

            # s_i raises the output at i, except D x; s_j lowers u_j in every output.
            through = (d_y * x_).sum(-1)
            d_step = (d_u * x_).sum(-1)
            d_sums = (d_y * outputs[:, part]).sum(-1) - skip * through - dt[:, part] * d_step
            d_sums[:, -1] += (d_memory * end).unflatten(2, x.shape[2:]).sum((1, 3))
            d_a[:, part] = d_sums.flip(1).cumsum_(1).flip(1)
            d_dt[:, part] = d_step
            d_x[:, part] = d_u.mul_(dt_).addcmul_(d_y, skip[:, None])
            d_skip += through.sum((0, 1))
            d_memory = torch.baddbmm(_whole(d_memory, sums), c_.mT, d_read)
        return *grads, d_skip, d_memory.view_as(d_state), None


def chunk_scan(
    hidden_states: Values,
    dt: Steps,
    A: Float[Tensor, " H"],
    B: Float[Tensor, "R S G N"],
    C: Float[Tensor, "R S G N"],
    chunk_size: int,
    D: Float[Tensor, " H"] | None = None,
    dt_bias: Float[Tensor, " H"] | None = None,
    initial_states: Float[Tensor, "R H K N"] | None = None,
    dt_softplus: bool = False,
    dt_limit: Sequence[float] = (0.0, float("inf")),
    return_final_states: bool = False,
    **kwargs: Any,
) -> Any:
    """Return `ssd_chunked` with the signature that transformers' Mamba-2 layers call; one group."""
    x = hidden_states.float()
    if dt_bias is not None:
        dt = dt + dt_bias.to(dt.dtype)
    if dt_softplus:
        dt = F.softplus(dt)
    if tuple(dt_limit) != (0.0, float("inf")):
        dt = dt.clamp(*dt_limit)
    dt = dt.float()
    rows, _, heads, size = x.shape
    skip = x.new_zeros(heads) if D is None else D.float()
    if initial_states is None:
        state = x.new_zeros(rows, B.shape[-1], heads, size)
    else:
        state = initial_states.float().permute(0, 3, 1, 2)
    keys = B[:, :, 0].float(), C[:, :, 0].float()
    y, state = ssd_chunked(x, dt, A.float() * dt, *keys, skip, state, chunk_size)
    return (y, state.permute(0, 2, 3, 1)) if return_final_states else y


def _parts(x: Values, chunk: int) -> Iterator[slice]:
    for start in range(0, x.shape[1], chunk):
        yield slice(start, min(start + chunk, x.shape[1]))


def _sums(a: Steps) -> Float[Tensor, "R Q H"]:
    """Return the sums up to each patch, in float64 if the device has it.

    Their differences may be much smaller than the sums.
    """
    return a.cumsum(1, dtype=a.dtype if a.device.type == "mps" else torch.float64)


def _decay(gaps: Tensor, like: Tensor) -> Tensor:
    """Return e^gaps in the dtype of `like`."""
    return gaps.to(like.dtype).exp()


def _decays(sums: Float[Tensor, "R Q H"], like: Tensor) -> Float[Tensor, "R H Q Q"]:
    """Return e^(s_i − s_j) from j to i, 0 where j is later."""
    sums = sums.transpose(1, 2)
    later = torch.ones(2 * sums.shape[-1:], dtype=torch.bool, device=sums.device).triu(1)
    gaps = sums[..., :, None] - sums[..., None, :]
    return _decay(gaps.masked_fill_(later, -torch.inf), like)


def _whole(
    memory: Float[Tensor, "R N HK"], sums: Float[Tensor, "R Q H"]
) -> Float[Tensor, "R N HK"]:
    """Return `memory` after the decays of a whole chunk."""
    decay = _decay(sums[:, -1], memory)[:, None, :, None]
    heads = memory.view(*memory.shape[:2], sums.shape[2], -1)
    return (heads * decay).flatten(2)
