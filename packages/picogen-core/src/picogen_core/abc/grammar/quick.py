"""The constraint as an automaton that is found out while it runs: music repeats itself.

Where a piece stands in the header, in a voice's counter or bar or, without the grammar, anywhere,
is a node: what may come next there, and the node behind each code that came once. Only what never
came before asks the plain `Constraint`, which remains what is meant by it all. What goes on through
a piece stays with that: how far it is, its voices and their other bars, the counters' numbers.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from picogen_core.abc.grammar.charsets import FREELY
from picogen_core.abc.grammar.constraint import Constraint
from picogen_core.abc.grammar.fields import EVERYTHING, FieldChoices
from picogen_core.abc.grammar.line import INSIDE
from picogen_core.abc.grammar.places import restore_text, takes_tones, text_found, text_state
from picogen_core.abc.patches import EOS, PATCH_SIZE, VOCABULARY

MOST_NODES = 20_000  # some 30 MB
FIRST_ROOM = 64  # of a table; it doubles
_COUNTED = 0  # the counter's next character, whichever it is
_ENDS = 128  # added to a code that ends its patch
_EACH = bytes(range(128))
_TONES = bytes.maketrans(b"ABCDEFGabcdefg", b"A" * 14)
_TONES_ALIKE = _EACH.translate(_TONES)
_LINE_END, _SHUT, _OPEN = ord("\n"), ord("]"), ord("[")


class Node:
    """A place: its state, what may come there, and the places that came next.

    place: of the text, "" without the grammar; `string`: within quotes or the like, where the bar
           around them stays with the plain automaton.
    due:   characters of the counter that are to come; its next one is the only one. 0 elsewhere.
    alike: of each code one that leads to the same place.
    table, number: where its row is, of what may come and of what follows.
    """

    __slots__ = ("alike", "due", "found", "limit", "number", "place", "state", "string", "table")

    def __init__(self, state: tuple[Any, ...], limit: int | bytes, due: int, tones: bool) -> None:
        self.state, self.limit, self.due = state, limit, due
        self.place: str = state[-1][0] if state[-1] else ""
        self.string = self.place == "bar" and len(state[-1]) == 2
        self.alike = _TONES_ALIKE if tones else _EACH
        self.found: tuple[Any, Any] = (None, None)
        self.table: Table | None = None
        self.number = -1

    def after(self, step: int) -> Node | None:
        """The place behind a step that came here once."""
        table = self.table
        assert table is not None
        number = int(table.following[self.number, step])
        return table.nodes[number] if number >= 0 else None


class Table:
    """What is known of places, a row each, for kernels: they walk from row to row.

    limits:    [M, V] how freely each code may come.
    following: [M, 2V] the row of the place behind each step: a code, or where it ends its patch
               V + a code; −1 where that is not known.
    due:       [M] see `Node`; `tones`: [M] whether all tones are one step.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.limits = np.zeros((FIRST_ROOM, VOCABULARY), np.uint8)
        self.following = np.full((FIRST_ROOM, 2 * VOCABULARY), -1, np.int32)
        self.due, self.tones = np.zeros((2, FIRST_ROOM), np.int64)

    def _make_room(self) -> None:
        """Twice as much; arrays that a kernel has at hand stay as they are."""
        self.limits = np.concatenate([self.limits, np.zeros_like(self.limits)])
        self.following = np.concatenate([self.following, np.full_like(self.following, -1)])
        self.due = np.concatenate([self.due, np.zeros_like(self.due)])
        self.tones = np.concatenate([self.tones, np.zeros_like(self.tones)])

    def add(self, node: Node) -> None:
        number = len(self.nodes)
        if number == len(self.limits):
            self._make_room()
        if isinstance(node.limit, int):
            self.limits[number, node.limit] = FREELY
        else:
            self.limits[number] = np.frombuffer(node.limit, np.uint8)
        self.due[number], self.tones[number] = node.due, node.alike is _TONES_ALIKE
        node.table, node.number = self, number
        self.nodes.append(node)

    def join(self, node: Node, step: int, following: Node) -> None:
        """`following` is the place behind a step from `node`."""
        if node.table is self and following.table is self:
            self.following[node.number, step] = following.number


class Nodes:
    """All places that are known, of all pieces; forgotten when they are too many: then a new table
    begins, and who still walks in the old one is not disturbed."""

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
STEPS = np.array([list(_EACH), list(_TONES_ALIKE)], np.int64)
"""[2, V] the step that a code is, by `Table.tones`."""


