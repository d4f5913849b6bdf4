"""Drawing characters: one implementation for all engines, compiled where numba is installed.

N rows  V = 128 codes
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.grammar.charsets import PENALTY, RARELY
from picogen_core.generation.options import SamplingOptions

NOT_FINITE, NOTHING_ALLOWED = -1, -2


def draw(
    logits: NDArray[np.float32],
    allowed: NDArray[np.uint8],
    uniforms: NDArray[np.float64],
    options: SamplingOptions,
) -> NDArray[np.int64]:
    """One code a row of logits [N, V], by inversion of its uniform in [0, 1).

    A row depends on its own logits, its own row of `allowed` and its uniform alone: a code there is
    allowed `NEVER`, `FREELY` or `RARELY`, which takes `PENALTY` off its logit. Probabilities
    are float64; of equal ones the smaller code is kept first. What is kept is drawn from in the
    order of codes: in that of probabilities two that are nearly equal would change places, and the
    code with them, for a rounding error of another batch or engine. Instead of a code a row can
    get `NOT_FINITE` (a logit is NaN or infinite) or `NOTHING_ALLOWED`.
    """
    codes = np.empty(len(logits), np.int64)
    compiled_rows()(
        logits, allowed, uniforms, float(options.temperature), options.top_k or logits.shape[1],
        float(options.top_p), float(options.min_p), options.order == "notagen", codes,
    )  # fmt: skip
    return codes


def draw_rows(
    logits: Any, allowed: Any, uniforms: Any, temperature: float, top_k: int, top_p: float,
    min_p: float, temperature_last: bool, codes: Any,
) -> None:  # fmt: skip
    """`draw` as numba compiles it; plain Python gives the same codes, slowly."""
    count = logits.shape[1]
    order = np.empty(count, np.int64)
    level = np.empty(count, np.float64)
    weight = np.empty(count, np.float64)
    share = np.empty(count, np.float64)
    for row in range(logits.shape[0]):
        kept = 0
        finite = True
        for code in range(count):
            value = logits[row, code]
            finite = finite and math.isfinite(value)
            level[code] = value - PENALTY if allowed[row, code] == RARELY else value
            if not allowed[row, code] or (kept == top_k and level[code] <= level[order[kept - 1]]):
                continue
            place = min(kept, top_k - 1)
            while place > 0 and level[order[place - 1]] < level[code]:
                order[place] = order[place - 1]
                place -= 1
            order[place] = code
            kept = min(kept + 1, top_k)
        if not finite or kept == 0:
            codes[row] = NOT_FINITE if not finite else NOTHING_ALLOWED
            continue
        if temperature == 0:
            codes[row] = order[0]
            continue
        top = level[order[0]]
        total = 0.0
        for i in range(kept):
            gap = level[order[i]] - top
            weight[i] = math.exp(gap if temperature_last else gap / temperature)
            total += weight[i]
        if 0 < top_p < 1:
            before = 0.0
            for i in range(kept):
                if before > top_p * total:  # keeps the first that crosses top_p
                    kept = i
                    break
                before += weight[i]
        while weight[kept - 1] < min_p:  # the likeliest weighs 1
            kept -= 1
        share[:] = 0.0
        total = 0.0
        for i in range(kept):
            share[order[i]] = weight[i] ** (1 / temperature) if temperature_last else weight[i]
            total += share[order[i]]
        goal = uniforms[row] * total
        reached = 0.0
        for code in range(count):
            reached += share[code]
            if share[code] > 0:
                codes[row] = code
                if goal < reached:
                    break


def surprise(logits: NDArray[np.float32], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Nats [N] of codes [N] under logits [N, V] as they are; 0 of what `draw` could not draw."""
    nats = np.zeros(len(logits), np.float64)
    _compiled(surprise_rows)(logits, codes, nats)
    return nats


def surprise_rows(logits: Any, codes: Any, nats: Any) -> None:
    """`surprise` as numba compiles it."""
    for row in range(logits.shape[0]):
        if codes[row] < 0:
            continue
        top = logits[row, 0]
        for code in range(logits.shape[1]):
            top = max(top, logits[row, code])
        total = 0.0
        for code in range(logits.shape[1]):
            total += math.exp(float(logits[row, code]) - top)
        nats[row] = math.log(total) + top - logits[row, codes[row]]


def compiled_rows() -> Any:
    """`draw_rows`, compiled if numba is there."""
    return _compiled(draw_rows)


@functools.cache
def _compiled(rows: Any) -> Any:
    try:
        from picogen_core.compiled.jit import kernel

        return kernel(rows)
    except ImportError:
        return rows
