"""The recurrence of RWKV-7 in three forms: its definition, and two in chunks.

    B rows  S patches  H heads  K channels per head  C patches per chunk (C2 = 2C)  N chunks
    G = B·H  r receptance  w decay in (0, 1)  k key  v value
    S state [K of v, K of k], one per head
    a key that is read out of S  b key at which the result is removed:
    S_t = S_{t−1} (diag(w_t) + a_t b_tᵀ) + v_t k_tᵀ,  o_t = S_t r_t

The chunks are the WY form of the product of transitions. W_t is the product of the decays of the
chunk up to t. Rows of ã are a_t·W_{t−1}, of r̃ r_t·W_t, of b̄ b_t / W_t, of k̄ k_t / W_t. The values U
that the removals write depend on earlier removals in the chunk:
(I − tril₋₁(ã b̄ᵀ)) U = ã S₀ᵀ + tril₋₁(ã k̄ᵀ) v, a unit triangular system. Then
o = r̃ S₀ᵀ + tril(r̃ b̄ᵀ) U + tril(r̃ k̄ᵀ) v, and S_C = (S₀ + Uᵀ b̄ + vᵀ k̄) diag(W_C).
This is stable in float32 for chunks of at most 64: 1 / W is at most e^(0.61 · 64) = 7e16.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

Heads = Float[Tensor, "B S H K"]
Memory = Float[Tensor, "B H K K"]
Part = Float[Tensor, "G C K"]
Pair = Float[Tensor, "G C2 K"]


def wkv_loop(
    r: Heads, log_w: Heads, k: Heads, v: Heads, a: Heads, b: Heads, state: Memory
) -> tuple[Heads, Memory]:
    """Return the outputs and the last state, one patch at a time, in float32: the reference."""
    outputs = []
    for t in range(r.shape[1]):
        removed = state @ a[:, t, :, :, None]
        state = state * log_w[:, t, :, None].exp()
        state = state + removed * b[:, t, :, None] + v[:, t, :, :, None] * k[:, t, :, None]
        outputs.append((state @ r[:, t, :, :, None])[..., 0])
    return torch.stack(outputs, 1), state


def wkv_parallel(
    r: Heads, log_w: Heads, k: Heads, v: Heads, a: Heads, b: Heads, state: Memory, chunk: int
) -> tuple[Heads, Memory]:
    """Return `wkv_loop`, all chunks at once except for the states between them.

    It has few and large operations, for devices with a high cost per launch.
    """
    rows, patches, heads, size = r.shape
    chunk = min(chunk, patches)
    missing = -patches % chunk

    def in_chunks(x: Heads) -> Float[Tensor, "B H N C K"]:
        if missing:  # log w = k = v = a = b = 0 leave the state as it is
            x = F.pad(x, (0, 0, 0, 0, 0, missing))
        return x.reshape(rows, -1, chunk, heads, size).permute(0, 3, 1, 2, 4).contiguous()

    r, log_w, k, v, a, b = (in_chunks(x) for x in (r, log_w, k, v, a, b))
    log_decay = log_w.cumsum(-2)
    decay, inverse = log_decay.exp(), (-log_decay).exp()
    reads = torch.cat([a * (log_decay - log_w).exp(), r * decay], -2)  # ã over r̃
    writes = torch.cat([b * inverse, k * inverse], -2)  # b̄ over k̄
    scores = (reads @ writes.transpose(-1, -2)).masked_fill(_hidden(chunk, r.device), 0)

    # U = solved_a S₀ᵀ + solved_v whatever S₀ is, so that all chunks are solved at once.
    system = torch.eye(chunk, device=r.device) - scores[..., :chunk, :chunk]
    known = torch.cat([reads[..., :chunk, :], scores[..., :chunk, chunk:] @ v], -1)
    solved = torch.linalg.solve_triangular(system, known, upper=False, unitriangular=True)
    solved_a, solved_v = solved.split(size, -1)
    kept = torch.eye(size, device=r.device) + solved_a.transpose(-1, -2) @ writes[..., :chunk, :]
    added = torch.cat([solved_v, v], -2).transpose(-1, -2) @ writes
    whole = decay[..., -1:, :]

    starts = []
    state = state.flatten(0, 1)
    per_chunk = (x.flatten(0, 1).unbind(1) for x in (kept * whole, added * whole))
    for chunk_kept, chunk_added in zip(*per_chunk, strict=True):
        starts.append(state)
        state = torch.baddbmm(chunk_added, state, chunk_kept)
    start = torch.stack(starts, 1).view(rows, heads, -1, size, size).transpose(-1, -2)
    removals = solved_a @ start + solved_v
    outputs = reads[..., chunk:, :] @ start + scores[..., chunk:, :] @ torch.cat([removals, v], -2)
    outputs = outputs.permute(0, 2, 3, 1, 4).flatten(1, 2)[:, :patches]
    return outputs, state.view(rows, heads, size, size)


def wkv_sequential(
    r: Heads, log_w: Heads, k: Heads, v: Heads, a: Heads, b: Heads, state: Memory, chunk: int
) -> tuple[Heads, Memory]:
    """Return `wkv_loop`, one chunk after another, with its own gradient.

    A chunk stays in a CPU's cache, so it takes half the time of `wkv_parallel` there.
    """
    result: tuple[Heads, Memory] = Sequential.apply(r, log_w, k, v, a, b, state, chunk)  # type: ignore[no-untyped-call]
    return result


def wkv_chunked(
    r: Heads, log_w: Heads, k: Heads, v: Heads, a: Heads, b: Heads, state: Memory, chunk: int
) -> tuple[Heads, Memory]:
    """Return `wkv_loop` in the form that suits the device."""
    form = wkv_sequential if r.device.type == "cpu" else wkv_parallel
    return form(r, log_w, k, v, a, b, state, chunk)


class Chunk(NamedTuple):
    """Values of a chunk that do not depend on the state before it."""

    before: Part  # W_{t−1}
    decay: Part  # W_t
    inverse: Part  # 1 / W_t
    reads: Pair  # ã over r̃
    writes: Pair  # b̄ over k̄
    scores: Float[Tensor, "G C2 C2"]  # reads writesᵀ where a read comes after the write


def open_chunk(r: Part, log_w: Part, k: Part, a: Part, b: Part) -> Chunk:
    log_decay = log_w.cumsum(1)
    decay, before = log_decay.exp(), (log_decay - log_w).exp_()
    inverse = decay.reciprocal()
    reads = torch.cat([a * before, r * decay], 1)
    writes = torch.cat([b * inverse, k * inverse], 1)
    scores = torch.bmm(reads, writes.mT).masked_fill_(_hidden(r.shape[1], r.device), 0)
    return Chunk(before, decay, inverse, reads, writes, scores)


class Sequential(torch.autograd.Function):
    """Forward and backward pass over chunks, with the state transposed: Z = Sᵀ."""

    @staticmethod
    def forward(
        ctx: Any,
        r: Heads,
        log_w: Heads,
        k: Heads,
        v: Heads,
        a: Heads,
        b: Heads,
        state: Memory,
        chunk: int,
    ) -> tuple[Heads, Memory]:
        streams = r, log_w, k, a, b
        memory = state.flatten(0, 1).mT
        outputs, removals, starts = torch.empty_like(v), torch.empty_like(v), []
        for part in _parts(v, chunk):
            starts.append(memory)
            known = open_chunk(*(_take(x, part) for x in streams))
            values, size = _take(v, part), part.stop - part.start
            read = torch.bmm(known.reads, memory)
            wanted = torch.baddbmm(read[:, :size], known.scores[:, :size, size:], values)
            written = torch.cat([_solve(known, wanted), values], 1)  # U over v
            _put(outputs, part, torch.baddbmm(read[:, size:], known.scores[:, size:], written))
            _put(removals, part, written[:, :size])
            memory = torch.baddbmm(memory, known.writes.mT, written) * known.decay[:, -1, :, None]
        ctx.save_for_backward(*streams, v, removals, *starts, memory)
        ctx.chunk = chunk
        return outputs, memory.mT.reshape(state.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Heads, d_state: Memory) -> tuple[Tensor | None, ...]:
        *streams, v, removals = (saved := ctx.saved_tensors)[:7]  # may be read only once
        memories = saved[7:]
        d_memory = d_state.flatten(0, 1).mT
        grads = d_r, d_log_w, d_k, d_v, d_a, d_b = [torch.empty_like(v) for _ in range(6)]
        parts = list(_parts(v, ctx.chunk))
        for part, start, end in reversed(list(zip(parts, memories, memories[1:], strict=False))):
            known = open_chunk(*(_take(x, part) for x in streams))
            size = part.stop - part.start
            d_whole = (d_memory * end).sum(2)
            d_memory = d_memory * known.decay[:, -1, :, None]
            d_out = _take(d_outputs, part)
            written = torch.cat([_take(removals, part), _take(v, part)], 1)
            stored = torch.bmm(known.writes, d_memory)
            d_written = torch.baddbmm(stored, known.scores[:, size:].mT, d_out)
            d_wanted = _solve(known, d_written[:, :size], transposed=True)
            v_to_u = known.scores[:, :size, size:]
            _put(d_v, part, torch.baddbmm(d_written[:, size:], v_to_u.mT, d_wanted))
            d_read = torch.cat([d_wanted, d_out], 1)
            d_scores = torch.bmm(d_read, written.mT).masked_fill_(_hidden(size, v.device), 0)
            d_reads = torch.baddbmm(torch.bmm(d_scores, known.writes), d_read, start.mT)
            d_writes = torch.baddbmm(torch.bmm(d_scores.mT, known.reads), written, d_memory.mT)
            d_memory = torch.baddbmm(d_memory, known.reads.mT, d_read)

            _put(d_a, part, d_reads[:, :size] * known.before)
            _put(d_r, part, d_reads[:, size:] * known.decay)
            _put(d_b, part, d_writes[:, :size] * known.inverse)
            _put(d_k, part, d_writes[:, size:] * known.inverse)
            reads, writes = d_reads.mul_(known.reads), d_writes.mul_(known.writes)
            d_decay = reads[:, size:] - writes[:, :size] - writes[:, size:]
            d_decay[:, -1] += d_whole
            # The read of a sees the decays before its own patch: one patch less of the sum.
            d_decay[:, :-1] += reads[:, 1:size]
            _put(d_log_w, part, d_decay.flip(1).cumsum_(1).flip(1))
        return *grads, d_memory.mT.reshape(d_state.shape), None


def _parts(x: Heads, chunk: int) -> Iterator[slice]:
    for start in range(0, x.shape[1], chunk):
        yield slice(start, min(start + chunk, x.shape[1]))


def _take(x: Heads, part: slice) -> Part:
    return x[:, part].transpose(1, 2).flatten(0, 1)


def _put(x: Heads, part: slice, values: Part) -> None:
    x[:, part] = values.view(x.shape[0], x.shape[2], -1, x.shape[3]).transpose(1, 2)


def _hidden(chunk: int, device: torch.device) -> Bool[Tensor, "C2 C2"]:
    """Return the mask of hidden writes: a sees those before its patch, r also its own."""
    ones = torch.ones(chunk, chunk, dtype=torch.bool, device=device)
    return torch.cat([ones.triu(), ones.triu(1)]).tile(1, 2)


def _solve(chunk: Chunk, right: Part, transposed: bool = False) -> Part:
    """Return (I − tril₋₁(ã b̄ᵀ))⁻¹ right, or that of its transpose."""
    size = right.shape[1]
    system = -chunk.scores[:, :size, :size]  # its diagonal counts as 1
    if transposed:
        system = system.mT
    solved: Part = torch.linalg.solve_triangular(
        system, right, upper=transposed, unitriangular=True
    )
    return solved
