"""The head `char-memory` without torch; `model.heads.char_memory` is the reference.

    N rows  D width of the model  W width of the head  M inner channels of an MLP  L layers
    H attention heads  K channels of a key and of a value, over all heads  C = K / H  F frequencies
    P = 16 characters per patch  V = 128 codes  R places of a slot's ring

Keys of a head lie in panels over ring places [R / LANES, C, LANES] and values in panels over
channels [C / LANES, R, LANES], so that scores and weighted sums are products of `tiles.matmul`.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.patches import PAD, PATCH_SIZE, VOCABULARY
from picogen_core.compiled.jit import kernel
from picogen_core.compiled.linear import Linear
from picogen_core.compiled.maths import exp, fill_rows, layer_norm, sigmoid, silu, tanh, total
from picogen_core.compiled.spelling import Rules, Walk, draw_each
from picogen_core.compiled.tiles import LANES, matmul
from picogen_core.compiled.weights import Floats, Packer, Weights, padded, zeros
from picogen_core.plugins.protocols import BEGINNING

Rows = NDArray[np.int64]
Codes = NDArray[np.uint8]
NOTHING = np.zeros(0, np.float32)

DRAFT_TOKENS = 7
CACHED = 3 << 20  # bytes of weights that stay in a core's cache between rows
BASE = 1000.0  # of the rotary frequencies
EPS = np.float32(1e-5)

# Offsets of the GRU and the readout, and of each layer.
START, START_BIAS, HIDDEN, HIDDEN_BIAS, READOUT, READOUT_BIAS = range(6)
NORM, NORM_BIAS, PROJECT, OUT, NORM_MLP, NORM_MLP_BIAS, UP, UP_BIAS, DOWN, DOWN_BIAS = range(10)
# Sizes; those that end in `_ROOM` are rounded up to the outputs of a product.
WIDTH, CHANNELS, HEADS, MLP, LAYERS, RING, WINDOW = range(7)
WIDTH_ROOM, GATES_ROOM, PROJECTED_ROOM, SEEN_ROOM, MLP_ROOM, HEAD_ROOM = range(7, 13)
# Columns of a slot's numbers: places and patches of the piece so far, and the newest place of the
# current patch.
COUNT, INDEX, PLACE = range(3)


@kernel
def extend(chars, slots, hidden, inputs, tables, w, ends, layers, sizes, slot, memory, logits):
    """Read rows of any slots, those of a slot in their order.

    A row is a character, or BEGINNING, which takes the next hidden state. With empty `logits` none
    are computed.
    """
    rows, width, wp = len(chars), sizes[WIDTH], sizes[WIDTH_ROOM]
    cells, parts = memory[0], memory[1]
    places = _find_places(chars, slots, slot)
    x = np.zeros(rows * wp, np.float32)
    _spell(chars, slots, places, hidden, inputs, w, ends, sizes, cells, x)
    projected = np.empty(rows * sizes[PROJECTED_ROOM], np.float32)
    normed = np.zeros(rows * wp, np.float32)
    inner = np.empty(rows * sizes[MLP_ROOM], np.float32)
    for layer in range(sizes[LAYERS]):
        t = layers[layer]
        for r in range(rows):
            layer_norm(x, r * wp, w, t[NORM], t[NORM_BIAS], EPS, width, normed, r * wp)
        projected[:] = np.float32(0)
        n, ap = 3 * sizes[CHANNELS], sizes[PROJECTED_ROOM]
        matmul(w, t[PROJECT], width * LANES, n, width, normed, 0, wp, rows, projected, 0, ap)
        seen = np.zeros(rows * sizes[SEEN_ROOM], np.float32)
        for r in range(rows):
            place, s = places[r], slots[r]
            if place:
                _remember(layer, s, place - 1, chars[r], tables, sizes, slot, memory)
            _note(layer, s, place, projected, r * ap, sizes, parts)
            _recall(
                layer, s, place, projected, r * ap, sizes, slot, memory, seen, r * sizes[SEEN_ROOM]
            )
        if layer + 1 == sizes[LAYERS] and len(logits) == 0:
            return
        sp, mp, mlp = sizes[SEEN_ROOM], sizes[MLP_ROOM], sizes[MLP]
        matmul(w, t[OUT], sizes[CHANNELS] * LANES, width, sizes[CHANNELS], seen, 0, sp, rows, x, 0, wp)  # noqa: E501  # fmt: skip
        for r in range(rows):
            layer_norm(x, r * wp, w, t[NORM_MLP], t[NORM_MLP_BIAS], EPS, width, normed, r * wp)
        fill_rows(inner, 0, mp, rows, w, t[UP_BIAS], mp)
        matmul(w, t[UP], width * LANES, mlp, width, normed, 0, wp, rows, inner, 0, mp)
        for r in range(rows):
            silu(inner, r * mp, mlp)
            for i in range(width):
                x[r * wp + i] += w[t[DOWN_BIAS] + i]
        matmul(w, t[DOWN], mlp * LANES, width, mlp, inner, 0, mp, rows, x, 0, wp)
    fill_rows(logits, 0, VOCABULARY, rows, w, ends[READOUT_BIAS], VOCABULARY)
    matmul(w, ends[READOUT], width * LANES, VOCABULARY, width, x, 0, wp, rows, logits, 0, VOCABULARY)  # noqa: E501  # fmt: skip


@kernel
def spell(hidden, slots, walk, rules, inputs, tables, w, ends, layers, sizes, slot, memory):
    """Write patches: they begin if there are hidden states, and continue until all rows stop."""
    rows, count = np.arange(len(slots)), len(slots)
    order, work = np.empty(VOCABULARY, np.int64), np.empty((3, VOCABULARY), np.float64)
    logits = np.empty(count * VOCABULARY, np.float32)
    while count:
        going = rows[:count]
        extend(
            walk.known[going], slots[going], hidden, inputs, tables, w, ends, layers, sizes, slot,
            memory, logits,
        )  # fmt: skip
        count = draw_each(logits, rows, count, walk, rules, order, work)


@kernel
def _find_places(chars, slots, slot):
    """Write the place of each row within its patch, and count the patches that begin."""
    places = np.empty(len(chars), np.int64)
    for r in range(len(chars)):
        s = slots[r]
        if chars[r] == BEGINNING:
            slot[s, PLACE] = 0
        else:
            slot[s, PLACE] += 1
        places[r] = slot[s, PLACE]
    return places


@kernel
def _spell(chars, slots, places, hidden, inputs, w, ends, sizes, cells, x):
    """Write the GRU's cell of each row into x and into its slot.

    Rows of different slots are computed together; those of one slot one after another.
    """
    width, wp, gp = sizes[WIDTH], sizes[WIDTH_ROOM], sizes[GATES_ROOM]
    rows = len(chars)
    now, gates = np.zeros(rows * wp, np.float32), np.empty(rows * gp, np.float32)
    wave, begun, done = np.empty(rows, np.int64), 0, 0
    for r in range(rows):
        begun += chars[r] == BEGINNING
    if begun:
        d = len(hidden) // begun
        fill_rows(now, 0, wp, begun, w, ends[START_BIAS], wp)
        matmul(w, ends[START], d * LANES, width, d, hidden, 0, d, begun, now, 0, wp)
        for r in range(rows):
            if chars[r] == BEGINNING:
                for i in range(width):
                    x[r * wp + i] = tanh(now[done * wp + i])
                    cells[slots[r] * PATCH_SIZE * width + i] = x[r * wp + i]
                done += 1
    wait = 0
    while done < rows:
        count, behind, before = 0, 0, -1
        for r in range(rows):  # rows that are `wait` places after the first of their slot
            behind = behind + 1 if slots[r] == before else 0
            before = slots[r]
            if behind == wait and chars[r] != BEGINNING:
                wave[count] = r
                count += 1
        for i in range(count):
            r = wave[i]
            cell = (slots[r] * PATCH_SIZE + places[r] - 1) * width
            for j in range(width):
                now[i * wp + j] = cells[cell + j]
        fill_rows(gates, 0, gp, count, w, ends[HIDDEN_BIAS], gp)
        matmul(w, ends[HIDDEN], width * LANES, 3 * width, width, now, 0, wp, count, gates, 0, gp)
        for i in range(count):
            r = wave[i]
            a, h, m = chars[r] * 3 * width, i * gp, i * wp
            for j in range(width):
                reset = sigmoid(inputs[a + j] + gates[h + j])
                keep = sigmoid(inputs[a + width + j] + gates[h + width + j])
                new = tanh(inputs[a + 2 * width + j] + reset * gates[h + 2 * width + j])
                x[r * wp + j] = new + keep * (now[m + j] - new)
            cell = (slots[r] * PATCH_SIZE + places[r]) * width
            for j in range(width):
                cells[cell + j] = x[r * wp + j]
        done += count
        wait += 1


@kernel
def _note(layer, s, place, projected, o, sizes, parts):
    """Store a place's part of its pair until its character is known."""
    n = sizes[CHANNELS]
    at = ((s * sizes[LAYERS] + layer) * PATCH_SIZE + place) * 2 * n
    for i in range(2 * n):
        parts[at + i] = projected[o + n + i]


