"""The whole text, header and body: one line per bar, with its counter and voices in order."""

from __future__ import annotations

from typing import NamedTuple

from picogen_core.abc.counters import START, parse_counter
from picogen_core.abc.grammar.bar import (
    advance,
    closing_in,
    end_bar,
    may_end,
    missing_in,
    rare_in,
    wanted_in,
)
from picogen_core.abc.grammar.bar_state import BarState
from picogen_core.abc.grammar.charsets import DIGITS, NEWLINE, PRINTABLE, bits
from picogen_core.abc.grammar.fields import EVERYTHING, FieldChoices
from picogen_core.abc.grammar.header import HeaderGrammar
from picogen_core.abc.grammar.lengths import one_of
from picogen_core.abc.pitch.keys import default_unit, unit_length

MAX_TOTAL = 4  # digits of the first counter
ANY_LENGTH, FULL_BAR = -1, -2
INSIDE, FULL, CLOSED = "inside", "full", "closed"
"""Where in the patches a character stands: in a cut; at the head of a patch behind a full one, so
that a cut may begin there; behind EOS, so that one does."""

_ANY, _BAR = PRINTABLE | NEWLINE, bits("|")
_BARLINES = ("|", "||", "|]", "|:", ":|", "::", "|1", ":|2")
_AROUND = ("||", "|]", "|:", ":|", "::")  # a short bar, which the next completes
_ENDINGS = ("|1", ":|2")  # likewise; what completes it may be the pickup that it leads back to
_FINAL, _LAST = ("|]", ":|"), ("|]", ":|", "||")


class BarReference(NamedTuple):
    """The line's first voice: grid steps of its bar if they are known, its barlines, the steps
    that the next bar owes it, and its meter."""

    steps: int | None
    left: str
    right: str
    missing: int = 0
    meter: str = ""


