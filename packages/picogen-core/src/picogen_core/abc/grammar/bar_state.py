"""The state of a voice in its bar, and its transitions by characters."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from operator import attrgetter
from typing import Any

from picogen_core.abc.grammar.fields import EVERYTHING, FieldChoices
from picogen_core.abc.grammar.lengths import GRID, Room, Spellings, lengths
from picogen_core.abc.pitch.keys import is_compound, meter_length, unit_length
from picogen_core.abc.reading.timing import read_tuplet

MAX_STEPS = 256  # 8 whole notes, where there is no meter

# Of a broken rhythm, in quarters: what the note before gains, how long the next one is.
CHANGES = {"": (0, 4), ">": (2, 2), "<": (-2, 6), ">>": (3, 1), "<<": (-3, 7)}


class BarState:
    """The state of one voice in its bar.

    place:    between, event, sign, paren, bracket, field, chord, chord_sign, grace, quote, bang.
    previous: kind of the last element: tone, rest, tie, close, open, short, bang, space, …
    unit:     64ths of a grid step in a unit length.
    meter:    the value of M:; `compound`: it counts in threes.
    exact:    the bar has to fill its room; else it may be shorter.
    free:     its room has no end.
    leads:    others follow; the meter may change here. `due`: the meter of the score, which this
              voice has to change to.
    room:     for the next event; `steps` those taken. An event being spelt is in neither.
    owes:     an element before needs a note after it.
    paired:   no broken rhythm may come: another or a tuplet ends at the last event, or grace notes
              follow that, or it is a chord of unequal tones.
    spelt:    of a length, tuplet, field or sign; `inner` is the length within a chord; `broken`
              the sign of a broken rhythm that the next event ends.
    memo:     cached results for this place: `wanted`, the bar after its event, its end.
    """

    def __init__(
        self, unit: Fraction, meter: str, alone: bool, choices: FieldChoices = EVERYTHING
    ) -> None:
        self.unit, self.alone, self.choices = _scale(unit), alone, choices
        self._set_meter(meter)
        self.slurs, self.lost = 0, False
        self.lead(meter)

    def _set_meter(self, meter: str) -> None:
        self.meter, self.compound = meter, is_compound(meter)

    def lead(self, meter: str, owed: int = 0, full: bool = False) -> None:
        """Start the line's first bar: at most the meter, with `full` exactly, or as `owed`."""
        self._start(owed or _steps(meter), exact=full or owed > 0)
        self.leads, self.due = True, "" if meter == self.meter else meter

    def follow(self, meter: str, steps: int | None) -> None:
        """Start a bar as long as the line's first one, None if that is unknown."""
        self._start(steps, exact=True)
        self.leads, self.due = False, "" if meter == self.meter else meter

    def _start(self, steps: int | None, exact: bool) -> None:
        """Start a new bar; slurs, the unit and the meter carry over."""
        self.memo: int | None = None
        self.after: BarState | None = None
        if self.lost:
            self.slurs = 0  # the open ones are unknown
        self.exact, self.free = exact, steps is None
        self.room = Room(MAX_STEPS if steps is None else steps)
        self.place, self.previous = "between", ""
        self.spelt = self.marks = ""
        self.inner: str | None = None
        self.broken, self.steps, self.last, self.count = "", 0, 0, 0
        self.begun = self.owes = self.paired = self.uneven = self.lost = False

    def state(self) -> tuple[Any, ...]:
        """Return all that the rest of the bar (within a string, of the string) depends on."""
        if self.in_string:
            due = self.due if self.place == "field" else ""
            return self.place, self.spelt, self.marks, self.count, self.alone, due
        steps, *found = _READ(self)
        return steps if self.leads and not self.alone else 0, *found

    @property
    def in_string(self) -> bool:
        """Return whether the place is within quotes, a decoration or a field."""
        return self.place in ("quote", "bang", "field") and not self.lost

    def restore(self, state: tuple[Any, ...], memo: int | None) -> None:
        """Return to the place where `state` was taken."""
        if len(state) == len(_STATE):
            self.__dict__.update(zip(_STATE, state, strict=True))
        else:
            self.place, self.spelt, self.marks, self.count, _, _ = state
        self.memo, self.after = memo, None

    def copy(self) -> BarState:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    def fits(self) -> Spellings:
        return lengths(self.scale(), self.room)

    def scale(self) -> int:
        return self.unit * CHANGES[self.broken][1] // 4

    def take_event(self) -> None:
        """End the event that was being spelt."""
        steps = self.fits()[self.inner or self.spelt][1] or 0
        room = self.room
        if room.left == 1:
            self.steps += (room.spent + steps) * room.into // room.parts
        elif not room.left:
            self.steps += steps
        after = room.after(steps)
        self.room = Room(MAX_STEPS) if self.free and not after.left else after
        self.paired = bool(self.broken or room.left == 1 or self.uneven)
        self.broken, self.begun, self.uneven = "", True, False
        self.last = 0 if self.paired else steps
        self.place, self.spelt, self.marks, self.inner = "between", "", "", None

    def _push_between(self, character: str) -> None:
        if character in "ABCDEFGabcdefgzx":
            self._begin("rest" if character in "zx" else "tone")
        elif character in _PLACES:
            self.place, self.count = _PLACES[character], 0
            self.spelt = character if character in "^_=(" else ""
        elif character in "<>":
            self._break(character)
        elif character == ")":
            self.slurs = max(0, self.slurs - 1)
            self.previous, self.owes = "close", bool(self.broken)
        else:
            self.previous = {" ": "space", "-": "tie", ".": "dot"}.get(character, "short")

    def _begin(self, kind: str) -> None:
        self.place, self.previous = "event", kind
        self.spelt, self.marks, self.inner, self.owes, self.last = "", "", None, False, 0

    def _break(self, character: str) -> None:
        sign = self.broken + character
        change = (CHANGES[sign][0] - CHANGES[self.broken][0]) * self.last // 4
        if not self.room.left:
            self.steps += change
        if self.room.left or not self.free:
            self.room = self.room.less(change)
        self.previous, self.broken, self.owes = "broken", sign, True

    def _push_event(self, character: str) -> None:
        if character in "',":
            self.marks += character
        elif character in "0123456789/":
            self.spelt += character
            self.marks = ""
        else:
            if self.after is None:
                self.take_event()
            else:
                self.__dict__.update(self.after.__dict__)
            self._push_between(character)

    def _push_sign(self, character: str) -> None:
        if character in "^_":
            self.spelt = "^^"
        else:
            self._begin("tone")

    def _push_paren(self, character: str) -> None:
        if character.isdigit() or character == ":":
            self.spelt += character
            return
        if self.spelt == "(":
            self.slurs += 1
        else:
            self.room = self.room.within(read_tuplet(self.spelt))
        self.place, self.previous, self.owes, self.spelt = "between", "open", True, ""
        self._push_between(character)

    def _push_bracket(self, character: str) -> None:
        if character in "KLMQ":
            self.place, self.spelt = "field", character
        else:
            self.place, self.inner, self.count = "chord", None, 0
            self._push_chord(character)

    def _push_field(self, character: str) -> None:
        if character != "]":
            self.spelt += character
            return
        letter, value = self.spelt[0], self.spelt[2:]
        if letter == "M":
            self._set_meter(value)
            if self.leads and not self.exact:
                self.lead(value)
            self.due = ""
        elif letter == "L":
            self.unit = _scale(unit_length(value) or GRID)
        self.place, self.previous, self.spelt = "between", "field", ""

    def _push_chord(self, character: str) -> None:
        if character in "',":
            self.marks += character
        elif character in "0123456789/":
            self.spelt += character
        elif character == "-":
            self.previous = "tie"
        else:
            if self.count and self.inner is None:
                self.inner = self.spelt
            self.uneven |= self.spelt != (self.inner or "")
            if character == "]":
                inner = self.inner
                self._begin("tone")
                self.inner, self.count = inner, 0
            else:
                self._chord_tone(character)

    def _chord_tone(self, character: str) -> None:
        self.spelt = self.marks = ""
        self.previous = "tone"
        if character in "^_=":
            self.place, self.spelt = "chord_sign", character
        else:
            self.place = "chord"
            self.count += 1

    def _push_chord_sign(self, character: str) -> None:
        if character in "^_":
            self.spelt = "^^"
        else:
            self._chord_tone(character)

    def _push_grace(self, character: str) -> None:
        if character == "}":
            self.place, self.previous, self.spelt, self.marks = "between", "grace", "", ""
            self.count, self.paired = 0, True
        elif character in "^_=":
            self.spelt = "^^" if self.previous == "sign" else character
            self.previous = "sign"
        elif character in "',":
            self.marks += character
        elif character == "/":
            self.spelt += character
        elif character == ")":
            self.slurs, self.previous = max(0, self.slurs - 1), "close"
        else:
            self.previous, self.spelt, self.marks = "tone", "", ""
            self.count += 1

    def _push_quote(self, character: str) -> None:
        self.count += 1
        self.marks = character if character in "XZ" else ""
        if character == '"':
            self.place, self.previous, self.marks, self.count = "between", "quote", "", 0

    def _push_bang(self, character: str) -> None:
        self.count += 1
        self.spelt += character
        if character == "!":
            self.place, self.previous, self.count, self.spelt = "between", "bang", 0, ""


