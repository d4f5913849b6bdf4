"""Patches whose characters the head's own kernel draws, equal to those of `decode.draw_plain`.

N rows of a call  P = 16 characters per patch  V = 128 codes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from picogen_core.abc.grammar.nodes import Node, Table
from picogen_core.abc.patches import VOCABULARY
from picogen_core.compiled.draw_code import ENDED
from picogen_core.generation.decoding.piece import ANYTHING, CODEC, PieceWriter
from picogen_core.generation.decoding.sampling import draw, nll, sampling_numbers
from picogen_core.generation.engines import Spelling
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.plugins.protocols import BEGINNING

if TYPE_CHECKING:
    from picogen_core.compiled.spelling import Walk


class _Row:
    """An unfinished patch. `known` is the newest character, which the head has not read."""

    __slots__ = ("ended", "known", "piece", "place", "slot", "uniforms")

    def __init__(self, slot: int, piece: PieceWriter) -> None:
        self.slot, self.piece = slot, piece
        self.uniforms, self.place, self.known = piece.uniforms(), 0, BEGINNING
        self.ended = False


def draw_spelled(
    engine: Spelling,
    slots: list[int],
    pieces: list[PieceWriter],
    sampling: SamplingOptions,
    likelihood: bool,
) -> None:
    """Draw one patch for every piece.

    The kernel runs as long as the automaton's table has the next node. Elsewhere the piece takes
    one character by itself, which extends the table.
    """
    rows = [_Row(slot, piece) for slot, piece in zip(slots, pieces, strict=True)]
    while rows:
        for going in (
            [row for row in rows if row.known == BEGINNING],
            [row for row in rows if row.known != BEGINNING],
        ):
            known: list[tuple[_Row, Node]] = []
            plain: list[_Row] = []
            for row in going:
                node = row.piece.stand() if sampling.mask else None
                known.append((row, node)) if node else plain.append(row)
            table = known[-1][1].table if known else None
            # A new table may have begun meanwhile; rows of the old one wait for the next turn.
            ready = [(row, node) for row, node in known if node.table is table]
            if table is not None:
                _spell(engine, table, ready, sampling, likelihood)
            if plain:
                _draw_one(engine, plain, sampling, likelihood)
        rows = [row for row in rows if not row.ended]


def _spell(
    engine: Spelling,
    table: Table,
    ready: list[tuple[_Row, Node]],
    sampling: SamplingOptions,
    likelihood: bool,
) -> None:
    """Let the kernel draw as far as the table reaches."""
    walk = engine.walk.rows(len(ready))
    for i, (row, node) in enumerate(ready):
        _enter(walk, i, row, node, table)
    slots = np.array([row.slot for row, _ in ready], np.int64)
    engine.spell(
        slots, walk, engine.rules(table, sampling_numbers(sampling, VOCABULARY), likelihood)
    )
    for i, (row, _) in enumerate(ready):
        _leave(walk, i, row, table, likelihood)


def _enter(walk: Walk, i: int, row: _Row, node: Node, table: Table) -> None:
    counter, caller = row.piece.counted(), row.piece.caller()
    walk.caller[i] = caller.number if caller and caller.table is table else -1
    walk.known[i], walk.place[i], walk.node[i] = row.known, row.place, node.number
    walk.opening[i], walk.nats[i] = row.piece.opening, 0.0
    walk.counter[i, : len(counter)] = np.frombuffer(counter, np.uint8)
    walk.counter_end[i] = len(counter)
    walk.uniforms[i] = row.uniforms


def _leave(walk: Walk, i: int, row: _Row, table: Table, likelihood: bool) -> None:
    first, place = row.place, int(walk.place[i])
    codes = walk.codes[i, first:place].tolist()
    row.place, row.known = place, codes[-1]
    if likelihood:
        row.piece.nll = (row.piece.nll or 0.0) + float(walk.nats[i])
    node, number = table.nodes[walk.node[i]], walk.caller[i]
    caller = table.nodes[number] if number >= 0 else row.piece.caller()
    if walk.status[i] == ENDED:
        row.ended = row.piece.walked(codes, node, caller, ended=True)
    else:  # the automaton has not read the newest code
        row.piece.walked(codes[:-1], node, caller, ended=False)
        row.ended = row.piece.put(codes[-1])


def _draw_one(
    engine: Spelling, rows: list[_Row], sampling: SamplingOptions, likelihood: bool
) -> None:
    """Draw one character for each row, as `decode.draw_plain` does."""
    slots = np.array([row.slot for row in rows], np.int64)
    if rows[0].known == BEGINNING:
        logits = engine.begin(slots)
    else:
        logits = engine.step(slots, np.array([row.known for row in rows], np.int64))
    codec = CODEC if sampling.mask else ANYTHING
    allowed = codec[[row.place for row in rows]]
    for i, row in enumerate(rows):
        row.piece.limit(allowed[i])
    uniforms = np.array([row.uniforms[row.place] for row in rows])
    codes = draw(logits, allowed, uniforms, sampling)
    nats = nll(logits, codes).tolist() if likelihood else [0.0] * len(rows)
    for row, code, more in zip(rows, codes.tolist(), nats, strict=True):
        if likelihood:
            row.piece.nll = (row.piece.nll or 0.0) + more
        row.place, row.known = row.place + 1, code
        row.ended = row.piece.put(code)
