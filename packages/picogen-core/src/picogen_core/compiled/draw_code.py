"""Sampling one code from logits, compiled by numba alone and within other kernels.

V = 128 codes
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import math

from picogen_core.abc.grammar.charsets import PENALTY, RARELY

NOT_FINITE, NOTHING_ALLOWED = -1, -2
GOES_ON, ENDED, UNKNOWN = range(3)
"""Status of a row in `compiled.spelling`; ENDED and UNKNOWN stop it."""


def draw_code(
    logits, allowed, uniform, temperature, top_k, top_p, min_p, temperature_last, order, work
):  # fmt: skip
    """Return the code that a uniform in [0, 1) selects from logits [V], by inversion.

    `allowed` [V] is forbidden, rare or free for each code; rare codes lose `PENALTY`. Kept codes
    are in the order of codes, not of probabilities: rounding in another batch or engine could swap
    two nearly equal ones. `order` [V] (integers) and `work` [3, V] (float64) are buffers.

    `sampling.draw_plainly` does the same with numpy.
    """
    count = len(logits)
    level, weight, share = work[0], work[1], work[2]
    kept = 0
    for code in range(count):
        value = float(logits[code])
        if not math.isfinite(value):
            return NOT_FINITE
        level[code] = value - PENALTY if allowed[code] == RARELY else value
        if not allowed[code] or (kept == top_k and level[code] <= level[order[kept - 1]]):
            continue
        place = min(kept, top_k - 1)
        while place > 0 and level[order[place - 1]] < level[code]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = code
        kept = min(kept + 1, top_k)
    if kept == 0:
        return NOTHING_ALLOWED
    if temperature == 0:
        return order[0]
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
    goal = uniform * total
    reached = 0.0
    drawn = NOTHING_ALLOWED
    for code in range(count):
        reached += share[code]
        if share[code] > 0:
            drawn = code
            if goal < reached:
                break
    return drawn


def nll_of(logits, code):
    """Return the negative log-likelihood of a code under logits [V]; 0 if it is impossible."""
    if code < 0:
        return 0.0
    top = logits[0]
    for other in range(len(logits)):
        top = max(top, logits[other])
    total = 0.0
    for other in range(len(logits)):
        total += math.exp(float(logits[other]) - top)
    return math.log(total) + top - logits[code]
