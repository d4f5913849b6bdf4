"""One voice's bar, character by character: well-formed continuations, and the remaining length.

`wanted` are the characters of the grammar at a place. `rare` ones occur in music although they are
not well formed or have no meaning: `)` without `(`, spaces within a rhythm's sign. Time is counted
after both. After another character, in a prompt or in real music, the bar is lost: then every
character is wanted until the next bar.
"""

from __future__ import annotations

from typing import Self

from picogen_core.abc.grammar.bar_state import CHANGES, PUSH, BarState
from picogen_core.abc.grammar.charsets import DIGITS, PRINTABLE, bits
from picogen_core.abc.grammar.fields import DECORATIONS, inline_fields, meter_change
from picogen_core.abc.grammar.lengths import Room, Spellings, lengths, longest, one_of, tuplets

WHOLE = 32  # steps of a whole note
MAX_TEXT, MAX_TONES, MAX_GRACES, MAX_SLURS, MAX_MARKS = 40, 8, 6, 6, 3

_TONE_NAMES = "ABCDEFGabcdefg"
_TONES = bits(_TONE_NAMES)
_SIGNS = bits("^_=")
_SHORTS = bits(".~HLMOPSTuv")
_ENDINGS = bits("~HLMOPSTuv")  # also after the last note
_STARTS = _TONES | _SIGNS | _SHORTS | bits("zx[!")
_TEXT = PRINTABLE & ~bits('"%[]|\\+$`{}*')
_QUOTE, _BRACE, _PAREN, _SHUT, _BRACKET = map(bits, '"{()[')
_SPACE, _TIE, _LONG, _SHORT, _TEXTS = bits(" "), bits("-"), bits(">"), bits("<"), bits('!"')
_SOUND = ("tone", "tie", "close")
_ENDED = ("rest", "bang", "quote")
_HANGING = ("broken", "grace", "dot", "short", "close")
_CLOSERS = {"quote": '"', "bang": "!", "field": "]", "chord": "]", "grace": "}"}


