"""One voice's bar, character by character: what is well formed, and how long it may still last.

`wanted` is what the grammar has at a place. Another character, which a mask that only steers lets
through, loses the thread: then all is wanted until the next bar.
"""

from __future__ import annotations

from fractions import Fraction

from picogen_core.abc.grammar.charsets import DIGITS, PRINTABLE, bits
from picogen_core.abc.grammar.fields import inline_fields
from picogen_core.abc.grammar.lengths import GRID, Room, Spellings, lengths, longest, tuplets
from picogen_core.abc.keys import is_compound, meter_length, unit_length
from picogen_core.abc.timing import read_tuplet

MAX_STEPS = 256  # 8 whole notes, for a voice that none goes before
MAX_TEXT, MAX_NAME, MAX_TONES, MAX_GRACES, MAX_SLURS, MAX_MARKS = 40, 12, 8, 6, 3, 3

_TONES = bits("ABCDEFGabcdefg")
_SIGNS = bits("^_=")
_STARTS = _TONES | _SIGNS | bits("zx[.~HLMOPSTuv!")
# Converters take `Z9` for bars of rest and `+a+` for a decoration even within others' quotes.
_NAMES = bits("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWY0123456789.<>()^~")
_TEXT = PRINTABLE & ~bits('"%[]|\\+!$`{}*')
_SOUND = ("tone", "tie", "close")
# Of a broken rhythm, in quarters: what the note before gains, how long the next one is.
_CHANGES = {"": (0, 4), ">": (2, 2), "<": (-2, 6), ">>": (3, 1), "<<": (-3, 7)}
_CLOSERS = {"quote": '"', "bang": "!", "field": "]", "chord": "]", "grace": "}"}


