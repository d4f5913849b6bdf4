"""GPT-2, Llama and Qwen3 as one kernel: attention over caches, rows of any slots at once.

N rows  D width  H query heads  G heads of keys and values  K channels per head  F width of the MLP
L layers  T places of a cache. The outputs of a product are rounded up to `tiles.GROUP`.

Keys of a head lie in panels over positions [T / LANES, K, LANES] and values in panels over channels
[Kp / LANES, T, LANES], so that scores and weighted sums are products of `tiles.matmul` too.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picogen_core.compiled.jit import kernel
from picogen_core.compiled.maths import fill_rows, gate, gelu, layer_norm, rms_norm, softmax
from picogen_core.compiled.tiles import LANES, matmul
from picogen_core.compiled.weights import Floats, Packer, Weights, padded, zeros

COLUMNS = 14
# Columns of the table of offsets, one row per layer.
NORM1, BIAS1, QKV, QKV_BIAS, Q_NORM, K_NORM, OUT, OUT_BIAS = range(8)
NORM2, BIAS2, UP, UP_BIAS, DOWN, DOWN_BIAS = range(8, COLUMNS)


@dataclass(frozen=True)
class Layout:
    """Sizes and kinds of layers.

    rope_theta: 0 for learned positions, which are added to the input.
    centred:    LayerNorm with biases instead of RMSNorm.
    gated:      silu(gate) · up instead of GELU.
    """

    width: int
    heads: int
    kv_heads: int
    head_size: int
    ffn: int
    layers: int
    eps: float
    gated: bool = False
    centred: bool = True
    head_norms: bool = False
    rope_theta: float = 0.0


@kernel
def _norm(x, xo, w, wo, bo, eps, n, centred, y, yo):
    if centred:
        layer_norm(x, xo, w, wo, bo, eps, n, y, yo)
    else:
        rms_norm(x, xo, w, wo, eps, n, y, yo)


@kernel
def _rotate(x, o, size, turns, to):
    """Rotate one head in place; its halves are the real and imaginary parts."""
    half = size // 2
    for i in range(half):
        a, b = x[o + i], x[o + half + i]
        cosine, sine = turns[to + i], turns[to + half + i]
        x[o + i] = a * cosine - b * sine
        x[o + half + i] = b * cosine + a * sine


@kernel
def extend(
    x, rows, dp, slots, lengths, w, table, ends, sizes, eps, turns, keys, values, work
):  # fmt: skip
    """Replace x [rows, dp] by the hidden states; the rows of a slot are in their order.

    ends: offsets of the final norm, its bias, and the table of positions (−1: rotary).
    work: buffer of `Transformer.work_size(rows)` numbers.
    """
    width, heads, groups, size, ffn, places, qp, ap, fp, vp, gated, centred, head_norms = sizes
    share = heads // groups
    scale = np.float32(1 / math.sqrt(size))
    hidden, qkv = 0, rows * dp
    mixed = qkv + rows * qp
    inner = mixed + rows * ap
    scores = inner + rows * fp
    at = np.empty(rows, np.int64)
    for r in range(rows):
        at[r] = lengths[slots[r]]
        lengths[slots[r]] += 1
        if ends[2] >= 0:
            for i in range(width):
                x[r * dp + i] += w[ends[2] + at[r] * dp + i]
    for layer in range(len(table)):
        t = table[layer]
        for r in range(rows):
            _norm(x, r * dp, w, t[NORM1], t[BIAS1], eps, width, centred, work, hidden + r * dp)
        fill_rows(work, qkv, qp, rows, w, t[QKV_BIAS], qp)
        n = (heads + 2 * groups) * size
        matmul(w, t[QKV], width * LANES, n, width, work, hidden, dp, rows, work, qkv, qp)
        work[mixed : mixed + rows * ap] = np.float32(0)
        for r in range(rows):
            row, pos = qkv + r * qp, at[r]
            for h in range(heads + groups):
                if head_norms:
                    o = row + h * size
                    rms_norm(work, o, w, t[Q_NORM if h < heads else K_NORM], eps, size, work, o)
                if ends[2] < 0:
                    _rotate(work, row + h * size, size, turns, pos * size)
            for i in range(heads * size):
                work[row + i] *= scale
            for g in range(groups):
                cache = (slots[r] * len(table) + layer) * groups + g
                kc, vc = cache * places * size, cache * places * vp
                k, v = row + (heads + g) * size, row + (heads + groups + g) * size
                ko = kc + pos // LANES * size * LANES + pos % LANES
                for i in range(size):
                    keys[ko + i * LANES] = work[k + i]
                    values[vc + (i // LANES * places + pos) * LANES + i % LANES] = work[v + i]
                q, seen = row + g * share * size, pos + 1
                for i in range(share * places):
                    work[scores + i] = np.float32(0)
                matmul(keys, kc, size * LANES, seen, size, work, q, size, share, work, scores, places)  # noqa: E501  # fmt: skip
                for h in range(share):
                    softmax(work, scores + h * places, seen)
                o = mixed + r * ap + g * share * size
                matmul(values, vc, places * LANES, size, seen, work, scores, places, share, work, o, size)  # noqa: E501  # fmt: skip
        for r in range(rows):
            for i in range(dp):
                x[r * dp + i] += w[t[OUT_BIAS] + i]
        inside = heads * size
        matmul(w, t[OUT], inside * LANES, width, inside, work, mixed, ap, rows, x, 0, dp)
        for r in range(rows):
            _norm(x, r * dp, w, t[NORM2], t[BIAS2], eps, width, centred, work, hidden + r * dp)
        fill_rows(work, inner, fp, rows, w, t[UP_BIAS], fp)
        n = 2 * ffn if gated else ffn
        matmul(w, t[UP], width * LANES, n, width, work, hidden, dp, rows, work, inner, fp)
        for r in range(rows):
            if gated:
                gate(work, inner + r * fp, ffn)
            else:
                gelu(work, inner + r * fp, ffn)
            for i in range(dp):
                x[r * dp + i] += w[t[DOWN_BIAS] + i]
        matmul(w, t[DOWN], ffn * LANES, width, ffn, work, inner, fp, rows, x, 0, dp)
    for r in range(rows):
        _norm(x, r * dp, w, ends[0], ends[1], eps, width, centred, x, r * dp)


@dataclass(frozen=True)
class Layer:
    """Weights [out, in]; `qkv` has the queries, keys and values of all heads below each other.

    Biases and norms of one head are None where the architecture has none.
    """

    norm1: tuple[Floats, Floats | None]
    qkv: tuple[Floats, Floats | None]
    out: tuple[Floats, Floats | None]
    norm2: tuple[Floats, Floats | None]
    up: tuple[Floats, Floats | None]
    down: tuple[Floats, Floats | None]
    head_norms: tuple[Floats, Floats] | None = None


class Transformer:
    """A `CompiledBackbone`. `positions` is the learned table [T, D], if there is one."""

    def __init__(
        self,
        layout: Layout,
        layers: list[Layer],
        final: tuple[Floats, Floats | None],
        positions: Floats | None = None,
    ) -> None:
        self.layout, packer = layout, Packer()

        def vector(values: Floats | None, n: int) -> int:
            return packer.vector(np.zeros(n, np.float32) if values is None else values)

        rows = []
        for layer in layers:
            row = [0] * COLUMNS
            for place, (matrix, bias) in (
                (QKV, layer.qkv), (OUT, layer.out), (UP, layer.up), (DOWN, layer.down),
            ):  # fmt: skip
                row[place : place + 2] = packer.matrix(matrix), vector(bias, len(matrix))
            for place, (weight, bias) in ((NORM1, layer.norm1), (NORM2, layer.norm2)):
                row[place : place + 2] = packer.vector(weight), vector(bias, len(weight))
            if layer.head_norms:
                row[Q_NORM : K_NORM + 1] = (packer.vector(norm) for norm in layer.head_norms)
            rows.append(row)
        ends = [packer.vector(final[0]), vector(final[1], layout.width)]
        ends.append(-1 if positions is None else packer.table(positions))
        self._table, self._ends = np.array(rows, np.int64), np.array(ends, np.int64)
        self._flat = packer.flat()
        self.allocate(1, 1)

    @classmethod
    def gpt2(
        cls, weights: Weights, width: int, heads: int, layers: int, positions: Floats
    ) -> Transformer:
        """Return a transformer from tensors with GPT-2's names (`h.0.ln_1.weight`, [in, out]).

        Raises:
            BadCheckpoint: a tensor is missing or has another shape.
        """
        layout = Layout(width, heads, heads, width // heads, 4 * width, layers, eps=1e-5)

        def norm(part: Weights, name: str) -> tuple[Floats, Floats]:
            return part.take(f"{name}.weight", width), part.take(f"{name}.bias", width)

        def linear(part: Weights, name: str, fan_in: int, fan_out: int) -> tuple[Floats, Floats]:
            weight = part.take(f"{name}.weight", fan_in, fan_out)
            return weight.T, part.take(f"{name}.bias", fan_out)

        def layer(number: int) -> Layer:
            part = weights.part(f"h.{number}.")
            return Layer(
                norm1=norm(part, "ln_1"),
                qkv=linear(part, "attn.c_attn", width, 3 * width),
                out=linear(part, "attn.c_proj", width, width),
                norm2=norm(part, "ln_2"),
                up=linear(part, "mlp.c_fc", width, 4 * width),
                down=linear(part, "mlp.c_proj", 4 * width, width),
            )

        blocks = [layer(number) for number in range(layers)]
        return cls(layout, blocks, norm(weights, "ln_f"), positions)

    def allocate(self, slots: int, max_patches: int) -> None:
        """Allocate empty caches for `slots` pieces of up to `max_patches`."""
        layout = self.layout
        places, width = padded(max_patches), layout.width
        q, f = (layout.heads + 2 * layout.kv_heads) * layout.head_size, layout.ffn
        strides = (
            padded(q), padded(layout.heads * layout.head_size) + padded(1),
            padded(2 * f if layout.gated else f), padded(layout.head_size),
        )  # fmt: skip
        kinds = layout.gated, layout.centred, layout.head_norms
        self._sizes = (
            width, layout.heads, layout.kv_heads, layout.head_size, f, places, *strides,
            *map(int, kinds),
        )  # fmt: skip
        caches = slots * layout.layers * layout.kv_heads * places
        self._keys, self._values = zeros(caches * layout.head_size), zeros(caches * strides[3])
        self._lengths = np.zeros(slots, np.int64)
        self._turns = _turns(layout, max_patches)
        self._places, self._work = places, zeros(1)

    def clear(self, slot: int) -> None:
        self._lengths[slot] = 0

    def roll_back(self, slots: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        """Drop the last `counts` rows of N different slots from the caches (rollback)."""
        self._lengths[slots] -= counts

    @property
    def nbytes(self) -> int:
        """Return the bytes of all weights."""
        return self._flat.nbytes

    def copy(self, source: int, target: int) -> None:
        """Copy a slot's filled places alone, so that unused memory is never touched."""
        filled = self._lengths[target] = self._lengths[source]
        slots, panels = len(self._lengths), -(-filled // LANES)
        keys = self._keys.reshape(slots, -1, self._places // LANES, self.layout.head_size * LANES)
        values = self._values.reshape(slots, -1, self._places, LANES)
        keys[target, :, :panels] = keys[source, :, :panels]
        values[target, :, :filled] = values[source, :, :filled]

    def extend(self, x: Floats, slots: NDArray[np.int64]) -> Floats:
        """Read one more patch for each row's slot, in order: [N, D] -> [N, D]."""
        n, width = x.shape
        dp = padded(width)
        out = np.zeros((n, dp), np.float32)
        out[:, :width] = x
        size = n * (dp + sum(self._sizes[6:9])) + self.layout.heads * self._places
        if self._work.size < size:
            self._work = zeros(size)
        extend(
            out.reshape(-1), n, dp, slots, self._lengths, self._flat, self._table, self._ends,
            self._sizes, np.float32(self.layout.eps), self._turns, self._keys, self._values,
            self._work,
        )  # fmt: skip
        return out[:, :width]


def _turns(layout: Layout, places: int) -> Floats:
    """Return cosines and sines [T, K] of rotary positions, in float32 as in transformers."""
    if not layout.rope_theta:
        return zeros(1)
    size = layout.head_size
    powers = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
    frequencies = np.float32(1) / np.float32(layout.rope_theta) ** powers
    angles = np.arange(places, dtype=np.float32)[:, None] * frequencies
    both = np.concatenate([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    return np.ascontiguousarray(both).reshape(-1)
