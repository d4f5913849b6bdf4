"""The text of one voice, cut into bars and reduced to the elements of NotaGen's data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction

from unidecode import unidecode

from picogen_core.abc.pitch.interval import UNISON, Interval
from picogen_core.abc.pitch.keys import (
    is_compound,
    meter_length,
    octave_shift,
    unit_length,
)
from picogen_core.abc.pitch.transpose import fitting, move_key, move_tones
from picogen_core.abc.reading.chords import plain_chord
from picogen_core.abc.reading.header import (
    normal_clef,
    normal_key,
    normal_meter,
    normal_tempo,
    normal_unit,
)
from picogen_core.abc.reading.lexer import TIMED, Token, format_length, lex
from picogen_core.abc.reading.timing import bar_length, spell_out
from picogen_core.abc.reading.voices import read_length
from picogen_core.errors import BadInput

MAX_ANNOTATION = 40
MAX_BAR_RESTS = 999
MAX_BARS = 20_000

_BARLINE = re.compile(r"(\.?[|:\[\]]*?)(\[?\d[\d,.\-]*)?$")
_KEPT_SHORT = frozenset(".~HLMOPSTuv")
_DROPPED = frozenset({"comment", "spacer", "continuation", "beam", "break", "bad", "newline"})
_LOOSE = re.compile(r'\A\+|\A(?:[^"({)!]|![^!]*!)*["({)]')
_NOT_GRACE = re.compile(r"[^A-Ga-g,'^_=/0-9\[\]().<>~ -]")


@dataclass(frozen=True)
class CutBar:
    """One bar: its text, the barline after it, and its quarters, None if they are unknown."""

    text: str
    right: str
    length: Fraction | None


@dataclass
class VoiceCutter:
    """Cutter of the tokens of one voice into bars.

    meter, unit, shift: values of M:, L: and a clef's octave at the voice's place.
    interval:           of the transposition of its notes and keys.
    left:               the barline before the first bar.
    """

    meter: str
    unit: Fraction
    shift: int = 0
    interval: Interval = UNISON
    left: str = ""
    bars: list[CutBar] = field(default_factory=list)
    _text: str = ""
    _barlines: list[str] = field(default_factory=list)
    _timed: bool = False
    _whole_bars: int = 0
    _bar_unit: Fraction | None = None
    _overlay: tuple[int, VoiceCutter] | None = None  # bars that it lasts, and what it holds so far

    def add(self, token: Token) -> None:
        """Add a token. A number of an ending within a bar stays there: it ends no bar."""
        overlaid = self._overlay is not None or (token.kind == "overlay" and len(token.text) > 1)
        if overlaid and self._is_overlaid(token):
            return
        ending = token.kind == "ending" and (bool(self._barlines) or not self._timed)
        if token.kind == "bar" or (ending and token.text[1:2].isdigit()):
            self._barlines.append(token.text)
            return
        text = self._clean(token)
        if token.kind != "space":
            if text:
                self._close()
                self._text += text
            if token.kind in TIMED:
                self._begin(token)
        elif not self._barlines and self._text and not self._text.endswith(" "):
            self._text += " "

    def _is_overlaid(self, token: Token) -> bool:
        """Collect the overlay of so many bars after `&&`, and add it to them at their end."""
        if self._overlay is None:
            voice = VoiceCutter(self.meter, self.unit, self.shift, self.interval)
            self._overlay = len(token.text), voice
            return True
        count, voice = self._overlay
        if token.kind != "bar" or len(voice.bars) + 1 < count:
            voice.add(token)
            return True
        voice.finish()
        self._overlay = None
        *texts, last = [f" & {bar.text}" for bar in voice.bars] or [""]
        for place, text in zip(
            range(len(self.bars) - len(texts), len(self.bars)), texts, strict=True
        ):
            if place >= 0:
                self.bars[place] = replace(self.bars[place], text=self.bars[place].text + text)
        self._text += last
        return False

    def finish(self) -> None:
        """End the tune, and with it a bar."""
        if self._overlay is not None:
            self.add(Token("bar", "|]", 0))
        self._barlines = self._barlines or ["|]"]
        self._close()

    def change_shift(self, shift: int, clef: str) -> None:
        """Apply a V: line of the body that changes the octave: the clef goes into the text."""
        if shift != self.shift:
            self._close()
            self._text += f"[K:{clef or 'treble'}]"
            self.shift = shift

    def add_field(self, letter: str, value: str) -> None:
        """Add a field line of the body as an inline field."""
        self.add(Token("field", f"[{letter}:{value}]", 0))

    def _begin(self, token: Token) -> None:
        if not self._timed:
            self._bar_unit = self.unit
        if token.text[0] in "ZX":
            self._whole_bars = max(1, int(read_length(token.text[1:])))
        self._timed = True

    def _close(self) -> None:
        """End the bar at the barlines seen; without a note or rest it is no bar yet."""
        if not self._barlines:
            return
        if self._timed:
            self._end_bar(merge_barlines(self._barlines))
        elif not self.bars:
            self.left = merge_barlines(
                [self.left, *self._barlines] if self.left else self._barlines
            )
        else:
            last = self.bars[-1]
            right = merge_barlines([last.right, *self._barlines])
            self.bars[-1] = CutBar(last.text, right, last.length)
        self._barlines = []

    def _end_bar(self, right: str) -> None:
        text, unit = self._text.strip(), self._bar_unit or self.unit
        units = bar_length(text)
        length = None if units is None else units * unit * 4
        if self._whole_bars > 1:
            rest = _whole_rest("z", self.meter, self.unit)
            quarters = (meter_length(self.meter) or Fraction(1)) * 4
            self.bars.append(CutBar(text, "|", quarters))
            self.bars += [CutBar(rest, "|", quarters)] * (self._whole_bars - 2)
            self.bars.append(CutBar(rest, right, quarters))
        else:
            self.bars.append(CutBar(text, right, length))
        if len(self.bars) > MAX_BARS:
            raise BadInput(f"a voice has more than {MAX_BARS:,} bars")
        self._text, self._timed, self._whole_bars = "", False, 0

    def _clean(self, token: Token) -> str:
        """Return the token's cleaned text, or "". Fields change the state of the voice."""
        kind, text = token.kind, token.text
        if kind in _DROPPED or (kind == "short" and text not in _KEPT_SHORT):
            return ""
        if kind == "field":
            return self._field(text[1], text[3:-1])
        if kind == "quote":
            text = unidecode(text)
            if len(text) > MAX_ANNOTATION + 2 or re.search(r"[|:\[\]\\]", text):
                return ""
        if kind == "decoration":
            return "!" + re.sub(r"[|!\n]", "", unidecode(text[1:-1])) + "!"
        if kind == "chord" and _LOOSE.search(text):
            return "".join(self._clean(token) for token in lex(plain_chord(text)))
        if self.interval != UNISON and kind in ("note", "chord", "grace", "quote"):
            text = move_tones(text, self.interval)
        if kind == "grace":
            return "{" + _NOT_GRACE.sub("", text[1:-1]) + "}"
        if kind == "ending" and not text[1:2].isdigit():
            return ""
        if kind == "tuplet" and is_compound(self.meter):
            return spell_out(text)  # converters read it as in other meters
        if kind == "rest" and text[0] in "ZX":
            return _whole_rest(text[0].lower(), self.meter, self.unit)
        return unidecode(text)

    def _field(self, letter: str, value: str) -> str:
        """Return an inline field, normalised; "" for those without a sound."""
        value = value.split("%")[0].strip()
        if letter == "K":
            key, clef = normal_key(value), normal_clef(value)
            shift = octave_shift(value)
            self.shift = self.shift if shift is None else shift
            if key and self.interval != UNISON:
                self.interval = fitting(key, self.interval)
                key = move_key(key, self.interval)
            text = " ".join(part for part in (key, clef) if part)
        elif letter == "M":
            text = normal_meter(value) or "none"
            self.meter = text
        elif letter == "L":
            text = normal_unit(value) or ""
            self.unit = unit_length(text) or self.unit
        else:
            text = (normal_tempo(value) or "") if letter == "Q" else ""
        return f"[{letter}:{text}]" if text else ""