class QuickConstraint(Constraint):
    """A `Constraint` that answers from nodes where it can; equal to it, code by code."""

    def __init__(
        self, max_patches: int | None = None, *, grammar: bool = False, bars: int | None = None,
        choices: FieldChoices = EVERYTHING, nodes: Nodes = NODES,
    ) -> None:  # fmt: skip
        super().__init__(max_patches, grammar=grammar, bars=bars, choices=choices)
        self._nodes = nodes
        self._node: Node | None = None  # the plain automaton stands still while there is one
        self._came: tuple[Node, int] | None = None
        self._counter = b""

    def limit(self, place: int) -> int | bytes:
        node = self._node or self._enter()
        if node is None:
            return super().limit(place)
        return self._counter[-node.due] if node.due else node.limit

    def codes(self) -> tuple[int, int, int]:
        self._leave()
        return super().codes()

    def take(self, code: int) -> None:
        node = self._node
        if node is None:
            self._came = None
            super().take(code)
            return
        place = self.place + 1
        ends = place == PATCH_SIZE or code == EOS
        step = node.alike[code]
        if node.due and code == self._counter[-node.due]:
            step = _COUNTED
        following = node.after(step + _ENDS if ends else step)
        if following is None:
            self._leave()
            self._came = (node, step + _ENDS if ends else step) if self._stays(code) else None
            super().take(code)
            return
        self._node = following
        if ends:
            self._end_node_patch()
        else:
            self.place = place

    def _end_node_patch(self) -> None:
        """A patch has ended at a node."""
        assert self._node is not None
        self.place = 0
        self.patches += 1
        self.line_patches += 1
        if self.text is not None and self.hurries(self._node.place):
            self._leave()

    # For kernels, which walk through the table by themselves

    def stand(self) -> Node | None:
        """The node of this place, in the newest table; None where there can be none, or where
        nothing may come."""
        node = self._node or self._enter()
        if node is not None and not isinstance(node.limit, int) and not any(node.limit):
            return None
        if node is not None and node.table is not self._nodes.table:
            self._nodes.add(node)
        return node

    def counted(self) -> bytes:
        """This line's counter, which a walk needs besides."""
        return self._counter

    def walked(self, node: Node, place: int) -> None:
        """A kernel has gone on to `node`, at this place of the patch; 0: behind its end."""
        self._node = node
        if place:
            self.place = place
        else:
            self._end_node_patch()

    def _stays(self, code: int) -> bool:
        """Whether all that changes behind this code is in the state."""
        if self.text is None or code == EOS:
            return True
        place = self.text.place
        if place == "counter":
            return code == self._counter[-self.text.due]
        if place == "header":
            return code != _LINE_END and (code != _OPEN or bool(self.text.header.line))
        if place == "voice":
            return code != _SHUT or len(self.text.order) == 1
        return code != _LINE_END and (place != "barline" or code != _OPEN)

    def _enter(self) -> Node | None:
        """The node of this place, made now if there is none; None where there can be none."""
        came, self._came = self._came, None
        if self.done or self.opening:
            return None
        whole = self.where == INSIDE and self.mask.place == "line"  # only EOS may come
        seen: tuple[Any, ...] | None = ()
        if self.text is not None:
            seen = text_state(self.text)
            if seen is None or (not whole and self.hurries(self.text.place)):
                return None
            self._counter = self.text.counter.encode()
        choices = self.text and self.text.choices
        state = self.where, choices, self.mask.state(), seen
        node = self._nodes.get(state)
        if node is None:
            limit = super().limit(self.place)
            due = 0
            if self.text is not None and self.text.place == "counter" and not whole:
                due = self.text.due
                if limit != self._counter[-due]:
                    return None
            tones = self.text is not None and takes_tones(self.text)
            node = Node(state, limit, due, tones)
            if self.text is not None:
                node.found = text_found(self.text)
            self._nodes.add(node)
        if came is not None and came[0].string == node.string:
            self._nodes.table.join(came[0], came[1], node)
        self._node = node
        return node

    def _leave(self) -> None:
        """Let the plain automaton stand where the node is."""
        node, self._node = self._node, None
        if node is None:
            return
        self.where, _, mask, text = node.state
        self.mask.restore(mask)
        if self.text is not None:
            restore_text(self.text, text, node.found)
            if self.text.place == "header":
                self.line_patches = 0  # its lines are not counted before the body's first one
