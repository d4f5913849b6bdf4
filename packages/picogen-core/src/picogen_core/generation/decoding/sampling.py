"""Sampling of characters: one implementation for all engines, compiled if numba is installed.

N rows  V = 128 codes
"""

from __future__ import annotations

import functools
import math
from itertools import accumulate
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.grammar.charsets import NEVER, PENALTY, RARELY
from picogen_core.compiled.draw_code import NOT_FINITE, NOTHING_ALLOWED, nll_of
from picogen_core.generation.request.options import SamplingOptions

__all__ = ["NOTHING_ALLOWED", "NOT_FINITE", "draw", "nll", "sampling_numbers"]


def draw(
    logits: NDArray[np.float32],
    allowed: NDArray[np.uint8],
    uniforms: NDArray[np.float64],
    options: SamplingOptions,
) -> NDArray[np.int64]:
    """Return one code per row of logits [N, V], by inversion of its uniform in [0, 1).

    A row depends only on its logits, its row of `allowed` and its uniform. A code is allowed
    `NEVER`, `FREELY` or `RARELY`, which subtracts `PENALTY` from its logit. Probabilities are
    float64; of equal ones the smaller code is kept first. In place of a code a row can get
    `NOT_FINITE` (a logit is NaN or infinite) or `NOTHING_ALLOWED`.
    """
    codes = np.empty(len(logits), np.int64)
    rows = compiled().draw_rows if compiled() else draw_plainly
    rows(logits, allowed, uniforms, *sampling_numbers(options, logits.shape[1]), codes)
    return codes


def sampling_numbers(options: SamplingOptions, count: int) -> tuple[float, int, float, float, bool]:
    """Return (temperature, top_k, top_p, min_p, temperature last) in the form of `draw_code`."""
    return (
        float(options.temperature),
        options.top_k or count,
        float(options.top_p),
        float(options.min_p),
        options.order == "notagen",
    )


def draw_plainly(
    logits: NDArray[np.float32],
    allowed: NDArray[np.uint8],
    uniforms: NDArray[np.float64],
    temperature: float,
    top_k: int,
    top_p: float,
    min_p: float,
    temperature_last: bool,
    codes: NDArray[np.int64],
) -> None:
    """`draw` without numba, row by row: the reference implementation."""
    levels = logits.astype(np.float64) - PENALTY * (allowed == RARELY)
    levels[allowed == NEVER] = -np.inf
    for row, level in enumerate(levels):
        order = np.argsort(-level, kind="stable")[: min(top_k, np.count_nonzero(allowed[row]))]
        if not np.isfinite(logits[row]).all():
            codes[row] = NOT_FINITE
        elif not len(order):
            codes[row] = NOTHING_ALLOWED
        elif temperature == 0:
            codes[row] = order[0]
        else:
            gaps = (level[order] - level[order[0]]) / (1 if temperature_last else temperature)
            weights = [math.exp(gap) for gap in gaps.tolist()]
            kept = len(weights)
            if 0 < top_p < 1:  # keeps the first that crosses top_p
                before = [0.0, *accumulate(weights)]
                kept = next((i for i in range(kept) if before[i] > top_p * before[-1]), kept)
            kept = next(i for i in range(kept, 0, -1) if weights[i - 1] >= min_p)
            power = 1 / temperature if temperature_last else 1.0
            shares = {order[i]: weights[i] ** power for i in range(kept)}
            goal, reached = uniforms[row] * sum(shares.values()), 0.0
            for code in sorted(shares):
                codes[row] = code
                reached += shares[code]
                if goal < reached:
                    break


def nll(logits: NDArray[np.float32], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the negative log-likelihood [N] in nats of codes [N] under logits [N, V].

    Codes that `draw` could not draw count 0.
    """
    if compiled():
        nats = np.zeros(len(logits), np.float64)
        compiled().nll_rows(logits, codes, nats)
        return nats
    nll_one: Any = nll_of
    return np.array([nll_one(row, code) for row, code in zip(logits, codes, strict=True)])


@functools.cache
def compiled() -> Any:
    """Return the compiled kernels; None if numba cannot be loaded."""
    try:
        from picogen_core.compiled import draws
    except ImportError:
        return None
    found: ModuleType = draws
    return found
