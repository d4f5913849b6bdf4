"""A memoised `Constraint`: states and transitions are cached as they occur; music repeats itself.

A node is a place in the header, in a voice's counter or bar or, without the grammar, anywhere. It
has the degrees of codes there, and the node after each code that occurred. The plain `Constraint`,
the reference, runs only for new transitions. It also keeps the state of the whole piece: its
length, its voices and their other bars, the counters' numbers.
"""

from __future__ import annotations

from typing import Any

from picogen_core.abc.grammar.constraint import Constraint
from picogen_core.abc.grammar.fields import EVERYTHING, FieldChoices
from picogen_core.abc.grammar.line import INSIDE
from picogen_core.abc.grammar.nodes import ENDS, NODES, Node, Nodes
from picogen_core.abc.grammar.places import restore_text, takes_tones, text_found, text_state
from picogen_core.abc.patches import EOS, PATCH_SIZE

_COUNTED = 0  # the counter's next character, whichever it is
_LINE_END, _SHUT, _OPEN = ord("\n"), ord("]"), ord("[")
_BEGINNINGS = {"quote": '"', "bang": "!"}


class QuickConstraint(Constraint):
    """A `Constraint` that uses nodes if possible, with the same result for every code."""

    def __init__(
        self,
        max_patches: int | None = None,
        *,
        grammar: bool = False,
        bars: int | None = None,
        choices: FieldChoices = EVERYTHING,
        nodes: Nodes = NODES,
    ) -> None:
        super().__init__(max_patches, grammar=grammar, bars=bars, choices=choices)
        self._nodes = nodes
        self._node: Node | None = None  # the plain automaton stands still while there is one
        self._came: tuple[Node, int] | None = None
        self._caller: Node | None = None  # before this string or counter; None if not a node
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
            self._came = self._caller = None
            super().take(code)
            return
        place = self.place + 1
        ends = place == PATCH_SIZE or code == EOS
        step = _COUNTED if node.due and code == self._counter[-node.due] else node.alike[code]
        step += ENDS if ends else 0
        line_ends = code == _LINE_END and self.text is not None
        following = None if line_ends else node.after(step, self._caller)
        if following is None:
            self._leave()
            self._came = (node, step) if self._stays(code) else None
            super().take(code)
            if node.within == "string" and self.text and self.text.bars[self.text.voice].lost:
                self._came = None  # a bar that lost the thread keeps what stood in the string
            if self._came is None:
                self._caller = None
            return
        if following.calls and not node.within:
            self._caller = node
        self._node = following
        if ends:
            self._end_node_patch()
        else:
            self.place = place

    def _end_node_patch(self) -> None:
        """End a patch at a node."""
        assert self._node is not None
        self.place = 0
        self.patches += 1
        self.line_patches += 1
        if self.text is not None and self.hurries(self._node.place):
            self._leave()

    # For kernels, which walk through the table themselves

    def stand(self) -> Node | None:
        """Return the node of this place in the newest table; None if there is none or no code."""
        node = self._node or self._enter()
        if node is not None and not isinstance(node.limit, int) and not any(node.limit):
            return None
        if node is not None and node.table is not self._nodes.table:
            self._nodes.add(node)
        return node

    def counted(self) -> bytes:
        """Return this line's counter, which a walk needs too."""
        return self._counter

    @property
    def caller(self) -> Node | None:
        """Return the node before the string or counter of this place."""
        return self._caller

    def walked(self, codes: bytes, node: Node, caller: Node | None, ended: bool) -> None:
        """Advance to `node` after a kernel's codes; `ended` if the patch ended."""
        self._caller = caller
        if caller and caller.place == "barline" and _LINE_END in codes:
            self._cross(caller, codes)
            return
        self._node = node
        if ended:
            self._end_node_patch()
        else:
            self.place += len(codes)

    def _cross(self, caller: Node, codes: bytes) -> None:
        """Count the next line in the plain automaton after a kernel has entered it."""
        end = codes.index(_LINE_END)
        self._node = None
        self.place += end
        self._restore(caller)
        for code in codes[end:]:
            super().take(code)

    def _stays(self, code: int) -> bool:
        """Return whether this code changes nothing outside the state."""
        if self.text is None or code == EOS:
            return True
        place = self.text.place
        if place == "counter":
            return code == self._counter[-self.text.due]
        if place == "header":
            return code != _LINE_END and (code != _OPEN or bool(self.text.header.line))
        if place == "voice":
            return code != _SHUT or len(self.text.order) == 1
        if place == "barline":
            return code != _OPEN and (code != _LINE_END or len(self.text.order) == 1)
        return code != _LINE_END

    def _enter(self) -> Node | None:
        """Return the node of this place, made if needed; None if it cannot have one."""
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
        if came is not None:
            self._nodes.table.join(*came, node, self._caller)
            if node.calls and not came[0].within:
                self._caller = came[0]
        self._node = node
        return node

    def _leave(self) -> None:
        """Move the plain automaton to the place of the node."""
        node, self._node = self._node, None
        if node is None:
            return
        if node.within == "string" and self._caller:
            self._restore(self._caller)
            assert self.text is not None
            self.text.push(_BEGINNINGS[node.sort], self._caller.state[0])
        self._restore(node)

    def _restore(self, node: Node) -> None:
        self.where, _, mask, text = node.state
        self.mask.restore(mask)
        if self.text is not None:
            restore_text(self.text, text, node.found)
            if self.text.place == "header":  # its lines are not counted before the body's first one
                ended = self.where == INSIDE and self.mask.previous == _LINE_END
                self.line_patches = -1 if ended else 0
