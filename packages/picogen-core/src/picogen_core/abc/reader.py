"""The machine behind `read_notes`: reads a tune into the states of its voices."""

from __future__ import annotations

import re
from fractions import Fraction

from picogen_core.abc.keys import (
    default_unit,
    is_compound,
    key_signature,
    meter_length,
    octave_shift,
    unit_length,
)
from picogen_core.abc.lexer import Token, lex
from picogen_core.abc.voices import (
    MAX_BROKEN,
    MAX_RESTS,
    MAX_TUPLET,
    TONE,
    Draft,
    VoiceState,
    read_length,
)

_LINE = re.compile(r"[^\r\n]+")
_FIELD_LINE = re.compile(r"(?![A-Ga-gxz]:[|:])[A-Za-z+]:")
_KEY_LINE = re.compile(r"^K:", re.M)
_VOICE = re.compile(r"\[V:")
_TUPLET_TIME = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # p notes in the time of …; 5, 7, 9 ask the meter


def read_voices(text: str) -> dict[str, VoiceState]:
    """The voices of a tune, header and body, as they stand at its end; an overlay is `1&2`."""
    lines = [(match.group(), match.start()) for match in _LINE.finditer(text)]
    reader = _Reader(
        any(line.startswith("[r:") or len(_VOICE.findall(line)) > 1 for line, _ in lines)
    )
    has_key = _KEY_LINE.search(text) is not None
    in_block = False  # %%begintext … %%endtext
    for line, start in lines:
        if in_block or line.startswith("%"):
            in_block = line.startswith("%%begin") or (in_block and not line.startswith("%%end"))
        elif _FIELD_LINE.match(line):
            reader.read_field(line[0], line[2:])
        elif reader.in_body or not has_key or line.startswith(("[V:", "[r:")):
            reader.read_line(line, start)
    for voice in reader.voices.values():
        voice.end_bar()
    return reader.voices