def merge_barlines(barlines: list[str]) -> str:
    """Return adjacent barlines as one: `:|`, `|:` -> `::`; `||`, `|` -> `||`; endings stay."""
    cores, ending = [], ""
    for barline in barlines:
        found = _BARLINE.match(barline)
        core, number = (found.group(1), found.group(2)) if found else (barline, None)
        ending = (number or "").lstrip("[") or ending
        if core.strip("["):
            cores.append(core)
    closes = any(core.startswith(":") for core in cores)
    opens = any(core.endswith(":") for core in cores)
    if closes and opens:
        return "::" + ending
    if closes:
        return ":|" + ending
    if opens:
        return "|:" + ending
    final = any(core.endswith("]") and core != "[|]" for core in cores)
    double = any("||" in core or core == "[|" for core in cores)
    return ("|]" if final and not ending else "||" if double or final else "|") + ending


def _whole_rest(letter: str, meter: str, unit: Fraction) -> str:
    return letter + format_length((meter_length(meter) or Fraction(1)) / unit)


def refuse_long_rests(token: Token) -> None:
    """Raise `BadInput` for a rest of more bars than any part has: `Z99999999`."""
    digits = token.text[1:]
    if token.kind != "rest" or token.text[0] not in "ZX" or not digits:
        return
    if not digits.isdigit() or len(digits) > 3 or int(digits) > MAX_BAR_RESTS:
        raise BadInput(f"{token.text[:12]!r} rests over {MAX_BAR_RESTS} bars")