class TextGrammar:
    """The grammar of a sound piece, at one place of the text.

    place:     header, counter, total, voice, bar, left (of a bar), barline.
    index:     lines of the body that are whole; `rest` to come, the present one left out, None
               before the first counter.
    order:     declared voices; `choice` those that may come, `voice` the present one, `reference`
               the line's first one.
    memo:      what is wanted at this very place, and where in the patches that is.
    meter:     that of the last line, where there are several voices.
    owed:      steps by which the last line's bar was short, so that this one has just as many;
               `ANY_LENGTH` behind one that was none that the grammar has, in a prompt; `FULL_BAR`
               behind a pickup, so that nobody takes it for the rest of a short bar.
    final:     the barline lies within a cut: the line ends with it; `more`: it heads a cut, so a
               voice follows.
    """

    __slots__ = (
        "bars",
        "choice",
        "choices",
        "counter",
        "due",
        "final",
        "header",
        "index",
        "left",
        "line",
        "lost",
        "memo",
        "meter",
        "more",
        "order",
        "owed",
        "place",
        "plan",
        "reference",
        "rest",
        "spelt",
        "voice",
    )

    def __init__(self, bars: int | None = None, choices: FieldChoices = EVERYTHING) -> None:
        self.plan, self.choices = bars, choices
        self.header = HeaderGrammar(choices)
        self.place = "header"
        self.index = 0
        self.rest: int | None = None
        self.order: tuple[str, ...] = ()
        self.choice: tuple[str, ...] = ()
        self.bars: dict[str, BarState] = {}
        self.voice = ""
        self.reference: BarReference | None = None
        self.line = self.spelt = self.left = self.counter = ""
        self.meter = ""
        self.due = self.owed = 0
        self.final = self.more = self.lost = False
        self.memo: tuple[str, int] | None = None

    @property
    def ended(self) -> bool:
        """Whether the last line is complete, so that the piece has to close."""
        return self.rest is not None and self.rest < 0

    def wanted(self, where: str) -> int:
        """Return the text characters of a sound piece at this place; 0 after its end."""
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
        wanted = 0 if where == CLOSED else wanted_in(bar)
        if self.leads():
            if where != INSIDE and self._lefts():
                wanted |= _BAR
            if self.reference and self.reference.left:
                return _BAR if where != INSIDE else 0
        if may_end(bar):
            ends = one_of(*self._rights())[""][0]
            wanted |= ends & ~self._doubtful(where)
        return wanted

    def _doubtful(self, where: str) -> int:
        """Return `|` if the bar is short, which then needs a double bar or a repeat.

        A model that means a plain barline would otherwise write those everywhere.
        """
        return _BAR if where != CLOSED and self._is_cut_short() else 0

    def _is_cut_short(self) -> bool:
        """Return whether a bar that ends here is short, as only the first and the last may be."""
        if self.lost or self.reference or not self.index or self.rest == 0:
            return False
        if self.owed == ANY_LENGTH:
            return False
        return missing_in(self.bars[self.voice]) > 0

    def rare(self, where: str) -> int:
        """Return the text characters that may come here rarely."""
        if self.lost or self.place != "bar" or where == CLOSED:
            return 0
        bar = self.bars[self.voice]
        return rare_in(bar) | (self._doubtful(where) if not bar.lost and may_end(bar) else 0)

    def may_cut(self) -> bool:
        """Return whether EOS may close the cut here, so that a barline begins the next patch."""
        return self.may_rarely_cut() and not self._is_cut_short()

    def may_rarely_cut(self) -> bool:
        """Return `may_cut` for a short bar, which has to end with a double bar or a repeat."""
        if self.lost:
            return True
        if self.place != "bar":
            return False
        bar = self.bars[self.voice]
        if bar.lost:
            return True
        if self.leads():
            return self._lefts()
        return may_end(bar) and bool(self.later())

    def leads(self) -> bool:
        """Whether the bar is empty so far."""
        bar = self.bars[self.voice]
        return bar.place == "between" and not bar.previous and not self.left

    def _lefts(self) -> bool:
        """Return whether `|:` may come before the bar: in the first line, in all voices or none."""
        if self.reference:
            return bool(self.reference.left)
        return self.index == 0

    def _rights(self) -> tuple[str, ...]:
        """Return barlines that may end the bar, the same in all voices of the line."""
        if self.reference:
            return (self.reference.right,)
        if self.rest == 0:
            return _LAST if self.plan is None else _FINAL
        if self._is_cut_short():
            return _AROUND if self.plan is not None else _AROUND + _ENDINGS
        return _BARLINES

    def later(self) -> tuple[str, ...]:
        """Return voices that may follow the current one."""
        if self.voice not in self.order:
            return ()
        return self.order[self.order.index(self.voice) + 1 :]

    def _barline(self) -> int:
        following, stops = one_of(*self.choice).get(self.spelt, (0, None))
        if stops is not None:
            following |= bits("[") if self.later() and not self.final else 0
            following |= 0 if self.more and self.later() else NEWLINE
        return following

    def closing(self, where: str, before: str) -> int:
        """Return continuations after `before` on a short way to the end of the line."""
        if self.place == "header":
            return bits(self.header.closing())
        if self.lost or (self.place == "bar" and self.bars[self.voice].lost):
            return bits("\n" if before == "|" else "|")
        wanted = self.wanted(where)
        if self.place == "bar":
            bar = self.bars[self.voice]
            ends = wanted & bits("|:")
            if not ends or (ends != wanted and (missing_in(bar) or not may_end(bar))):
                return closing_in(bar)
            wanted = ends
        for character in _SOONEST.get(self.place, ""):
            if wanted >> ord(character) & 1:
                return bits(character)
        return wanted & -wanted

    def push(self, character: str, where: str) -> None:
        """Advance by a character; after one that is not wanted, the line is lost to its end."""
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
        self.bars = {name: BarState(unit, meter, alone, self.choices) for name in self.order}
        if self.plan is not None:
            self.rest = self.plan - 1
        self._begin_line()

    def _begin_line(self) -> None:
        self.line, self.reference, self.lost = "", None, False
        total = "" if self.rest is None else f"{self.rest}][V:"
        self._count(f"{START}{self.index}/{total}")
        self.voice, self.left, self.choice = "", "", self.order

    def _count(self, counter: str) -> None:
        self.place, self.counter, self.due, self.spelt = "counter", counter, len(counter), ""

    def _end_line(self) -> None:
        counted = parse_counter(self.line)
        if counted:
            self.index, self.rest = counted
        self.index += 1
        self.owed = self._debt()
        if self.reference and len(self.order) > 1:
            self.meter = self.reference.meter
        if self.plan is not None:
            self.rest = self.plan - self.index - 1
        elif self.rest is not None:
            self.rest -= 1
        self._begin_line()

    def _debt(self) -> int:
        """Return the steps that the ended line leaves to the next one.

        The pickup that a first ending leads back to may complete it. With a plan of bars the next
        bar has to, so that neighbours in the score always add up.
        """
        if not self.reference or not self.reference.missing:
            return 0
        if self.index == 1:
            return FULL_BAR
        first_ending = self.spelt == ":|2" and self.plan is None
        return ANY_LENGTH if self.lost or first_ending else self.reference.missing

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
        bar, reference = self.bars[self.voice], self.reference
        if reference:
            bar.follow(reference.meter, reference.steps)
        else:
            bar.lead(self.meter or bar.meter, max(0, self.owed), self.owed == FULL_BAR)

    def _push_bar(self, character: str, where: str) -> None:
        bar = self.bars[self.voice]
        if character == "|" and self.leads():
            self.left, self.place = "|:", "left"
        elif character in "|:" and not bar.lost and may_end(bar):
            self._begin_barline(character, where)
        elif character == "|":
            bar.lost = True
            self._begin_barline(character, where)
        else:
            advance(bar, character)

    def _push_left(self, character: str, where: str) -> None:
        self.place = "bar"

    def _begin_barline(self, character: str, where: str) -> None:
        bar = self.bars[self.voice]
        missing = 0 if self.rest == 0 or self.owed == ANY_LENGTH else missing_in(bar)
        self.choice = self._rights()
        self.final, self.more = where == INSIDE, where == CLOSED
        self.place, self.spelt = "barline", character
        self.lost = character not in one_of(*self.choice)
        if self.reference is None:
            self.reference = BarReference(end_bar(bar), self.left, "", missing, bar.meter)

    def _push_barline(self, character: str, where: str) -> None:
        if character != "[":
            self.spelt += character
            return
        if self.reference and not self.reference.right:
            self.reference = self.reference._replace(right=self.spelt)
        self._count("V:")
        self.choice = self.later()


_SOONEST = {"bar": "|:", "barline": "\n|:", "total": "]"}
_PUSH = {
    "counter": TextGrammar._push_counter,
    "total": TextGrammar._push_total,
    "voice": TextGrammar._push_voice,
    "bar": TextGrammar._push_bar,
    "left": TextGrammar._push_left,
    "barline": TextGrammar._push_barline,
}