@kernel
def _remember(layer, s, place, char, tables, sizes, slot, memory):
    """Write the pair of a place and its character into the slot's ring."""
    _, parts, turns, keys, values = memory
    n, heads, ring, room = sizes[CHANNELS], sizes[HEADS], sizes[RING], sizes[HEAD_ROOM]
    size = n // heads
    pair = np.empty(2 * n, np.float32)
    part = ((s * sizes[LAYERS] + layer) * PATCH_SIZE + place) * 2 * n
    table = (layer * VOCABULARY + char) * 2 * n
    for i in range(2 * n):
        pair[i] = parts[part + i] + tables[table + i]
    at = (slot[s, COUNT] + place) % ring
    for h in range(heads):
        _turn(pair, h * size, size, turns, s)
        head = (s * sizes[LAYERS] + layer) * heads + h
        k = head * ring * size + at // LANES * size * LANES + at % LANES
        v = head * ring * room
        for i in range(size):
            keys[k + i * LANES] = pair[h * size + i]
            values[v + (i // LANES * ring + at) * LANES + i % LANES] = pair[n + h * size + i]


@kernel
def _turn(x, o, size, turns, s):
    """Rotate the first half of a head's channels by the slot's patch, in place."""
    count = size // 4
    t = s * 2 * count
    for i in range(count):
        a, b = x[o + i], x[o + count + i]
        x[o + i] = a * turns[t + i] - b * turns[t + count + i]
        x[o + count + i] = b * turns[t + i] + a * turns[t + count + i]


@kernel
def _recall(layer, s, place, projected, o, sizes, slot, memory, seen, so):
    """Compute the attention of one place to the pairs of the window and the empty pair."""
    _, _, turns, keys, values = memory
    n, heads, ring, room = sizes[CHANNELS], sizes[HEADS], sizes[RING], sizes[HEAD_ROOM]
    size = n // heads
    here = slot[s, COUNT] + place
    filled = min(here, ring)
    if filled == 0:
        return
    query, found = np.empty(n, np.float32), np.zeros(room, np.float32)
    scores = np.empty(ring, np.float32)
    scale = np.float32(1 / math.sqrt(size))
    for i in range(n):
        query[i] = projected[o + i] * scale
    for h in range(heads):
        _turn(query, h * size, size, turns, s)
        head = (s * sizes[LAYERS] + layer) * heads + h
        for t in range(ring):
            scores[t] = np.float32(0)
        matmul(keys, head * ring * size, size * LANES, filled, size, query, h * size, size, 1, scores, 0, ring)  # noqa: E501  # fmt: skip
        for age in range(sizes[WINDOW] + 1, filled + 1):  # beyond the window
            scores[(here - age) % ring] = np.float32(-1e30)
        top = np.float32(0)
        for t in range(filled):
            top = scores[t] if scores[t] > top else top
        for t in range(filled):
            scores[t] = exp(scores[t] - top)
        for age in range(sizes[WINDOW] + 1, filled + 1):
            scores[(here - age) % ring] = np.float32(0)
        share = np.float32(1) / (total(scores, 0, filled) + exp(-top))
        for i in range(room):
            found[i] = np.float32(0)
        matmul(values, head * ring * room, ring * LANES, size, filled, scores, 0, ring, 1, found, 0, room)  # noqa: E501  # fmt: skip
        for i in range(size):
            seen[so + h * size + i] = found[i] * share


@kernel
def close(chars, lengths, slots, tables, sizes, slot, memory):
    """Write the pairs of the last characters of finished patches."""
    for r in range(len(chars)):
        s = slots[r]
        for layer in range(sizes[LAYERS]):
            _remember(layer, s, lengths[r] - 1, chars[r], tables, sizes, slot, memory)
        slot[s, COUNT] += lengths[r]
        slot[s, INDEX] += 1


class CharMemory:
    """A `CompiledRememberingHead` and a `VerifyingHead`, and it spells.

    Raises:
        BadCheckpoint: a tensor is missing or has another shape.
    """

    def __init__(
        self, d_model: int, width: int, layers: int, channels: int, heads: int, mlp: int,
        window: int, weights: Weights,
    ) -> None:  # fmt: skip
        packer, ends, rows, tables = Packer(), [], [], []
        for name, bias, n, k in (
            ("start.weight", "start.bias", width, d_model),
            ("gru.weight_hh_l0", "gru.bias_hh_l0", 3 * width, width),
            ("readout.weight", "readout.bias", VOCABULARY, width),
        ):
            ends += [packer.matrix(weights.take(name, n, k)), packer.vector(weights.take(bias, n))]
        embed = weights.take("embed.weight", VOCABULARY, width)
        for number in range(layers):
            part = weights.part(f"recall.{number}.")
            rows.append([
                packer.vector(part.take("norm.weight", width)),
                packer.vector(part.take("norm.bias", width)),
                packer.matrix(part.take("project.weight", 3 * channels, width)),
                packer.matrix(part.take("out.weight", width, channels)),
                packer.vector(part.take("norm_mlp.weight", width)),
                packer.vector(part.take("norm_mlp.bias", width)),
                packer.matrix(part.take("up.weight", mlp, width)),
                packer.vector(part.take("up.bias", mlp)),
                packer.matrix(part.take("down.weight", width, mlp)),
                packer.vector(part.take("down.bias", width)),
            ])  # fmt: skip
            tables.append(Linear(part.take("project_char.weight", 2 * channels, width))(embed))
        inputs = Linear(
            weights.take("gru.weight_ih_l0", 3 * width, width),
            weights.take("gru.bias_ih_l0", 3 * width),
        )
        self._inputs = np.ascontiguousarray(inputs(embed)).reshape(-1)
        self._tables = np.ascontiguousarray(np.stack(tables)).reshape(-1)
        self._flat = packer.flat()
        self._ends, self._layers = np.array(ends, np.int64), np.array(rows, np.int64)
        # A product reads whole panels of places.
        ring = padded(window + PATCH_SIZE)
        self._sizes = (
            width, channels, heads, mlp, layers, ring, window, padded(width), padded(3 * width),
            padded(3 * channels), padded(channels), padded(mlp), padded(channels // heads),
        )  # fmt: skip
        frequencies = channels // heads // 4
        self._powers = BASE ** -(np.arange(frequencies) / max(1, frequencies))
        self.draft_tokens = DRAFT_TOKENS if self._flat.nbytes > CACHED else 0
        self.allocate(1)

    def allocate(self, slots: int) -> None:
        width, channels, heads, _, layers, ring = self._sizes[:6]
        room = self._sizes[HEAD_ROOM]
        self._slot = np.zeros((slots, 3), np.int64)
        self._memory = (
            zeros(slots * PATCH_SIZE * width),
            zeros(slots * layers * PATCH_SIZE * 2 * channels),
            zeros(max(1, slots * 2 * len(self._powers))),
            zeros(slots * layers * ring * channels),
            zeros(slots * layers * heads * ring * room),
        )

    def clear(self, slot: int) -> None:
        self._slot[slot] = 0
        for array in self._rings():
            array[slot] = 0

    def copy(self, source: int, target: int) -> None:
        self._slot[target] = self._slot[source]
        for array in self._rings():
            array[target] = array[source]

    def _rings(self) -> list[Floats]:
        """Return keys and values, by slot."""
        return [array.reshape(len(self._slot), -1) for array in self._memory[3:]]

    def begin(self, hidden: Floats, slots: Rows) -> Floats:
        return self.extend(hidden, np.full(len(slots), BEGINNING), slots)

    def step(self, chars: Rows, slots: Rows) -> Floats:
        return self.extend(None, chars, slots)

    def extend(self, hidden: Floats | None, chars: Rows, slots: Rows) -> Floats:
        logits = np.empty((len(chars), VOCABULARY), np.float32)
        self._extend(hidden, chars, slots, logits)
        return logits

    def spell(self, hidden: Floats | None, slots: Rows, walk: Walk, rules: Rules) -> None:
        spell(
            self._given(hidden, slots), slots, walk, rules, self._inputs, self._tables, self._flat,
            self._ends, self._layers, self._sizes, self._slot, self._memory,
        )  # fmt: skip

    def _given(self, hidden: Floats | None, begun: Rows) -> Floats:
        """Return the hidden states of slots that begin a patch, flat; set their rotations."""
        if hidden is None:
            return NOTHING
        if len(self._powers):
            angles = (self._slot[begun, INDEX][:, None] + 1) * self._powers
            turns = self._memory[2].reshape(len(self._slot), -1)
            turns[begun] = np.concatenate([np.cos(angles), np.sin(angles)], 1)
        return np.ascontiguousarray(hidden).reshape(-1)

    def _extend(self, hidden: Floats | None, chars: Rows, slots: Rows, logits: Floats) -> None:
        given = self._given(hidden, slots[chars == BEGINNING])
        extend(
            np.ascontiguousarray(chars), slots, given, self._inputs, self._tables, self._flat,
            self._ends, self._layers, self._sizes, self._slot, self._memory, logits.reshape(-1),
        )  # fmt: skip

    def roll_back(self, slots: Rows, counts: Rows) -> None:
        self._slot[slots, PLACE] -= counts

    def read(self, hidden: Floats, patches: Codes, slot: int) -> None:
        nothing = np.empty((0, VOCABULARY), np.float32)
        for state, patch in zip(hidden, patches, strict=True):
            length = np.flatnonzero(patch != PAD)[-1:].sum() + 1
            chars = np.concatenate([[BEGINNING], patch[: length - 1]]).astype(np.int64)
            self._extend(state[None], chars, np.full(length, slot, np.int64), nothing)
            self.close(patch[None], np.array([slot]))

    def close(self, patches: Codes, slots: Rows) -> None:
        places = np.arange(1, PATCH_SIZE + 1)
        lengths = ((patches != PAD) * places).max(1)
        chars = patches[np.arange(len(patches)), lengths - 1].astype(np.int64)
        close(chars, lengths, slots, self._tables, self._sizes, self._slot, self._memory)
