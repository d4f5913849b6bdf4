"""Whole patches in one kernel: what a head's kernel needs to sample every character itself.

N rows, one per piece  P = 16 characters per patch  V = 128 codes  M places of the automaton

A row samples under the automaton of `abc.grammar.quick`. Its node's row of the table has the
allowed codes, and the next node for each code that was seen there before. A row stops at the end of
its patch, at a code without a known next node, and at `opening`.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.counters import START
from picogen_core.abc.grammar.nodes import EXIT, STEPS
from picogen_core.abc.patches import EOS, PATCH_SIZE, VOCABULARY
from picogen_core.compiled.draw_code import ENDED, GOES_ON, UNKNOWN
from picogen_core.compiled.draws import draw_code, nll_of
from picogen_core.compiled.jit import kernel
from picogen_core.compiled.weights import Floats
from picogen_core.plugins.protocols import CompiledHead

COUNTER_ROOM = 24  # characters of a line's counter with its voice's beginning
_STEPS, _EXIT = STEPS, EXIT
_MARK = np.array(list(START.encode()), np.uint8)


class Walk(NamedTuple):
    """The rows and their results.

    known:    [N] the newest character, not yet read by the head; `BEGINNING` in all or in none.
    place:    [N] of the next character in the patch.
    node:     [N] of the automaton; `caller`: [N] the node before its string or counter, or −1.
    counter:  [N, COUNTER_ROOM] of the line, `counter_end` [N] characters.
    opening:  [N] stop after `[r:` at the start of a patch, since the rest is given.
    uniforms: [N, P] of this patch.
    codes:    [N, P] the sampled codes; `status`: [N] why a row stopped; `nats`: [N] their summed
              negative log-likelihood.

    At UNKNOWN the node is still the one before the newest code, which is −1 if the logits are not
    finite.
    """

    known: NDArray[np.int64]
    place: NDArray[np.int64]
    node: NDArray[np.int64]
    caller: NDArray[np.int64]
    counter: NDArray[np.uint8]
    counter_end: NDArray[np.int64]
    opening: NDArray[np.int64]
    uniforms: NDArray[np.float64]
    codes: NDArray[np.int64]
    status: NDArray[np.int64]
    nats: NDArray[np.float64]

    def rows(self, count: int) -> Walk:
        """Return the first `count` rows."""
        if count == len(self.known):
            return self
        first: tuple[Any, ...] = tuple(array[:count] for array in self)
        return Walk(*first)


def make_walk(rows: int) -> Walk:
    """Return a walk with empty buffers for `rows` rows."""
    number = np.zeros((7, rows), np.int64)
    return Walk(
        known=number[0], place=number[1], node=number[2], caller=number[6],
        counter=np.zeros((rows, COUNTER_ROOM), np.uint8), counter_end=number[3],
        opening=number[4], uniforms=np.zeros((rows, PATCH_SIZE)),
        codes=np.zeros((rows, PATCH_SIZE), np.int64), status=number[5], nats=np.zeros(rows),
    )  # fmt: skip


class Rules(NamedTuple):
    """The automaton's table, the sampling options (`sampling.sampling_numbers`), and whether nats
    are wanted."""

    limits: NDArray[np.uint8]
    following: NDArray[np.int32]
    returns: NDArray[np.int32]
    within: NDArray[np.int64]
    due: NDArray[np.int64]
    tones: NDArray[np.int64]
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    temperature_last: bool
    likelihood: bool


@runtime_checkable
class SpellingHead(CompiledHead, Protocol):
    """A compiled head that samples the characters of a patch itself."""

    def spell(
        self, hidden: Floats | None, slots: NDArray[np.int64], walk: Walk, rules: Rules
    ) -> None:
        """Sample for all N rows until each stops. `hidden` [N, D] where patches begin."""


@kernel
def draw_next(logits, row, walk, rules, order, work):
    """Sample the next character of a row from logits [V]; return whether the row continues."""
    node, place = walk.node[row], walk.place[row]
    due = rules.due[node]
    forced = np.int64(-1)
    if due:
        forced = np.int64(walk.counter[row, walk.counter_end[row] - due])
    code = _draw(logits, rules, node, forced, walk.uniforms[row, place], order, work)
    walk.codes[row, place] = code
    walk.known[row] = code
    walk.place[row] = place + 1
    if rules.likelihood:
        walk.nats[row] += nll_of(logits, code)
    ends = code == EOS or place + 1 == PATCH_SIZE
    following = np.int32(-1)
    if code >= 0:
        step = 0 if due else _STEPS[rules.tones[node], code]
        following = rules.following[node, step + VOCABULARY * ends]
        if following <= _EXIT:
            caller = walk.caller[row]
            following = rules.returns[caller, _EXIT - following] if caller >= 0 else np.int32(-1)
        elif following >= 0 and rules.within[following] and not rules.within[node]:
            walk.caller[row] = node
    given = walk.opening[row] == 1 and place == 2
    for i in range(3):
        given = given and walk.codes[row, i] == _MARK[i]
    if following < 0 or given:
        walk.status[row] = UNKNOWN
        return False
    walk.node[row] = following
    walk.status[row] = ENDED if ends else GOES_ON
    return not ends


@kernel
def _draw(logits, rules, node, forced, uniform, order, work):
    if forced < 0:
        return draw_code(
            logits, rules.limits[node], uniform, rules.temperature, rules.top_k, rules.top_p,
            rules.min_p, rules.temperature_last, order, work,
        )  # fmt: skip
    for code in range(len(logits)):
        if not np.isfinite(logits[code]):
            return np.int64(-1)
    return forced


@kernel
def draw_each(logits, rows, count, walk, rules, order, work):
    """Sample for the first `count` rows, with logits [count · V]; return how many continue.

    Those come first in `rows` afterwards.
    """
    going = 0
    for i in range(count):
        row = rows[i]
        if draw_next(logits[i * VOCABULARY : (i + 1) * VOCABULARY], row, walk, rules, order, work):
            rows[going] = row
            going += 1
    return going
