"""RWKV-7 as one kernel: the recurrence of `picogen_backbones.rwkv`, patch by patch.

N rows  D width  H heads  K channels per head (D = H·K)  F width of the channel mixing  L layers
R ranks of the low-rank maps of decay, η, value share and gate. Symbols as in `rwkv.py`.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from picogen_core.compiled.jit import kernel, reduction
from picogen_core.compiled.maths import dot, exp, layer_norm, sigmoid, tanh
from picogen_core.compiled.tiles import LANES, matmul
from picogen_core.compiled.weights import Floats, Packer, Weights, padded, zeros

from picogen_backbones.options import RwkvOptions, rwkv_heads

# Columns of the table of offsets, one row per layer.
LN1, LN1_B, LN2, LN2_B, LNX, LNX_B, MIXES, W0, A0, V0, K_K, K_A, R_K = range(13)
RECEPTANCE, KEY, VALUE, OUTPUT = range(13, 17)
W1, W2, A1, A2, V1, V2, G1, G2 = range(17, 25)  # odd columns first: [R, D], then [D, R]
FFN_MIX, FFN_KEY, FFN_VALUE = range(25, 28)
COLUMNS = 28
# Buffers of [N, room] in the scratch, in units of N · room.
H, XR, XW, XK, XV, XA, XG, R_, W_, K_, V_, A_, G_, FIRST_V, KAPPA, LOW, OUT = range(17)
BUFFERS = 17

_MAX_DECAY = np.float32(-math.exp(-0.5))
_ZERO, _ONE = np.float32(0), np.float32(1)
_EPS, _EPS_X, _EPS_KAPPA = np.float32(1e-5), np.float32(64e-5), np.float32(1e-12)


def _low_rank_of(w, first, second, rank, room, width, rows, work, x, y, low, kind):  # fmt: skip
    """Compute y += second · f(first · x); f is tanh (1), the logistic (2) or the identity (0)."""
    work[low : low + rows * room] = _ZERO
    matmul(w, first, width * LANES, rank, width, work, x, room, rows, work, low, room)
    for r in range(rows):
        for i in range(low + r * room, low + r * room + rank):
            if kind == 1:
                work[i] = tanh(work[i])
            elif kind == 2:
                work[i] = sigmoid(work[i])
    matmul(w, second, rank * LANES, width, rank, work, low, room, rows, work, y, room)


def _recur_one(s, so, size, work, r, decay, k, v, kappa, eta, out):
    """Update one head by one patch: S ← S (diag w − κ (κη)ᵀ) + v kᵀ, out = S r; S [K v, K k]."""
    for i in range(size):
        row = so + i * size
        removed = -dot(s, row, work, kappa, size)
        value = work[v + i]
        for j in range(size):
            s[row + j] = (
                s[row + j] * work[decay + j]
                + removed * (work[kappa + j] * work[eta + j])
                + value * work[k + j]
            )
        work[out + i] = dot(s, row, work, r, size)


@reduction
def _bonus(work, r, k, w, weight, size):
    """Return Σ r k weight."""
    total = _ZERO
    for i in range(size):
        total += work[r + i] * work[k + i] * w[weight + i]
    return total


_low_rank = kernel(
    _low_rank_of,
    f"void(float32[::1], {', '.join(['int64'] * 6)}, float32[::1], {', '.join(['int64'] * 4)})",
)
_recur = kernel(
    _recur_one, f"void(float32[::1], int64, int64, float32[::1], {', '.join(['int64'] * 7)})"
)


@kernel
def extend(x, rows, dp, slots, w, table, ends, sizes, att, ffn, memory, work):  # fmt: skip
    """Replace x [rows, dp] by the hidden states; the rows of a slot are in their order.

    ends: offsets of ln0 and ln_out with their biases. att, ffn [slots, L, D], memory
    [slots, L, H, K, K]. work: BUFFERS · rows · room numbers, and rows · fp for the channel mixing.
    """
    width, heads, size, hidden, room, fp, rank_w, rank_a, rank_v, rank_g = sizes
    layers = len(table)
    step = rows * room
    inner = BUFFERS * step
    for r in range(rows):
        layer_norm(x, r * dp, w, ends[0], ends[1], _EPS, width, x, r * dp)
    for layer in range(layers):
        t = table[layer]
        for r in range(rows):
            o, last = r * room, (slots[r] * layers + layer) * width
            layer_norm(x, r * dp, w, t[LN1], t[LN1_B], _EPS, width, work, H * step + o)
            for m in range(6):
                mix, y = t[MIXES] + m * room, (XR + m) * step + o
                for i in range(width):
                    h = work[H * step + o + i]
                    work[y + i] = h + (att[last + i] - h) * w[mix + i]
            for i in range(width):
                att[last + i] = work[H * step + o + i]
                work[W_ * step + o + i] = w[t[W0] + i]
                work[A_ * step + o + i] = w[t[A0] + i]
                work[KAPPA * step + o + i] = w[t[V0] + i]
        for y in (R_, K_, V_, G_):
            work[y * step : (y + 1) * step] = _ZERO
        dense = width * LANES
        matmul(w, t[RECEPTANCE], dense, width, width, work, XR * step, room, rows, work, R_ * step, room)  # noqa: E501  # fmt: skip
        matmul(w, t[KEY], dense, width, width, work, XK * step, room, rows, work, K_ * step, room)
        matmul(w, t[VALUE], dense, width, width, work, XV * step, room, rows, work, V_ * step, room)
        low = LOW * step
        _low_rank(w, t[W1], t[W2], rank_w, room, width, rows, work, XW * step, W_ * step, low, 1)
        _low_rank(w, t[A1], t[A2], rank_a, room, width, rows, work, XA * step, A_ * step, low, 0)
        _low_rank(w, t[G1], t[G2], rank_g, room, width, rows, work, XG * step, G_ * step, low, 2)
        if layer == 0:
            work[FIRST_V * step : (FIRST_V + 1) * step] = work[V_ * step : (V_ + 1) * step]
        else:
            share = KAPPA * step  # free until the keys to remove are made
            _low_rank(w, t[V1], t[V2], rank_v, room, width, rows, work, XV * step, share, low, 0)
            for r in range(rows):
                for i in range(r * room, r * room + width):
                    v = work[V_ * step + i]
                    work[V_ * step + i] = v + (work[FIRST_V * step + i] - v) * sigmoid(
                        work[share + i]
                    )
        for r in range(rows):
            o = r * room
            for i in range(width):
                k, eta = work[K_ * step + o + i], sigmoid(work[A_ * step + o + i])
                work[A_ * step + o + i] = eta
                work[W_ * step + o + i] = exp(_MAX_DECAY * sigmoid(work[W_ * step + o + i]))
                work[KAPPA * step + o + i] = k * w[t[K_K] + i]
                mixed = _ONE - w[t[K_A] + i] + eta * w[t[K_A] + i]
                work[K_ * step + o + i] = k * mixed
            for head in range(heads):
                p = o + head * size
                kappa, out = KAPPA * step + p, OUT * step + p
                length = max(np.sqrt(dot(work, kappa, work, kappa, size)), _EPS_KAPPA)
                for i in range(size):
                    work[kappa + i] /= length
                so = ((slots[r] * layers + layer) * heads + head) * size * size
                _recur(
                    memory, so, size, work, R_ * step + p, W_ * step + p, K_ * step + p,
                    V_ * step + p, kappa, A_ * step + p, out,
                )  # fmt: skip
                lnx, bias = t[LNX] + head * size, t[LNX_B] + head * size
                layer_norm(work, out, w, lnx, bias, _EPS_X, size, work, out)
                scales = t[R_K] + head * size
                bonus = _bonus(work, R_ * step + p, K_ * step + p, w, scales, size)
                for i in range(size):
                    mixed = work[out + i] + bonus * work[V_ * step + p + i]
                    work[out + i] = mixed * work[G_ * step + p + i]
        matmul(w, t[OUTPUT], dense, width, width, work, OUT * step, room, rows, x, 0, dp)
        for r in range(rows):
            o, last = r * room, (slots[r] * layers + layer) * width
            layer_norm(x, r * dp, w, t[LN2], t[LN2_B], _EPS, width, work, H * step + o)
            for i in range(width):
                h = work[H * step + o + i]
                work[XK * step + o + i] = h + (ffn[last + i] - h) * w[t[FFN_MIX] + i]
                ffn[last + i] = h
        work[inner : inner + rows * fp] = _ZERO
        matmul(w, t[FFN_KEY], dense, hidden, width, work, XK * step, room, rows, work, inner, fp)
        for i in range(inner, inner + rows * fp):
            work[i] = _ZERO if work[i] < _ZERO else work[i] * work[i]
        matmul(w, t[FFN_VALUE], hidden * LANES, width, hidden, work, inner, fp, rows, x, 0, dp)
    for r in range(rows):
        layer_norm(x, r * dp, w, ends[2], ends[3], _EPS, width, x, r * dp)


class CompiledRwkv:
    """A `CompiledBackbone` with a state of fixed size.

    Raises:
        BadCheckpoint: a tensor is missing or has another shape.
    """

    def __init__(self, options: RwkvOptions, d_model: int, weights: Weights) -> None:
        heads, size = rwkv_heads(d_model, options), options.head_size
        ffn = options.ffn or 4 * d_model
        ranks = [weights[f"blocks.{options.layers - 1}.att.{name}1"].shape[-1] for name in "wag"]
        value = weights["blocks.1.att.v1"].shape[-1] if options.layers > 1 else 1
        rank_w, rank_a, rank_g = ranks
        packer = Packer()

        def row(part: Weights, name: str) -> int:
            return packer.vector(part.take(name, 1, 1, d_model)[0, 0])

        def norm(part: Weights, name: str) -> tuple[int, int]:
            weight, bias = (part.take(f"{name}.{kind}", d_model) for kind in ("weight", "bias"))
            return packer.vector(weight), packer.vector(bias)

        def layer(number: int) -> list[int]:
            block = weights.part(f"blocks.{number}.")
            att, mlp, t = block.part("att."), block.part("ffn."), [0] * COLUMNS
            t[LN1 : LN1 + 2], t[LN2 : LN2 + 2] = norm(block, "ln1"), norm(block, "ln2")
            t[LNX : LNX + 2] = norm(att, "ln_x")
            mixes = [att.take(f"x_{name}", 1, 1, d_model)[0, 0] for name in "rwkvag"]
            self._room = max(padded(d_model), *(padded(rank) for rank in (*ranks, value)))
            t[MIXES] = packer.vector(
                np.concatenate([np.pad(mix, (0, self._room - d_model)) for mix in mixes])
            )
            t[W0], t[A0] = row(att, "w0"), row(att, "a0")
            t[K_K], t[K_A] = row(att, "k_k"), row(att, "k_a")
            t[R_K] = packer.vector(att.take("r_k", heads, size))
            for place, name in ((RECEPTANCE, "receptance"), (KEY, "key"), (VALUE, "value"),
                                (OUTPUT, "output")):  # fmt: skip
                t[place] = packer.matrix(att.take(f"{name}.weight", d_model, d_model))
            maps = [(W1, "w", rank_w), (A1, "a", rank_a), (G1, "g", rank_g)]
            if number:
                t[V0] = row(att, "v0")
                maps.append((V1, "v", value))
            for place, name, rank in maps:
                t[place] = packer.matrix(att.take(f"{name}1", d_model, rank).T)
                t[place + 1] = packer.matrix(att.take(f"{name}2", rank, d_model).T)
            t[FFN_MIX] = row(mlp, "x_k")
            t[FFN_KEY] = packer.matrix(mlp.take("key.weight", ffn, d_model))
            t[FFN_VALUE] = packer.matrix(mlp.take("value.weight", d_model, ffn))
            return t

        ends = norm(weights.part("blocks.0."), "ln0") + norm(weights, "ln_out")
        self._table = np.array([layer(i) for i in range(options.layers)], np.int64)
        self._ends, self._flat = np.array(ends, np.int64), packer.flat()
        self._sizes = (
            d_model, heads, size, ffn, self._room, padded(ffn), rank_w, rank_a, value, rank_g,
        )  # fmt: skip
        self._work = zeros(1)
        self.allocate(1, 0)

    def allocate(self, slots: int, max_patches: int) -> None:
        width, heads, size = self._sizes[:3]
        layers = len(self._table)
        self._att, self._ffn = zeros(slots, layers * width), zeros(slots, layers * width)
        self._memory = zeros(slots, layers * heads * size * size)

    def clear(self, slot: int) -> None:
        for state in (self._att, self._ffn, self._memory):
            state[slot] = 0

    def copy(self, source: int, target: int) -> None:
        for state in (self._att, self._ffn, self._memory):
            state[target] = state[source]

    def extend(self, x: Floats, slots: NDArray[np.int64]) -> Floats:
        """Read one more patch for each row's slot, in order: [N, D] -> [N, D]."""
        n, width = x.shape
        dp = padded(width)
        out = np.zeros((n, dp), np.float32)
        out[:, :width] = x
        size = n * (BUFFERS * self._room + self._sizes[5])
        if self._work.size < size:
            self._work = zeros(size)
        extend(
            out.reshape(-1), n, dp, slots, self._flat, self._table, self._ends, self._sizes,
            self._att.reshape(-1), self._ffn.reshape(-1), self._memory.reshape(-1), self._work,
        )  # fmt: skip
        return out[:, :width]
