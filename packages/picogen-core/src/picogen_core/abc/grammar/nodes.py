"""Nodes of the memoised automaton, and its table for kernels.

A string, and the counter of a line of one voice, is the same everywhere. So its nodes are shared;
the node after its end depends on the node before it, the caller.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from picogen_core.abc.grammar.charsets import FREELY
from picogen_core.abc.patches import VOCABULARY

MOST_NODES = 20_000  # some 30 MB
MOST_EXITS = 16  # ways out of strings and counters
EXIT = -2  # in place of a row: exit number n is −2 − n
ENDS = VOCABULARY  # added to a code that ends its patch
FIRST_ROOM = 64  # of a table; it doubles
_EACH = bytes(range(VOCABULARY))
_TONES = bytes.maketrans(b"ABCDEFGabcdefg", b"A" * 14)
_TONES_ALIKE = _EACH.translate(_TONES)
STEPS = np.array([list(_EACH), list(_TONES_ALIKE)], np.int64)
"""[2, V] the step that a code is, by `Table.tones`."""


class Node:
    """A node: its state, the degrees of codes there, and the known next nodes.

    place:  of the text, "" without the grammar.
    within: string, field or line (its counter); "" elsewhere. `sort` is which of them ends here,
            as far as the next node depends on that.
    due:    characters of the counter that are to come; its next one is the only one. 0 elsewhere.
    alike:  of each code one that leads to the same place.
    table, number: of its row.
    """

    __slots__ = (
        "alike",
        "due",
        "found",
        "limit",
        "number",
        "place",
        "sort",
        "state",
        "table",
        "within",
    )

    def __init__(self, state: tuple[Any, ...], limit: int | bytes, due: int, tones: bool) -> None:
        self.state, self.limit, self.due = state, limit, due
        self.place: str = state[-1][0] if state[-1] else ""
        self.within, self.sort = _within(self.place, state[-1])
        self.alike = _TONES_ALIKE if tones else _EACH
        self.found: tuple[Any, Any] = (None, None)
        self.table: Table | None = None
        self.number = -1

    @property
    def calls(self) -> bool:
        """Return whether the node after its end depends on the caller."""
        return self.within in ("string", "line")

    def after(self, step: int, caller: Node | None) -> Node | None:
        """Return the node after a step that occurred here before."""
        table = self.table
        assert table is not None
        number = int(table.following[self.number, step])
        if number <= EXIT:
            if caller is None or caller.table is not table:
                return None
            number = int(table.returns[caller.number, EXIT - number])
        return table.nodes[number] if number >= 0 else None


def _within(place: str, state: tuple[Any, ...]) -> tuple[str, Any]:
    if place == "bar" and len(state) == 2:
        sort = state[1][0]
        return "field" if sort == "field" else "string", sort
    if place in ("counter", "voice") and state[-1] is not None:
        return "line", state[-1]
    return "", None


class Table:
    """The known nodes as rows of arrays, for kernels, which walk from row to row.

    limits:    [M, V] degree of each code.
    following: [M, 2V] row of the node after each step: a code, or V + a code that ends its patch;
               −1 if unknown; `EXIT` − n at exit n of a string or counter.
    returns:   [M, E] of a caller the row of the node after each exit, −1 if unknown.
    due:       [M] see `Node`; `tones`: [M] whether all tones are one step; `within`: [M] whether
               the place is in a string or a counter.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.limits = np.zeros((FIRST_ROOM, VOCABULARY), np.uint8)
        self.following = np.full((FIRST_ROOM, 2 * VOCABULARY), -1, np.int32)
        self.returns = np.full((FIRST_ROOM, MOST_EXITS), -1, np.int32)
        self.due, self.tones, self.within = np.zeros((3, FIRST_ROOM), np.int64)
        self._exits: dict[tuple[Any, ...], int] = {}

    def _make_room(self) -> None:
        """Double the room; arrays in use by a kernel stay unchanged."""
        for name in ("limits", "due", "tones", "within"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros_like(array)]))
        for name in ("following", "returns"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.full_like(array, -1)]))

    def add(self, node: Node) -> None:
        number = len(self.nodes)
        if number == len(self.limits):
            self._make_room()
        if isinstance(node.limit, int):
            self.limits[number, node.limit] = FREELY
        else:
            self.limits[number] = np.frombuffer(node.limit, np.uint8)
        self.due[number], self.tones[number] = node.due, node.alike is _TONES_ALIKE
        self.within[number] = bool(node.within)
        node.table, node.number = self, number
        self.nodes.append(node)

    def join(self, node: Node, step: int, following: Node, caller: Node | None) -> None:
        """Record that `following` is the node after a step from `node`."""
        if node.table is not self or following.table is not self:
            return
        if node.within == following.within or (not node.within and following.calls):
            self.following[node.number, step] = following.number
        elif node.calls and not following.within and caller and caller.table is self:
            where, _, mask, _ = following.state
            exit_ = self._exits.setdefault((where, mask, node.sort), len(self._exits))
            if exit_ < MOST_EXITS:
                self.following[node.number, step] = EXIT - exit_
                self.returns[caller.number, exit_] = following.number


class Nodes:
    """All known nodes, of all pieces.

    If they are too many, a new table begins; walks in the old one are not disturbed.
    """

    def __init__(self, most: int = MOST_NODES) -> None:
        self.most = most
        self.table = Table()
        self._known: dict[tuple[Any, ...], Node] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, state: tuple[Any, ...]) -> Node | None:
        return self._known.get(state)

    def add(self, node: Node) -> None:
        with _ADDING:
            if len(self._known) >= self.most:
                self.table, self._known = Table(), {}
            self._known[node.state] = node
            self.table.add(node)


NODES = Nodes()
_ADDING = threading.Lock()
