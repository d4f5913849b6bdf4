"""The mask of codes that no ABC has at a place: control codes, letters without meaning.

It also forbids open strings. It tracks only the place, the character before, and whether the cut of
the patch codec has begun. So it excludes no music.
"""

from __future__ import annotations

from picogen_core.abc.grammar.charsets import DIGITS, LETTERS, NEWLINE, PRINTABLE, bits
from picogen_core.abc.patches import VOCABULARY

_TONES = bits("ABCDEFGabcdefg")
_MUSIC = (
    _TONES
    | DIGITS
    | bits("xyzXZ")
    | bits(".~HLMOPSTuvJRkVNIKQUWY")
    | bits("^_=,'/<>|:[](){}-\"!& ")
)
_FREE = PRINTABLE | bits("\t")
_BAR_START = bits("|:[")
_QUOTE, _BANG, _BRACKET = ord('"'), ord("!"), ord("[")
_COLON, _BAR, _LINE_END, _SHUT = ord(":"), ord("|"), ord("\n"), ord("]")
_FIELDS = LETTERS

# Characters that may follow a character of the music, if not all of music's.
_AFTER = {
    **{ord(sign): _TONES | bits(sign + "/") for sign in "^_"},
    ord("="): _TONES,
}
_ZERO = bits("0")
_MARKS = bits("'")
_AFTER_TONE = frozenset(b"ABCDEFGabcdefg',")
_DIGIT = frozenset(b"0123456789")


class TextMask:
    """The legal characters of an interleaved piece with its counters, one after the other.

    place:   start, name, comment or value of a header line; line, mark, total or voice: the start
             of a body line and the two numbers of its counter; music, bracket, field, quote, bang.
    body:    lines of the body that have begun.
    head:    nothing but barlines since the cut began; `final`: a barline within the cut, so that
             no other voice follows in the line.
    """

    __slots__ = ("body", "final", "head", "place", "previous", "spot")

    def __init__(self) -> None:
        self.place = "start"
        self.previous = 0
        self.spot = 0
        self.body = 0
        self.head = False
        self.final = False

    def legal(self) -> int:
        """Return the set of text characters that may come next."""
        place = self.place
        if place == "music":
            return self._music()
        if place == "bracket":
            return (_MUSIC | LETTERS) & ~self._voices()
        if place == "quote":
            return _FREE
        if place == "bang":
            return _FREE & ~bits("|")
        if place == "mark":
            return self._mark()
        return DIGITS if place == "total" and not self.spot else _LEGAL[place]

    def _music(self) -> int:
        legal = _AFTER.get(self.previous, _MUSIC)
        if self.previous not in _DIGIT:
            legal &= ~_ZERO
        if self.previous not in _AFTER_TONE:
            legal &= ~_MARKS
        return (legal | NEWLINE) & ~self._voices()

    def _voices(self) -> int:
        return bits("V") if self.final else 0

    def _mark(self) -> int:
        """Return continuations of `[r:` and the number of bars done, 0 in the first line."""
        expected = "r:"[self.spot : self.spot + 1]
        if expected:
            return bits(expected)
        if self.body == 1:
            return bits("0") if self.spot == 2 else bits("/")
        return DIGITS | (bits("/") if self.spot > 2 else 0)

    def state(self) -> tuple[str, int, int, int, bool, bool]:
        """Return exactly what later characters depend on: one tone is like another."""
        place = self.place
        alike = _ALIKE[self.previous] if place in _FOLLOWING else 0
        spot = self.spot if place in _COUNTED else 0
        return place, alike, spot, min(self.body, 2), self.head, self.final

    def restore(self, state: tuple[str, int, int, int, bool, bool]) -> None:
        """Return to the place where `state` was taken."""
        self.place, self.previous, self.spot, self.body, self.head, self.final = state

    def cut(self) -> None:
        """Begin a new cut of the patch codec."""
        self.head, self.final = True, False

    def push(self, code: int) -> None:
        """Advance by the next character of the text, legal or not."""
        before, self.previous = self.previous, code
        place = self.place
        if code == _LINE_END:
            self.place = "line" if self.body else "start"
            self.head = self.final = False
        elif place == "music":
            self._push_music(code, before)
        elif place == "bracket":
            named = self.spot == 0 and bool(_FIELDS >> code & 1)
            if self.spot == 1 and code == _COLON:
                self.place = "field"
            else:
                self._push_music(code, before)
                if named:
                    self.place, self.spot = "bracket", 1
        elif place in _CLOSERS:
            if code == _CLOSERS[place]:
                self.place = "music"
        else:
            self._push_frame(code)

    def _push_music(self, code: int, before: int) -> None:
        if code == _BAR and not self.head and before != _BAR:
            self.final = True
        if code not in (_BAR, _COLON, _SHUT, _BRACKET):
            self.head = False
        if code == _BRACKET:
            self.place, self.spot = "bracket", 0
        elif code == _QUOTE:
            self.place = "quote"
        elif code == _BANG:
            self.place = "bang"
        else:
            self.place = "music"

    def _push_frame(self, code: int) -> None:
        place = self.place
        if place in ("start", "line"):
            self.spot = 0
            if code == _BRACKET:
                self.body += 1
                self.place = "mark"
            else:
                self.place = "comment" if code == ord("%") else "name"
        elif place == "name":
            self.place = "value"
        elif place == "mark":
            self.spot += 1
            if code == ord("/"):
                self.place, self.spot = "total", 0
            elif code == ord("V"):  # a line without its counter, in a prompt
                self.place, self.spot = "field", 1
        elif place == "total":
            self.spot += 1
            if code == _SHUT:
                self.place = "voice"
        elif place == "voice" and code == _BRACKET:
            self.place, self.spot = "bracket", 0


_LEGAL = {
    "start": LETTERS | bits("%["),
    "name": bits(":"),
    "comment": _FREE | NEWLINE,
    "value": _FREE | NEWLINE,
    "line": bits("["),
    "total": DIGITS | bits("]"),
    "voice": bits("["),
    "field": _FREE & ~bits("]") | bits("]"),
}
_FOLLOWING = ("music", "bracket", "line", "start")
_COUNTED = ("mark", "total", "bracket")
_ALIKE = [
    ord("A") if code in _AFTER_TONE else ord("0") if code in _DIGIT
    else code if code in b"^_=|\n" else 0
    for code in range(VOCABULARY)
]  # fmt: skip
_CLOSERS = {"quote": _QUOTE, "bang": _BANG, "field": _SHUT}
