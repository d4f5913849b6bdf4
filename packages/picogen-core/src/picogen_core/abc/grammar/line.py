"""The whole text, header and body: a line a bar, with its counter and the voices in their order."""

from __future__ import annotations

import re
from typing import NamedTuple

from picogen_core.abc.grammar.bar import Bar
from picogen_core.abc.grammar.charsets import DIGITS, NEWLINE, PRINTABLE, bits
from picogen_core.abc.grammar.header import HeaderGrammar
from picogen_core.abc.grammar.lengths import one_of
from picogen_core.abc.keys import default_unit, unit_length

MAX_TOTAL = 4  # digits of the first counter
INSIDE, FULL, CLOSED = "inside", "full", "closed"
"""Where in the patches a character stands: in a cut; at the head of a patch behind a full one, so
that a cut may begin there; behind EOS, so that one does."""

_ANY, _BAR = PRINTABLE | NEWLINE, bits("|")
_BARLINES = ("|", "||", "|]", "|:", ":|", "::", "|1", ":|2")
_LAST = ("|", "||", "|]", ":|")
_COUNTER = re.compile(r"\[r:(\d+)/(\d+)\]")


class Reference(NamedTuple):
    """The line's first voice: grid steps of its bar if they can be told, and its barlines."""

    steps: int | None
    left: str
    right: str


