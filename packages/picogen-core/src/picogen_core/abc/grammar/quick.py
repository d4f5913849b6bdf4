"""The constraint as an automaton that is found out while it runs: music repeats itself.

Where a piece stands in the header, in a voice's counter or bar or, without the grammar, anywhere,
is a node: what may come next there, and the node behind each code that came once. Only what never
came before asks the plain `Constraint`, which remains what is meant by it all. What goes on through
a piece stays with that: how far it is, its voices and their other bars, the counters' numbers.
"""

from __future__ import annotations

from typing import Any

from picogen_core.abc.grammar.constraint import Constraint
from picogen_core.abc.grammar.line import INSIDE
from picogen_core.abc.grammar.places import restore_text, takes_tones, text_found, text_state
from picogen_core.abc.patches import EOS, PATCH_SIZE

MOST_NODES = 20_000  # some 30 MB
_COUNTED = 0  # the counter's next character, whichever it is
_ENDS = 128  # added to a code that ends its patch
_EACH = bytes(range(128))
_TONES = bytes.maketrans(b"ABCDEFGabcdefg", b"A" * 14)
_BARLINES = bytes.maketrans(b"|:", b"\4\5")  # not the same in the last line
_ALL = _EACH, _EACH.translate(_BARLINES)
_TONES_ALIKE = tuple(table.translate(_TONES) for table in _ALL)
_LINE_END, _SHUT, _OPEN = ord("\n"), ord("]"), ord("[")


class Node:
    """A place: its state, what may come there, and the places that came next.

    place: of the text, "" without the grammar; `string`: within quotes or the like, where the bar
           around them stays with the plain automaton.
    due:   characters of the counter that are to come; its next one is the only one. 0 elsewhere.
    alike: of each code one that leads to the same place, in the last line and in others.
    """

    __slots__ = ("alike", "due", "following", "found", "limit", "place", "state", "string")

    def __init__(self, state: tuple[Any, ...], limit: int | bytes, due: int, tones: bool) -> None:
        self.state, self.limit, self.due = state, limit, due
        self.place: str = state[-1][0] if state[-1] else ""
        self.string = self.place == "bar" and len(state[-1]) == 2
        self.alike = _TONES_ALIKE if tones else _ALL
        self.found: tuple[Any, Any] = (None, None)
        self.following: dict[int, Node] = {}


class Nodes:
    """All places that are known, of all pieces; forgotten when they are too many."""

    def __init__(self, most: int = MOST_NODES) -> None:
        self.most = most
        self._known: dict[tuple[Any, ...], Node] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, state: tuple[Any, ...]) -> Node | None:
        return self._known.get(state)

    def add(self, node: Node) -> None:
        if len(self._known) >= self.most:
            for known in list(self._known.values()):  # another thread may add one
                known.following.clear()  # else who stands at one of them keeps them all
            self._known.clear()
        self._known[node.state] = node


NODES = Nodes()


class QuickConstraint(Constraint):
    """A `Constraint` that answers from nodes where it can; equal to it, code by code."""

    def __init__(
        self, max_patches: int | None = None, *, grammar: bool = False, bars: int | None = None,
        nodes: Nodes = NODES,
    ) -> None:  # fmt: skip
        super().__init__(max_patches, grammar=grammar, bars=bars)
        self._nodes = nodes
        self._node: Node | None = None  # the plain automaton stands still while there is one
        self._came: tuple[Node, int] | None = None
        self._counter = b""
        self._last = False

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
        step = node.alike[self._last][code]
        if node.due and code == self._counter[-node.due]:
            step = _COUNTED
        following = node.following.get(step + _ENDS if ends else step)
        if following is None:
            self._leave()
            self._came = (node, step + _ENDS if ends else step) if self._stays(code) else None
            super().take(code)
            return
        self._node = following
        if not ends:
            self.place = place
            return
        self.place = 0
        self.patches += 1
        self.line_patches += 1
        if self.text is not None and self.hurries(following.place):
            self._leave()

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
            self._last = self.text.rest == 0
        state = self.where, self.text is None, self.mask.state(), seen
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
            came[0].following[came[1]] = node
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
