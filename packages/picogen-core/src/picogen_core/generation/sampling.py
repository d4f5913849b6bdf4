"""Drawing characters: one implementation for all engines, compiled where numba is installed.

N rows  V = 128 codes
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picogen_core.draws import NOT_FINITE, NOTHING_ALLOWED, draw_code, surprise_of
from picogen_core.generation.options import SamplingOptions

__all__ = ["NOTHING_ALLOWED", "NOT_FINITE", "draw", "sampling_numbers", "surprise"]


def draw(
    logits: NDArray[np.float32],
    allowed: NDArray[np.uint8],
    uniforms: NDArray[np.float64],
    options: SamplingOptions,
) -> NDArray[np.int64]:
    """One code a row of logits [N, V], by inversion of its uniform in [0, 1).

    A row depends on its own logits, its own row of `allowed` and its uniform alone: a code there is
    allowed `NEVER`, `FREELY` or `RARELY`, which takes `PENALTY` off its logit. Probabilities
    are float64; of equal ones the smaller code is kept first. Instead of a code a row can get
    `NOT_FINITE` (a logit is NaN or infinite) or `NOTHING_ALLOWED`.
    """
    codes = np.empty(len(logits), np.int64)
    rows = compiled().draw_rows if compiled() else draw_plainly
    rows(logits, allowed, uniforms, *sampling_numbers(options, logits.shape[1]), codes)
    return codes


def sampling_numbers(options: SamplingOptions, count: int) -> tuple[float, int, float, float, bool]:
    """(temperature, top_k, top_p, min_p, temperature last) as `draw_code` takes them."""
    return (
        float(options.temperature), options.top_k or count, float(options.top_p),
        float(options.min_p), options.order == "notagen",
    )  # fmt: skip


def draw_plainly(logits: Any, allowed: Any, uniforms: Any, *rest: Any) -> None:
    """`draw` without numba: the same codes, slowly."""
    *numbers, codes = rest
    draw_one: Any = draw_code
    order, work = np.empty(logits.shape[1], np.int64), np.empty((3, logits.shape[1]))
    for row in range(len(logits)):
        codes[row] = draw_one(logits[row], allowed[row], uniforms[row], *numbers, order, work)


def surprise(logits: NDArray[np.float32], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Nats [N] of codes [N] under logits [N, V] as they are; 0 of what `draw` could not draw."""
    if compiled():
        nats = np.zeros(len(logits), np.float64)
        compiled().surprise_rows(logits, codes, nats)
        return nats
    surprise_one: Any = surprise_of
    return np.array([surprise_one(row, code) for row, code in zip(logits, codes, strict=True)])


@functools.cache
def compiled() -> Any:
    """The compiled kernels, or None where numba cannot be loaded."""
    try:
        from picogen_core.compiled import draws
    except ImportError:
        return None
    found: ModuleType = draws
    return found
