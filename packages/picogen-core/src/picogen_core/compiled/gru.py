"""The head `char-gru`: a whole step of several slots as one kernel.

N rows  D width of the model  W width of the cell  V = 128 codes
Cho et al. 2014, arXiv:1406.1078, with torch's gates r, z, n.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.patches import VOCABULARY
from picogen_core.compiled.jit import kernel
from picogen_core.compiled.linear import Linear
from picogen_core.compiled.maths import fill_rows, sigmoid, tanh
from picogen_core.compiled.spelling import Rules, Walk, draw_each
from picogen_core.compiled.tiles import LANES, matmul
from picogen_core.compiled.weights import Floats, Packer, Weights, padded, zeros

Rows = NDArray[np.int64]
NOTHING = np.zeros((0, 0), np.float32)

# Offsets of `places`.
START, START_BIAS, HIDDEN, HIDDEN_BIAS, READOUT, READOUT_BIAS = range(6)


@kernel
def begin(x, width, slots, w, places, sizes, memory, logits):
    """Write the memory of each slot from hidden states [N, D], and the first logits [N, V]."""
    cell, wp, _ = sizes
    rows = len(slots)
    first = np.zeros(rows * wp, np.float32)
    fill_rows(first, 0, wp, rows, w, places[START_BIAS], wp)
    matmul(w, places[START], width * LANES, cell, width, x, 0, width, rows, first, 0, wp)
    for r in range(rows):
        for i in range(cell):
            first[r * wp + i] = tanh(first[r * wp + i])
            memory[slots[r] * cell + i] = first[r * wp + i]
    _read_out(first, wp, rows, w, places, cell, logits)


@kernel
def step(chars, slots, inputs, w, places, sizes, memory, logits):
    """Read one character per slot; inputs [V, 3W] are the characters' terms of the gates."""
    cell, wp, gp = sizes
    rows = len(slots)
    now, gates = np.zeros(rows * wp, np.float32), np.empty(rows * gp, np.float32)
    for r in range(rows):
        for i in range(cell):
            now[r * wp + i] = memory[slots[r] * cell + i]
    fill_rows(gates, 0, gp, rows, w, places[HIDDEN_BIAS], gp)
    matmul(w, places[HIDDEN], cell * LANES, 3 * cell, cell, now, 0, wp, rows, gates, 0, gp)
    for r in range(rows):
        a, h, m = chars[r] * 3 * cell, r * gp, r * wp
        for i in range(cell):
            reset = sigmoid(inputs[a + i] + gates[h + i])
            keep = sigmoid(inputs[a + cell + i] + gates[h + cell + i])
            new = tanh(inputs[a + 2 * cell + i] + reset * gates[h + 2 * cell + i])
            now[m + i] = new + keep * (now[m + i] - new)
            memory[slots[r] * cell + i] = now[m + i]
    _read_out(now, wp, rows, w, places, cell, logits)


@kernel
def spell(hidden, width, slots, walk, rules, inputs, w, places, sizes, memory):
    """Write patches: `begin` if there are hidden states [N, D], then steps until all rows stop."""
    rows, count = np.arange(len(slots)), len(slots)
    order, work = np.empty(VOCABULARY, np.int64), np.empty((3, VOCABULARY), np.float64)
    logits = np.empty(count * VOCABULARY, np.float32)
    if len(hidden):
        begin(hidden, width, slots, w, places, sizes, memory, logits)
        count = draw_each(logits, rows, count, walk, rules, order, work)
    while count:
        going = rows[:count]
        step(walk.known[going], slots[going], inputs, w, places, sizes, memory, logits)
        count = draw_each(logits, rows, count, walk, rules, order, work)


@kernel
def _read_out(x, xs, rows, w, places, cell, logits):
    fill_rows(logits, 0, VOCABULARY, rows, w, places[READOUT_BIAS], VOCABULARY)
    matmul(
        w, places[READOUT], cell * LANES, VOCABULARY, cell, x, 0, xs, rows, logits, 0, VOCABULARY
    )


class CharGru:
    """A `CompiledHead` that spells. The characters' terms of the gates are a precomputed table.

    Raises:
        BadCheckpoint: a tensor is missing or has another shape.
    """

    def __init__(self, d_model: int, width: int, weights: Weights) -> None:
        packer, places = Packer(), []
        for name, bias, n, k in (
            ("start.weight", "start.bias", width, d_model),
            ("gru.weight_hh_l0", "gru.bias_hh_l0", 3 * width, width),
            ("readout.weight", "readout.bias", VOCABULARY, width),
        ):
            places += [
                packer.matrix(weights.take(name, n, k)),
                packer.vector(weights.take(bias, n)),
            ]
        inputs = Linear(
            weights.take("gru.weight_ih_l0", 3 * width, width),
            weights.take("gru.bias_ih_l0", 3 * width),
        )
        embed = weights.take("embed.weight", VOCABULARY, width)
        self._inputs = np.ascontiguousarray(inputs(embed)).reshape(-1)
        self._flat, self._places = packer.flat(), np.array(places, np.int64)
        self._sizes = width, padded(width), padded(3 * width)
        self.allocate(1)

    def allocate(self, slots: int) -> None:
        self._memory = zeros(slots * self._sizes[0])

    def begin(self, hidden: Floats, slots: Rows) -> Floats:
        logits = np.empty((len(slots), VOCABULARY), np.float32)
        x = np.ascontiguousarray(hidden).reshape(-1)
        begin(
            x, hidden.shape[1], slots, self._flat, self._places, self._sizes, self._memory,
            logits.reshape(-1),
        )  # fmt: skip
        return logits

    def spell(self, hidden: Floats | None, slots: Rows, walk: Walk, rules: Rules) -> None:
        given = NOTHING if hidden is None else np.ascontiguousarray(hidden)
        spell(
            given.reshape(-1), given.shape[1], slots, walk, rules, self._inputs, self._flat,
            self._places, self._sizes, self._memory,
        )  # fmt: skip

    def step(self, chars: Rows, slots: Rows) -> Floats:
        logits = np.empty((len(slots), VOCABULARY), np.float32)
        step(
            chars, slots, self._inputs, self._flat, self._places, self._sizes, self._memory,
            logits.reshape(-1),
        )  # fmt: skip
        return logits
