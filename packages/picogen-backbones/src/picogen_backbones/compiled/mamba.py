"""Mamba-2 as one kernel: the recurrence of `picogen_backbones.mamba`, patch by patch.

N rows  D width  E inner width (E = H · K)  H heads  K channels per head
S size of a channel's state  C channels of the convolution (E + 2S)  W patches it sees  L layers
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from picogen_core.compiled.jit import kernel
from picogen_core.compiled.maths import exp, rms_norm, sigmoid
from picogen_core.compiled.tiles import LANES, matmul
from picogen_core.compiled.weights import Floats, Packer, Weights, padded, zeros

from picogen_backbones.options import MambaOptions, mamba_heads

# Columns of the table of offsets, one row per layer.
NORM, PROJECT_IN, CONV, CONV_BIAS, DT_BIAS, A, D, GATED_NORM, PROJECT_OUT = range(9)
COLUMNS = 9

_ZERO = np.float32(0)
_EPS = np.float32(1e-5)


@kernel
def _softplus(x):
    return x if x > np.float32(20) else np.float32(math.log1p(math.exp(x)))


@kernel
def extend(x, rows, dp, slots, w, table, final, sizes, conv, ssm, work):
    """Replace x [rows, dp] by the hidden states; the rows of a slot are in their order.

    conv [slots, L, W, C] the inputs of the convolution, the latest last; ssm [slots, L, H, S, K].
    """
    width, inner, heads, size, states, kernel_width, pp, ep = sizes
    layers, channels = len(table), inner + 2 * states
    hidden, project = 0, rows * dp
    mixed = project + rows * pp
    convolved = mixed + rows * ep
    for layer in range(layers):
        t = table[layer]
        for r in range(rows):
            rms_norm(x, r * dp, w, t[NORM], _EPS, width, work, hidden + r * dp)
        work[project : project + rows * pp] = _ZERO
        n = inner + channels + heads
        matmul(w, t[PROJECT_IN], width * LANES, n, width, work, hidden, dp, rows, work, project, pp)
        for r in range(rows):
            z, u = project + r * pp, project + r * pp + inner
            dt = u + channels
            seen = (slots[r] * layers + layer) * kernel_width * channels
            for i in range((kernel_width - 1) * channels):
                conv[seen + i] = conv[seen + i + channels]
            latest = seen + (kernel_width - 1) * channels
            for i in range(channels):
                conv[latest + i] = work[u + i]
                work[convolved + i] = w[t[CONV_BIAS] + i]
            for j in range(kernel_width):
                for i in range(channels):
                    tap = w[t[CONV] + j * channels + i]
                    work[convolved + i] += conv[seen + j * channels + i] * tap
            for i in range(channels):
                work[convolved + i] *= sigmoid(work[convolved + i])
            b, c = convolved + inner, convolved + inner + states
            for h in range(heads):
                step = _softplus(work[dt + h] + w[t[DT_BIAS] + h])
                decay = exp(step * w[t[A] + h])
                u, y = convolved + h * size, mixed + r * ep + h * size
                so = ((slots[r] * layers + layer) * heads + h) * states * size
                for i in range(size):
                    work[y + i] = work[u + i] * w[t[D] + h]
                for j in range(states):
                    write, read = step * work[b + j], work[c + j]
                    for i in range(so + j * size, so + (j + 1) * size):
                        ssm[i] = ssm[i] * decay + write * work[u + i - so - j * size]
                        work[y + i - so - j * size] += ssm[i] * read
                for i in range(size):
                    gate = work[z + h * size + i]
                    work[y + i] *= gate * sigmoid(gate)
            m = mixed + r * ep
            rms_norm(work, m, w, t[GATED_NORM], _EPS, inner, work, m)
        matmul(w, t[PROJECT_OUT], inner * LANES, width, inner, work, mixed, ep, rows, x, 0, dp)
    for r in range(rows):
        rms_norm(x, r * dp, w, final, _EPS, width, x, r * dp)


class CompiledMamba:
    """A `CompiledBackbone` with a state of fixed size.

    Raises:
        BadCheckpoint: a tensor is missing or has another shape.
    """

    def __init__(self, options: MambaOptions, d_model: int, weights: Weights) -> None:
        heads, size, states = mamba_heads(d_model, options), options.head_size, options.state_size
        inner, width = heads * size, options.conv_kernel
        channels = inner + 2 * states
        packer = Packer()

        def layer(number: int) -> list[int]:
            block = weights.part(f"model.layers.{number}.")
            mixer, t = block.part("mixer."), [0] * COLUMNS
            t[NORM] = packer.vector(block.take("norm.weight", d_model))
            rows = inner + channels + heads
            t[PROJECT_IN] = packer.matrix(mixer.take("in_proj.weight", rows, d_model))
            t[CONV] = packer.vector(mixer.take("conv1d.weight", channels, 1, width)[:, 0].T)
            t[CONV_BIAS] = packer.vector(mixer.take("conv1d.bias", channels))
            t[DT_BIAS] = packer.vector(mixer.take("dt_bias", heads))
            t[A] = packer.vector(-np.exp(mixer.take("A_log", heads)))
            t[D] = packer.vector(mixer.take("D", heads))
            t[GATED_NORM] = packer.vector(mixer.take("norm.weight", inner))
            t[PROJECT_OUT] = packer.matrix(mixer.take("out_proj.weight", d_model, inner))
            return t

        self._table = np.array([layer(i) for i in range(options.layers)], np.int64)
        self._final = packer.vector(weights.take("model.norm_f.weight", d_model))
        self._flat, self._channels = packer.flat(), channels
        self._sizes = (
            d_model, inner, heads, size, states, width, padded(inner + channels + heads),
            padded(inner),
        )  # fmt: skip
        self._work = zeros(1)
        self.allocate(1, 0)

    def allocate(self, slots: int, max_patches: int) -> None:
        _, inner, _, _, states, width = self._sizes[:6]
        layers = len(self._table)
        self._conv = zeros(slots, layers * width * self._channels)
        self._ssm = zeros(slots, layers * inner * states)

    def clear(self, slot: int) -> None:
        self._conv[slot] = self._ssm[slot] = 0

    def copy(self, source: int, target: int) -> None:
        for state in (self._conv, self._ssm):
            state[target] = state[source]

    def extend(self, x: Floats, slots: NDArray[np.int64]) -> Floats:
        """Read one more patch for each row's slot, in order: [N, D] -> [N, D]."""
        n, width = x.shape
        dp = padded(width)
        out = np.zeros((n, dp), np.float32)
        out[:, :width] = x
        size = n * (dp + sum(self._sizes[6:])) + padded(self._channels)
        if self._work.size < size:
            self._work = zeros(size)
        extend(
            out.reshape(-1), n, dp, slots, self._flat, self._table, self._final, self._sizes,
            self._conv.reshape(-1), self._ssm.reshape(-1), self._work,
        )  # fmt: skip
        return out[:, :width]