class _Reader:
    """`interleaved`: a line holds the same bars of several voices, so all start together."""

    def __init__(self, interleaved: bool) -> None:
        self.interleaved = interleaved
        self.voices: dict[str, VoiceState] = {}
        self.in_body = False
        self.name: str | None = None  # the voice that V: chose; overlays do not change it
        self.voice: VoiceState | None = None
        self.overlays = 1
        # What the header says; a voice takes it over when it begins.
        self.meter = "4/4"
        self.unit: Fraction | None = None
        self.key: dict[str, int] = {}
        self.shift = 0
        self.shifts: dict[str, int] = {}
        # Lines of the interleaved form, whose voices all start at `line_start`.
        self.line = 0
        self.line_start = Fraction(0)
        self.line_voices: list[VoiceState] = []

    def read_field(self, letter: str, value: str) -> None:
        """K:, M:, L: and V:, on a line of their own or inline; all others say nothing of notes."""
        value = value.split("%", 1)[0].strip()
        if letter == "V":
            self._read_voice(value)
        elif letter == "K":
            self.in_body = True
            key, shift = key_signature(value), octave_shift(value)
            target = self.voice or self
            target.key = target.key if key is None else key
            target.shift = target.shift if shift is None else shift
        elif letter == "M":
            (self.voice or self).meter = value
        elif letter == "L" and (unit := unit_length(value)) is not None:
            (self.voice or self).unit = unit

    def _read_voice(self, value: str) -> None:
        name = value.split(maxsplit=1)[0] if value else "1"
        shift = octave_shift(value[len(name) :])
        if shift is not None:
            self.shifts[name] = shift
        if self.in_body:
            self._choose(name)
            if shift is not None and self.voice is not None:
                self.voice.shift = shift

    def _choose(self, name: str) -> VoiceState:
        self.name, self.overlays = name, 1
        self.voice = self._open(name)
        return self.voice

    def _open(self, name: str) -> VoiceState:
        voice = self.voices.get(name)
        if voice is None:
            unit = self.unit or default_unit(self.meter)
            voice = VoiceState(self.meter, unit, self.key, self.shifts.get(name, self.shift))
            self.voices[name] = voice
        if voice.line != self.line:
            voice.end_bar()
            voice.line = self.line
            voice.time = voice.bar_start = max(voice.time, self.line_start)
            self.line_voices.append(voice)
        return voice

    def read_line(self, line: str, start: int) -> None:
        """One line of music, whose first character is text[start]."""
        self.in_body = True
        if self.interleaved and line.startswith(("[V:", "[r:")):
            self.line_start = max([self.line_start, *(voice.time for voice in self.line_voices)])
            self.line += 1
            self.line_voices = []
        for token in lex(line):
            if token.kind == "field":
                self.read_field(token.text[1], token.text[3:-1])
            elif token.kind in _HANDLERS:
                voice = self.voice or self._choose("1")
                _HANDLERS[token.kind](self, voice, token, start + token.start)

    def _note(self, voice: VoiceState, token: Token, at: int) -> None:
        match = TONE.match(token.text)
        if match is not None:
            voice.add([voice.tone(match, at, 0)], read_length(match.group(4)))

    def _chord(self, voice: VoiceState, token: Token, at: int) -> None:
        inside, _, outer = token.text.rpartition("]")
        # Decorations may hold letters: blank them out, keeping the places of the rest.
        inside = re.sub(r"![^!]*!", lambda match: " " * len(match.group()), inside)
        matches = list(TONE.finditer(inside))
        sounding = [match for match in matches if match.group(2)]
        tones = [voice.tone(match, at, count + 1) for count, match in enumerate(sounding)]
        tones = [tone for tone in tones if tone.pitch is not None] or tones[:1] or [_rest(at)]
        units = matches[0].group(4) or matches[0].group(7) or "" if matches else ""
        voice.add(tones, read_length(units) * read_length(outer))

    def _grace(self, voice: VoiceState, token: Token, at: int) -> None:
        for match in TONE.finditer(token.text):  # dropped, but their accidentals hold in the bar
            if match.group(1):
                voice.tone(match, at, 0)

    def _rest(self, voice: VoiceState, token: Token, at: int) -> None:
        units = read_length(token.text[1:])
        if token.text[0] in "zx":
            voice.add([_rest(at)], units)
            return
        bar = (meter_length(voice.meter) or Fraction(1)) / voice.unit
        voice.add([_rest(at)], units * bar)
        if units.denominator == 1 and units <= MAX_RESTS:
            voice.split_bar(int(units))

    def _broken(self, voice: VoiceState, token: Token, at: int) -> None:
        if not voice.last or voice.broken is not None:
            return
        short = Fraction(1, 2 ** min(len(token.text), MAX_BROKEN))
        first, voice.broken = (2 - short, short) if token.text[0] == ">" else (short, 2 - short)
        for tone in voice.last:
            tone.duration *= first
        voice.time = voice.last[0].onset + voice.last[0].duration

    def _tie(self, voice: VoiceState, token: Token, at: int) -> None:
        for tone in voice.last:
            voice.tie(tone)

    def _tuplet(self, voice: VoiceState, token: Token, at: int) -> None:
        # (p:q:r puts p notes into the time of q for the next r notes (ABC 2.1, 4.13).
        given = [int(number[:4]) if number else 0 for number in token.text[1:].split(":")]
        notes, time, count = (*given, 0, 0)[:3]
        time = time or _TUPLET_TIME.get(notes, 3 if is_compound(voice.meter) else 2)
        if 0 < notes <= MAX_TUPLET and time <= MAX_TUPLET:
            voice.tuplet, voice.tuplet_left = Fraction(time, notes), count or notes

    def _bar(self, voice: VoiceState, token: Token, at: int) -> None:
        if self.overlays > 1 and self.name is not None:
            voice = self._choose(self.name)
        voice.tuplet_left = 0  # one that lacks notes spoils its own bar alone
        voice.end_bar()

    def _overlay(self, voice: VoiceState, token: Token, at: int) -> None:
        if self.name is None:
            return
        main = self._open(self.name)
        self.overlays += 1
        layer = self.voice = self._open(f"{self.name}&{self.overlays}")
        layer.meter, layer.unit = main.meter, main.unit
        layer.key, layer.shift = main.key, main.shift
        layer.end_bar()
        layer.time = layer.bar_start = main.bar_start


def _rest(at: int) -> Draft:
    return Draft(None, 0, Fraction(0), Fraction(0), at)


_HANDLERS = {
    "note": _Reader._note,
    "chord": _Reader._chord,
    "grace": _Reader._grace,
    "rest": _Reader._rest,
    "broken": _Reader._broken,
    "tie": _Reader._tie,
    "tuplet": _Reader._tuplet,
    "bar": _Reader._bar,
    "overlay": _Reader._overlay,
}
