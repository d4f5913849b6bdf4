"""Functions between the matrix products, in float32, one row at a time."""

# mypy: allow-untyped-defs

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from picogen_core.compiled.jit import inlined, kernel, reduction

_f = np.float32
_LOG2_E = _f(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = _f(0.693359375), _f(-2.12194440e-4)
_SQRT_2_PI = _f(math.sqrt(2 / math.pi))
_CUBIC = _f(0.044715)
_ONE, _TWO, _HALF = _f(1), _f(2), _f(0.5)
_C = tuple(_f(c) for c in (
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5,
))  # fmt: skip
_C0, _C1, _C2, _C3, _C4, _C5 = _C
_LOW, _HIGH = _f(-87), _f(88)


def _power_of_two_code(typing: Any, exponent: Any) -> Any:
    """Return 2 ** exponent, built from its bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = ir.IntType(32)
        biased = builder.add(args[0], ir.Constant(bits, 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(bits, 23)), ir.FloatType())

    return types.float32(types.int32), codegen


_power_of_two: Any = intrinsic(_power_of_two_code)


@inlined
def exp(x):
    """Return e ** x to 2e-7, by Cephes' polynomial, which loops vectorise. NaN stays NaN."""
    x = _LOW if x < _LOW else x
    x = _HIGH if x > _HIGH else x
    n = np.floor(x * _LOG2_E + _HALF)
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = ((((_C0 * r + _C1) * r + _C2) * r + _C3) * r + _C4) * r + _C5
    return (p * r * r + r + _ONE) * _power_of_two(np.int32(n))


@inlined
def sigmoid(x):
    return _ONE / (_ONE + exp(-x))


@inlined
def tanh(x):
    return _ONE - _TWO / (exp(_TWO * x) + _ONE)


@reduction
def dot(x, xo, y, yo, n):
    """Return Σ x y."""
    total = _f(0)
    for i in range(n):
        total += x[xo + i] * y[yo + i]
    return total


@reduction
def total(x, o, n):
    """Return Σ x."""
    found = _f(0)
    for i in range(n):
        found += x[o + i]
    return found


@reduction
def _scatter(x, o, mean, n):
    """Return Σ (x − mean)²."""
    total = _f(0)
    for i in range(n):
        total += (x[o + i] - mean) * (x[o + i] - mean)
    return total


@kernel
def gelu(x, o, n):
    """Apply GPT-2's `gelu_new` in place."""
    for i in range(o, o + n):
        v = x[i]
        x[i] = _HALF * v * (_ONE + tanh(_SQRT_2_PI * (v + _CUBIC * v * v * v)))


@kernel
def silu(x, o, n):
    """Apply x · sigmoid(x) in place."""
    for i in range(o, o + n):
        x[i] = x[i] * sigmoid(x[i])


@kernel
def gate(x, o, n):
    """Multiply silu of the first n by the next n, into the first."""
    for i in range(o, o + n):
        x[i] = x[i] * sigmoid(x[i]) * x[i + n]


@kernel
def fill_rows(y, yo, ys, rows, w, wo, n):
    """Write y[r] = w for each row: a bias, before the product is added."""
    for r in range(rows):
        a = yo + r * ys
        for i in range(n):
            y[a + i] = w[wo + i]


@kernel
def layer_norm(x, xo, w, wo, bo, eps, n, y, yo):
    """Apply LayerNorm to one row, in place if y is x."""
    mean = total(x, xo, n) / _f(n)
    scale = _ONE / np.sqrt(_scatter(x, xo, mean, n) / _f(n) + eps)
    for i in range(n):
        y[yo + i] = (x[xo + i] - mean) * scale * w[wo + i] + w[bo + i]


@kernel
def rms_norm(x, xo, w, wo, eps, n, y, yo):
    """Apply RMSNorm to one row, in place if y is x."""
    scale = _ONE / np.sqrt(dot(x, xo, x, xo, n) / _f(n) + eps)
    for i in range(n):
        y[yo + i] = x[xo + i] * scale * w[wo + i]


@kernel
def softmax(x, xo, n):
    """Apply softmax to one row in place."""
    top = x[xo]
    for i in range(1, n):
        top = x[xo + i] if x[xo + i] > top else top
    for i in range(n):
        x[xo + i] = exp(x[xo + i] - top)
    scale = _ONE / total(x, xo, n)
    for i in range(n):
        x[xo + i] *= scale