class Bar:
    """Where one voice stands in its bar.

    place:    between, event, sign, paren, bracket, field, chord, chord_sign, grace, quote, bang.
    previous: what stands before, in words: tone, rest, tie, close, open, short, bang, space, …
    unit:     64ths of a grid step in a unit length; `measure` grid steps in a bar of the meter.
    compound: the meter counts in threes.
    target:   steps that the bar has to last, None for the voice that the others follow.
    room:     for the next event; `steps` those taken. An event being spelt is in neither.
    owes:     something stands before that needs a note behind it.
    spelt:    of a length, tuplet, field or sign; `inner` is the length within a chord; `broken`
              the sign of a broken rhythm that the next event ends.
    memo:     what was found out about this very place: `wanted`, the bar after its event, its end.
    """

    __slots__ = (
        "after", "alone", "begun", "broken", "compound", "count", "inner", "last", "lost", "marks",
        "measure", "memo", "owes", "paired", "place", "previous", "room", "slurs", "spelt",
        "steps", "target", "unit",
    )  # fmt: skip

    def __init__(self, unit: Fraction, meter: str, alone: bool) -> None:
        self.unit, self.compound, self.alone = _scale(unit), is_compound(meter), alone
        self.measure = _steps(meter)
        self.slurs, self.lost = 0, False
        self.start(None)

    def start(self, target: int | None) -> None:
        """A new bar; slurs, the unit and the meter carry over."""
        self.memo: int | None = None
        self.after: Bar | None = None
        if self.lost:
            self.slurs = 0  # which it left open cannot be told
        self.target = target
        self.room = Room(MAX_STEPS if target is None else target)
        self.place, self.previous = "between", ""
        self.spelt = self.marks = ""
        self.inner: str | None = None
        self.broken, self.steps, self.last, self.count = "", 0, 0, 0
        self.begun = self.owes = self.paired = self.lost = False

    def copy(self) -> Bar:
        new = object.__new__(Bar)
        for name in Bar.__slots__:
            setattr(new, name, getattr(self, name))
        return new

    # What may come next

    def wanted(self) -> int:
        """Characters that keep the bar well formed, barlines apart; 0 once it is lost."""
        if self.memo is None:
            self.memo = 0 if self.lost else _WANTED[self.place](self)
        return self.memo

    def may_end(self) -> bool:
        """Whether a barline may come next: nothing open, as long as it has to be, or nothing fits
        any more and rests have to mend it later."""
        if self.lost:
            return True
        if self.place == "event":
            return self._stops() and self._taken().may_end()
        if self.place != "between" or self.owes or not self.begun or self.room.left:
            return False
        return self.target is None or not self.room.steps or not self._fits()

    def _fits(self) -> Spellings:
        return lengths(self._scale(), self.room)

    def _scale(self) -> int:
        return self.unit * _CHANGES[self.broken][1] // 4

    def _between(self) -> int:
        previous, room = self.previous, self.room
        wanted = 0
        if self._fits():
            wanted = _STARTS
            wanted |= bits('"')
            if previous not in ("short", "dot", "grace") and not self.broken:
                wanted |= bits("{")
            if previous != "dot":  # `.(` is a dotted slur
                if self.slurs < MAX_SLURS or self._tuplets():
                    wanted |= bits("(")
            if previous not in ("", "space", "short", "dot", "open", "broken"):
                wanted |= bits(" ")
        if not self.owes:
            wanted |= bits("[")
            if previous in _SOUND or previous in ("rest", "bang"):
                wanted |= bits('!"')
        if previous in _SOUND:
            wanted |= bits(")") if self.slurs else 0
        if previous == "tone" or previous == "rest":
            wanted |= bits("-") if previous == "tone" else 0
            wanted |= bits(">") if self._breaks(">") else 0
            wanted |= bits("<") if self._breaks("<") else 0
        elif previous == "broken" and len(self.broken) == 1 and self._breaks(2 * self.broken):
            wanted |= bits(self.broken)
        return wanted

    def _tuplets(self) -> Spellings:
        if self.room.left or self.broken or self.previous == "broken":
            return {}
        return tuplets(self.room, self.compound)

    def _breaks(self, sign: str) -> bool:
        """Whether a broken rhythm fits behind the last event."""
        if self.room.left or self.paired:
            return False
        gain, factor = _CHANGES[sign]
        change = (gain - _CHANGES[self.broken][0]) * self.last
        if change % 4 or self.unit * factor % 4:
            return False
        return bool(lengths(self.unit * factor // 4, Room(self.room.steps - change // 4)))

    def _event(self) -> int:
        following, stops = self._fits().get(self.spelt, (0, None))
        if self.inner:  # a chord whose tones say how long it is
            following, stops = 0, 0
        if self.previous == "tone" and not self.spelt and self.inner is None:
            following |= self._octaves()
        return following | (self._taken().wanted() if stops is not None else 0)

    def _octaves(self) -> int:
        return bits(self.marks[:1] or "',") if len(self.marks) < MAX_MARKS else 0

    def _stops(self) -> bool:
        return bool(self.inner) or self._fits().get(self.spelt, (0, None))[1] is not None

    def _sign(self) -> int:
        return _TONES | (bits(self.spelt) if self.spelt in "^_" else 0)

    def _paren(self) -> int:
        """Behind `(`: a tuplet's number, or the notes of a slur."""
        following, stops = self._tuplets().get(self.spelt, (0, None))
        if self.spelt == "(":
            return following | (_STARTS | bits('"{(') if self.slurs < MAX_SLURS else 0)
        return following | (_STARTS | bits("({") if stops is not None else 0)

    def _bracket(self) -> int:
        wanted = _TONES | _SIGNS if self._fits() else 0
        if not self.owes:
            wanted |= bits("K") if self.begun else inline_fields(self.alone)[""][0]
        return wanted

    def _field(self) -> int:
        following, stops = inline_fields(self.alone).get(self.spelt, (0, None))
        return following | (bits("]") if stops is not None else 0)

    def _chord(self) -> int:
        """Behind a tone of a chord, its octave marks, length and tie."""
        more = bits("]") | (_TONES | _SIGNS if self.count < MAX_TONES else 0)
        if self.previous == "tie":
            return more
        marks = self._octaves() if not self.spelt else 0
        if self.inner is not None and self.spelt != self.inner:
            return marks | bits(self.inner[len(self.spelt)])
        more |= bits("-") | marks
        if self.inner is not None:
            return more
        following, stops = self._fits().get(self.spelt, (0, None))
        return following | (more if stops is not None or not self.spelt else 0)

    def _grace(self) -> int:
        if self.previous == "sign":
            return self._sign()
        wanted = _TONES | _SIGNS if self.count < MAX_GRACES else 0
        if not self.count:
            return wanted | (bits("/") if not self.spelt else 0)
        wanted |= bits("}")
        if not self.spelt:
            wanted |= self._octaves() | bits("/")
        return wanted

    def _quote(self) -> int:
        text = _TEXT & ~DIGITS if self.marks in ("Z", "X") else _TEXT
        return (text if self.count < MAX_TEXT else 0) | (bits('"') if self.count else 0)

    def _bang(self) -> int:
        return (_NAMES if self.count < MAX_NAME else 0) | (bits("!") if self.count else 0)

    def closing(self) -> str:
        """The next character of a short way to the bar's end, for a voice that must come to it."""
        wanted = self.wanted()
        if self.place == "event" and self.previous == "rest":
            rest = self._longest()
            if len(rest) > len(self.spelt):
                return rest[len(self.spelt)]
        for character in _CLOSERS.get(self.place, "zC"):
            if wanted >> ord(character) & 1:
                return character
        if self.place == "event" and not self.inner:
            return self._longest()[len(self.spelt)]
        return chr((wanted & -wanted).bit_length() - 1)

    def _longest(self) -> str:
        """The longest length that fits and goes on from what is spelt; without a bar to match, no
        longer than the meter's."""
        room = self.room
        if self.target is None and not room.left:
            room = Room(min(room.steps, self.measure))
        scale = self._scale()
        return longest(scale, room, self.spelt) or longest(scale, self.room, self.spelt)

    # What has come

    def push(self, character: str) -> None:
        """Take a character of the bar. One that was not wanted loses the thread."""
        if not self.wanted() >> ord(character) & 1:
            self.lost = True
        if not self.lost:
            _PUSH[self.place](self, character)
        self.memo = self.after = None

    def end(self) -> int | None:
        """The barline begins: the steps that the bar lasts, None if they cannot be told."""
        if not self.lost and self.place == "event":
            self._take()
        return None if self.lost else self.steps

    def _taken(self) -> Bar:
        """The bar behind the event that is being spelt."""
        if self.after is None:
            self.after = self.copy()
            self.after.memo = None
            self.after._take()
        return self.after

    def _take(self) -> None:
        """The event that was being spelt is over."""
        steps = self._fits()[self.inner or self.spelt][1] or 0
        room = self.room
        if room.left == 1:
            self.steps += (room.spent + steps) * room.into // room.count
        elif not room.left:
            self.steps += steps
        after = room.after(steps)
        self.room = Room(MAX_STEPS) if self.target is None and not after.left else after
        self.paired = bool(self.broken or room.left)  # no broken rhythm behind it
        self.broken, self.last, self.begun = "", steps, True
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
            self.slurs -= 1
            self.previous = "close"
        else:
            self.previous = {" ": "space", "-": "tie", ".": "dot"}.get(character, "short")
            self.owes |= character not in " -"

    def _begin(self, kind: str) -> None:
        self.place, self.previous = "event", kind
        self.spelt, self.marks, self.inner, self.owes = "", "", None, False

    def _break(self, character: str) -> None:
        sign = self.broken + character
        change = (_CHANGES[sign][0] - _CHANGES[self.broken][0]) * self.last // 4
        self.steps += change
        if self.target is not None:
            self.room = Room(self.room.steps - change)
        self.previous, self.broken, self.owes = "broken", sign, True

    def _push_event(self, character: str) -> None:
        if character in "',":
            self.marks += character
        elif character in "0123456789/":
            self.spelt += character
        else:
            self._take()
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
            self.compound, self.measure = is_compound(value), _steps(value)
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
            if character == "]":
                inner = self.inner
                self._begin("tone")
                self.inner = inner
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
            self.place, self.previous, self.spelt, self.owes = "between", "grace", "", True
            self.marks = ""
        elif character in "^_=":
            self.spelt = "^^" if self.previous == "sign" else character
            self.previous = "sign"
        elif character in "',":
            self.marks += character
        elif character == "/":
            self.spelt += character
        else:
            self.previous, self.spelt, self.marks = "tone", "", ""
            self.count += 1

    def _push_quote(self, character: str) -> None:
        self.count += 1
        self.marks = character
        if character == '"':
            self.place, self.previous = "between", "quote"

    def _push_bang(self, character: str) -> None:
        self.count += 1
        if character == "!":
            self.place, self.previous = "between", "bang"


def _steps(meter: str) -> int:
    """Grid steps of a full bar; a whole note's where there is no meter."""
    return max(1, int((meter_length(meter) or 1) / GRID))


def _scale(unit: Fraction) -> int:
    """64ths of a grid step."""
    return int(64 * unit / GRID)


_PLACES = {
    **dict.fromkeys("^_=", "sign"),
    "(": "paren", "[": "bracket", "{": "grace", '"': "quote", "!": "bang",
}  # fmt: skip
_WANTED = {
    "between": Bar._between, "event": Bar._event, "sign": Bar._sign, "paren": Bar._paren,
    "bracket": Bar._bracket, "field": Bar._field, "chord": Bar._chord, "chord_sign": Bar._sign,
    "grace": Bar._grace, "quote": Bar._quote, "bang": Bar._bang,
}  # fmt: skip
_PUSH = {
    "between": Bar._push_between, "event": Bar._push_event, "sign": Bar._push_sign,
    "paren": Bar._push_paren, "bracket": Bar._push_bracket, "field": Bar._push_field,
    "chord": Bar._push_chord, "chord_sign": Bar._push_chord_sign, "grace": Bar._push_grace,
    "quote": Bar._push_quote, "bang": Bar._push_bang,
}  # fmt: skip
