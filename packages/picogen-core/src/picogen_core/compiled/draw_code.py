"""Drawing one code from logits: what numba compiles, alone and within other kernels.

V = 128 codes
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import math

from picogen_core.abc.grammar.charsets import PENALTY, RARELY

NOT_FINITE, NOTHING_ALLOWED = -1, -2
GOES_ON, ENDED, UNKNOWN = range(3)
"""Why a row that draws by itself has stopped (`compiled.spelling`)."""


def draw_code(
    logits, allowed, uniform, temperature, top_k, top_p, min_p, temperature_last, order, work
):  # fmt: skip
    """The code that a uniform in [0, 1) draws from logits [V], by inversion.

    `allowed` [V] says how freely each may come; what is rare loses `PENALTY`. What is kept is drawn
    from in the order of codes: in that of probabilities two that are nearly equal would change
    places, and the code with them, for a rounding error of another batch or engine. `order` [V]
    and `work` [3, V], integers and float64, are room to work in.

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


def surprise_of(logits, code):
    """Nats of a code under logits [V] as they are; 0 of what could not be drawn."""
    if code < 0:
        return 0.0
    top = logits[0]
    for other in range(len(logits)):
        top = max(top, logits[other])
    total = 0.0
    for other in range(len(logits)):
        total += math.exp(float(logits[other]) - top)
    return math.log(total) + top - logits[code]