class TextGrammar:
    """What a sound piece has next, and where it stands.

    place:     header, counter, total, voice, bar, left (of a bar), barline.
    index:     lines of the body that are whole; `rest` to come, the present one left out, None
               before the first counter.
    order:     declared voices; `choice` those that may come, `voice` the present one, `reference`
               the line's first one.
    memo:      what is wanted at this very place, and where in the patches that is.
    final:     the barline lies within a cut: the line ends with it; `more`: it heads a cut, so a
               voice follows.
    """

    __slots__ = (
        "bars", "choice", "counter", "due", "final", "header", "index", "left", "line", "lost",
        "memo", "more", "order", "place", "plan", "reference", "rest", "spelt", "voice",
    )  # fmt: skip

    def __init__(self, bars: int | None = None) -> None:
        self.plan = bars
        self.header = HeaderGrammar()
        self.place = "header"
        self.index = 0
        self.rest: int | None = None
        self.order: tuple[str, ...] = ()
        self.choice: tuple[str, ...] = ()
        self.bars: dict[str, Bar] = {}
        self.voice = ""
        self.reference: Reference | None = None
        self.line = self.spelt = self.left = self.counter = ""
        self.due = 0
        self.final = self.more = self.lost = False
        self.memo: tuple[str, int] | None = None

    @property
    def ended(self) -> bool:
        """The last line is whole: the piece has to close."""
        return self.rest is not None and self.rest < 0

    def wanted(self, where: str) -> int:
        """The text characters of a sound piece at this place; 0 where the piece has ended."""
        if self.memo is None or self.memo[0] != where:
            self.memo = where, self._wanted(where)
        return self.memo[1]

    def _wanted(self, where: str) -> int:
        if self.ended:
            return 0
        if self.lost:
            return _ANY
        place = self.place
        if place == "header":
            return self.header.wanted()
        if place == "counter":
            return bits(self.counter[-self.due])
        if place == "total":
            digits = DIGITS if len(self.spelt) < MAX_TOTAL and self.spelt != "0" else 0
            return digits | (bits("]") if self.spelt else 0)
        if place == "voice":
            following, stops = one_of(*self.choice)[self.spelt]
            return following | (bits("]") if stops is not None else 0)
        if place == "left":
            return bits(":")
        return self._barline() if place == "barline" else self._bar(where)

    def _bar(self, where: str) -> int:
        bar = self.bars[self.voice]
        if bar.lost:
            return _ANY
        wanted = 0 if where == CLOSED else bar.wanted()
        if self.leads():
            if where != INSIDE and self._lefts():
                wanted |= _BAR
            if self.reference and self.reference.left:
                return _BAR if where != INSIDE else 0
        if bar.may_end():
            wanted |= one_of(*self._rights())[""][0]
        return wanted

    def rare(self, where: str) -> int:
        """The text characters that are not wanted here and yet may come, if rarely."""
        if self.lost or self.place != "bar" or where == CLOSED:
            return 0
        return self.bars[self.voice].rare()

    def may_cut(self) -> bool:
        """Whether EOS may close the cut here, so that the next patch begins with a barline."""
        if self.lost:
            return True
        if self.place != "bar":
            return False
        bar = self.bars[self.voice]
        if bar.lost:
            return True
        if self.leads():
            return self._lefts()
        return bar.may_end() and bool(self.later())

    def leads(self) -> bool:
        """Whether nothing stands in the bar so far."""
        bar = self.bars[self.voice]
        return bar.place == "between" and not bar.previous and not self.left

    def _lefts(self) -> bool:
        """Whether `|:` may come before the bar: in the first line, in all voices alike."""
        if self.reference:
            return bool(self.reference.left)
        return self.index == 0

    def _rights(self) -> tuple[str, ...]:
        """Barlines that may end the bar: in all voices of the line the same."""
        if self.reference:
            return (self.reference.right,)
        return _LAST if self.rest == 0 else _BARLINES

    def later(self) -> tuple[str, ...]:
        """Voices that may follow the present one."""
        if self.voice not in self.order:
            return ()
        return self.order[self.order.index(self.voice) + 1 :]

    def _barline(self) -> int:
        following, stops = one_of(*self.choice).get(self.spelt, (0, None))
        if stops is not None:
            following |= bits("[") if self.later() and not self.final else 0
            following |= 0 if self.more and self.later() else NEWLINE
        return following

    def closing(self, where: str, before: str) -> str:
        """The next character, behind `before`, of a short way to the end of the line."""
        if self.place == "header":
            return self.header.closing()
        if self.lost or (self.place == "bar" and self.bars[self.voice].lost):
            return "\n" if before == "|" else "|"
        wanted = self.wanted(where)
        if self.place in ("bar", "barline"):
            for character in "\n|:" if self.place == "barline" else "|:":
                if wanted >> ord(character) & 1:
                    return character
            if self.place == "bar":
                return self.bars[self.voice].closing()
        if self.place == "total" and wanted >> ord("]") & 1:
            return "]"
        return chr((wanted & -wanted).bit_length() - 1)

    def push(self, character: str, where: str) -> None:
        """Take the next character; one that is not wanted loses the thread to the line's end."""
        wanted = self.lost or self.place == "header" or self.wanted(where) >> ord(character) & 1
        self.memo = None
        if self.place == "header":
            self._push_header(character)
            return
        if not wanted and not self.lost:
            self._lose()
        if character == "\n":
            self._end_line()
        elif self.lost:
            self.line += character
        else:
            _PUSH[self.place](self, character, where)

    def _lose(self) -> None:
        self.lost = self.place != "bar"  # within a bar only that bar is
        if self.place == "counter" and not self.voice:
            self.line = self.counter[: -self.due]
        elif self.place == "total":
            self.line = self.counter + self.spelt

    def _push_header(self, character: str) -> None:
        if character == "[" and not self.header.line:
            self._begin_body()
            self.push(character, FULL)
        else:
            self.header.push(character)

    def _begin_body(self) -> None:
        values = self.header.values
        meter = values.get("M", "none").split("%")[0].strip()
        unit = unit_length(values.get("L", "")) or default_unit(meter)
        self.order = tuple(dict.fromkeys(self.header.voices)) or ("1",)
        alone = len(self.order) == 1
        self.bars = {name: Bar(unit, meter, alone) for name in self.order}
        if self.plan is not None:
            self.rest = self.plan - 1
        self._begin_line()

    def _begin_line(self) -> None:
        self.line, self.reference, self.lost = "", None, False
        total = "" if self.rest is None else f"{self.rest}][V:"
        self._count(f"[r:{self.index}/{total}")
        self.voice, self.left, self.choice = "", "", self.order

    def _count(self, counter: str) -> None:
        self.place, self.counter, self.due, self.spelt = "counter", counter, len(counter), ""

    def _end_line(self) -> None:
        found = _COUNTER.match(self.line)
        if found:
            self.index, self.rest = int(found.group(1)), int(found.group(2))
        self.index += 1
        if self.plan is not None:
            self.rest = self.plan - self.index - 1
        elif self.rest is not None:
            self.rest -= 1
        self._begin_line()

    def _push_counter(self, character: str, where: str) -> None:
        self.due -= 1
        if not self.due:
            self.place = "total" if self.rest is None else "voice"

    def _push_total(self, character: str, where: str) -> None:
        if character != "]":
            self.spelt += character
            return
        self.rest = int(self.spelt)
        self._count("[V:")

    def _push_voice(self, character: str, where: str) -> None:
        if character != "]":
            self.spelt += character
            return
        self.voice, self.place = self.spelt, "bar"
        self.left = self.spelt = ""
        self.bars[self.voice].start(self.reference.steps if self.reference else None)

    def _push_bar(self, character: str, where: str) -> None:
        bar = self.bars[self.voice]
        if character == "|" and self.leads():
            self.left, self.place = "|:", "left"
        elif character in "|:" and not bar.lost and bar.may_end():
            self._begin_barline(character, where)
        elif character == "|":
            bar.lost = True
            self._begin_barline(character, where)
        else:
            bar.push(character)

    def _push_left(self, character: str, where: str) -> None:
        self.place = "bar"

    def _begin_barline(self, character: str, where: str) -> None:
        bar = self.bars[self.voice]
        self.choice = self._rights()
        self.final, self.more = where == INSIDE, where == CLOSED
        self.place, self.spelt = "barline", character
        self.lost = character not in one_of(*self.choice)
        if self.reference is None:
            self.reference = Reference(bar.end(), self.left, "")

    def _push_barline(self, character: str, where: str) -> None:
        if character != "[":
            self.spelt += character
            return
        if self.reference and not self.reference.right:
            self.reference = Reference(self.reference.steps, self.reference.left, self.spelt)
        self._count("V:")
        self.choice = self.later()


_PUSH = {
    "counter": TextGrammar._push_counter,
    "total": TextGrammar._push_total,
    "voice": TextGrammar._push_voice,
    "bar": TextGrammar._push_bar,
    "left": TextGrammar._push_left,
    "barline": TextGrammar._push_barline,
}