_STATE = (
    "steps", "exact", "free", "leads", "due", "place", "previous", "spelt", "marks", "inner",
    "broken", "last", "count", "begun", "owes", "paired", "uneven", "lost", "slurs", "room", "unit",
    "compound", "alone",
)  # fmt: skip
_READ = attrgetter(*_STATE)


def can_be_kept(meter: str) -> bool:
    """Return whether the grammar can hold bars to this meter, or it is free."""
    return meter == "none" or (_steps(meter) or MAX_STEPS + 1) <= MAX_STEPS


@lru_cache(maxsize=256)
def _steps(meter: str) -> int | None:
    """Return the grid steps of a full bar; None without a meter, or for one finer than the grid."""
    steps = (meter_length(meter) or 0) / GRID
    return int(steps) if steps and steps == int(steps) else None


def _scale(unit: Fraction) -> int:
    """Return the unit in 64ths of a grid step."""
    return int(64 * unit / GRID)


_PLACES = {
    **dict.fromkeys("^_=", "sign"),
    "(": "paren", "[": "bracket", "{": "grace", '"': "quote", "!": "bang",
}  # fmt: skip
PUSH = {
    "between": BarState._push_between,
    "event": BarState._push_event,
    "sign": BarState._push_sign,
    "paren": BarState._push_paren,
    "bracket": BarState._push_bracket,
    "field": BarState._push_field,
    "chord": BarState._push_chord,
    "chord_sign": BarState._push_chord_sign,
    "grace": BarState._push_grace,
    "quote": BarState._push_quote,
    "bang": BarState._push_bang,
}