class BarGrammar(BarState):
    """A bar with its allowed continuations."""

    def wanted(self) -> int:
        """Return the characters that keep the bar well formed, except barlines; 0 if it is lost."""
        if self.memo is None:
            self.memo = 0 if self.lost else _WANTED[self.place](self)
        return self.memo

    def rare(self) -> int:
        """Return further harmless characters; 0 if it is lost."""
        if self.lost or self.place not in _RARE:
            return 0
        return _RARE[self.place](self) & ~self.wanted()

    def may_end(self) -> bool:
        """Return whether a barline may come next.

        Nothing is open and the bar has its length, or nothing fits and repair will add rests.
        """
        if self.lost:
            return True
        if self.place == "event":
            return self._stops() and self._taken().may_end()
        if self.place != "between" or self.owes or not self.begun or self.room.left:
            return False
        if self.previous == "dot":  # `.|` is a dotted barline
            return False
        return self.free or not self.exact or not self.room.steps or not self.fits()

    def missing(self) -> int:
        """Return the steps from here to the end of the bar, or of its meter."""
        if self.lost or self.free or self.exact:
            return 0
        return self._taken().missing() if self.place == "event" else self.room.steps

    def _between(self) -> int:
        previous = self.previous
        wanted = 0
        if self.due:
            return _BRACKET
        if self.fits():
            wanted = _STARTS
            wanted |= _QUOTE
            if previous != "grace" and not self.broken:
                wanted |= _BRACE
            if self.slurs < MAX_SLURS or self._tuplets():
                wanted |= _PAREN
            if previous not in ("", "space", "short", "dot", "open", "broken"):
                wanted |= _SPACE
        if not self.owes:
            wanted |= 0 if self._follows_field() and not self.fits() else _BRACKET
            if previous in _SOUND or previous in _ENDED:
                wanted |= _TEXTS
        if previous in _SOUND:
            wanted |= _SHUT if self.slurs else 0
        if previous == "tone" or previous == "rest":
            wanted |= _TIE if previous == "tone" else 0
            wanted |= _LONG if self._breaks(">") else 0
            wanted |= _SHORT if self._breaks("<") else 0
        elif previous == "broken" and len(self.broken) == 1 and self._breaks(2 * self.broken):
            wanted |= bits(self.broken)
        return wanted

    def _between_rare(self) -> int:
        previous = self.previous
        rare = _SPACE if previous not in ("", "space") else 0
        if not self.begun:
            return rare
        if self.slurs or previous != "close":
            rare |= _SHUT
        rare |= _TIE if previous in _HANGING else 0
        if not self.owes and not self.broken and previous != "field":
            rare |= _LONG if self._breaks(">") else 0
            rare |= _SHORT if self._breaks("<") else 0
        if not self.owes and (previous in _SOUND or previous in _ENDED):
            rare |= _BRACE | _ENDINGS
        elif not self.owes and previous == "space":
            rare |= _TEXTS
        return rare

    def _tuplets(self) -> Spellings:
        if self.room.left or self.broken or self.previous in ("broken", "dot"):
            return {}  # `.(` is a dotted slur
        return tuplets(self.room, self.compound)

    def _breaks(self, sign: str) -> bool:
        """Return whether a broken rhythm fits after the last event."""
        if self.paired:
            return False
        gain, factor = CHANGES[sign]
        change = (gain - CHANGES[self.broken][0]) * self.last
        if change % 4 or self.unit * factor % 4:
            return False
        return bool(lengths(self.unit * factor // 4, self.room.less(change // 4)))

    def _event(self) -> int:
        following, stops = self.fits().get(self.spelt, (0, None))
        if self.inner:  # a chord whose tones have its length
            following, stops = 0, 0
        if self.previous == "tone" and not self.spelt and self.inner is None:
            following |= self._octaves()
        return following | (self._taken().wanted() if stops is not None else 0)

    def _event_rare(self) -> int:
        return self._taken().rare() if self._stops() else 0

    def _octaves(self) -> int:
        return bits(self.marks[:1] or "',") if len(self.marks) < MAX_MARKS else 0

    def _stops(self) -> bool:
        return bool(self.inner) or self.fits().get(self.spelt, (0, None))[1] is not None

    def _sign(self) -> int:
        return _TONES | (bits(self.spelt) if self.spelt in "^_" else 0)

    def _paren(self) -> int:
        """Return continuations of `(`: a tuplet's number, or the notes of a slur."""
        following, stops = self._tuplets().get(self.spelt, (0, None))
        slurs = self.slurs
        if self.spelt == "(":  # else every digit of a tuplet is in `following`
            if slurs >= MAX_SLURS:
                return following
            more = slurs + 1 < MAX_SLURS or following
            return following | _STARTS | bits('"{') | (bits("(") if more else 0)
        more = bits("(") if slurs < MAX_SLURS else 0
        return following | (_STARTS | bits('"{') | more if stops is not None else 0)

    def _paren_rare(self) -> int:
        stops = self._tuplets().get(self.spelt, (0, None))[1] is not None
        return _SPACE if stops or (self.spelt == "(" and self.slurs < MAX_SLURS) else 0

    def _bracket(self) -> int:
        """Return continuations of `[`: a chord, or a field; a second field in a row is rare."""
        wanted = _TONES | _SIGNS if self.fits() and not self.due else 0
        return (
            wanted if self.owes or (wanted and self._follows_field()) else wanted | self._fields()
        )

    def _follows_field(self) -> bool:
        return self.previous == "field" and not self.due

    def _fields(self) -> int:
        """Return the letters of fields; the meter changes only at a bar's start, in all voices."""
        fields = inline_fields(self.choices, self.alone)[""][0]
        if self.due:
            return fields | bits("M")
        changes = self.leads and not self.begun and not self.exact
        return fields if changes else fields & ~bits("M")

    def _field(self) -> int:
        if self.spelt.startswith("M") and self.due:
            known = meter_change(self.due)
        else:
            known = inline_fields(self.choices, self.alone)
        following, stops = known.get(self.spelt, (0, None))
        return following | (bits("]") if stops is not None else 0)

    def _chord(self) -> int:
        """Return continuations of a tone of a chord, its octave marks, length and tie."""
        more = bits("]") | (_TONES | _SIGNS if self.count < MAX_TONES else 0)
        if self.previous == "tie":
            return more
        marks = self._octaves() if not self.spelt else 0
        if self.inner is not None and self.spelt != self.inner:
            return marks | bits(self.inner[len(self.spelt)])
        more |= bits("-") | marks
        if self.inner is not None:
            return more
        following, stops = self.fits().get(self.spelt, (0, None))
        return following | (more if stops is not None or not self.spelt else 0)

    def _chord_rare(self) -> int:
        """Return whether a tone differs in length from the first, which sets the chord's length."""
        if self.inner is None or self.spelt == self.inner or self.broken:
            return 0
        return bits("]") | (_TONES | _SIGNS if self.count < MAX_TONES else 0)

    def _grace(self) -> int:
        if self.previous == "sign":
            return self._sign()
        if self.previous == "close" and self.count:  # the converter misreads other continuations
            return bits("}")
        wanted = _TONES | _SIGNS if self.count < MAX_GRACES else 0
        if not self.count:
            return wanted | (bits("/") if not self.spelt else 0)
        wanted |= bits("}")
        if not self.spelt:
            wanted |= self._octaves() | bits("/")
        return wanted

    def _grace_rare(self) -> int:
        return _SHUT if self.previous == "tone" and self.count else 0

    def _quote(self) -> int:
        text = _TEXT & ~DIGITS if self.marks else _TEXT
        return (text if self.count < MAX_TEXT else 0) | (bits('"') if self.count else 0)

    def _bang(self) -> int:
        """Return continuations of a known decoration; readers take others for line breaks."""
        following, stops = one_of(*DECORATIONS)[self.spelt]
        return following | (bits("!") if stops is not None else 0)

    def closing(self) -> int:
        """Return continuations on a short way to the bar's end: tones of maximal length."""
        wanted = self.wanted()
        if self.place == "event" and not self.inner:
            longest = self._longest()
            if len(longest) > len(self.spelt):
                return bits(longest[len(self.spelt)])
        for characters in (_CLOSERS.get(self.place, ""), "M" if self.due else "", _TONE_NAMES, "z"):
            if wanted & bits(characters):
                return wanted & bits(characters)
        return wanted & -wanted

    def _longest(self) -> str:
        """Return the longest fitting length that continues the spelling; a whole note if free."""
        room = self.room
        if self.free and not room.left:
            room = Room(min(room.steps, WHOLE))
        scale = self.scale()
        return longest(scale, room, self.spelt) or longest(scale, self.room, self.spelt)

    def push(self, character: str) -> None:
        """Advance by a character of the bar. One neither wanted nor rare loses the bar."""
        if not (self.wanted() >> ord(character) & 1 or self.rare() >> ord(character) & 1):
            self.lost = True
        if not self.lost:
            PUSH[self.place](self, character)
        self.memo = self.after = None

    def end(self) -> int | None:
        """Return the steps of the bar that ends at this barline, None if they are unknown."""
        if not self.lost and self.place == "event":
            self.take_event()
        return None if self.lost else self.steps

    def _taken(self) -> Self:
        """Return the bar after the event that is being spelt."""
        if self.after is None:
            after = self.copy()
            after.memo = None
            after.take_event()
            self.after = after
        return self.after


_RARE = {
    "between": BarGrammar._between_rare,
    "event": BarGrammar._event_rare,
    "paren": BarGrammar._paren_rare,
    "bracket": BarGrammar._fields,
    "chord": BarGrammar._chord_rare,
    "grace": BarGrammar._grace_rare,
}
_WANTED = {
    "between": BarGrammar._between,
    "event": BarGrammar._event,
    "sign": BarGrammar._sign,
    "paren": BarGrammar._paren,
    "bracket": BarGrammar._bracket,
    "field": BarGrammar._field,
    "chord": BarGrammar._chord,
    "chord_sign": BarGrammar._sign,
    "grace": BarGrammar._grace,
    "quote": BarGrammar._quote,
    "bang": BarGrammar._bang,
}
