"""The implementation of `read_notes`: it reads a tune into the states of its voices."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from picogen_core.abc.counters import is_body_line
from picogen_core.abc.pitch.interval import Interval
from picogen_core.abc.pitch.keys import (
    default_unit,
    is_compound,
    is_percussion,
    key_signature,
    meter_length,
    octave_shift,
    transposition,
    unit_length,
)
from picogen_core.abc.reading.chords import split_chord
from picogen_core.abc.reading.lexer import Token, lex
from picogen_core.abc.reading.timing import read_tuplet
from picogen_core.abc.reading.tune import is_interleaved, read_lines
from picogen_core.abc.reading.voices import (
    MAX_BROKEN,
    MAX_RESTS,
    TONE,
    NoteDraft,
    VoiceState,
    read_length,
)

_KEY_LINE = re.compile(r"^K:", re.M)
_ENDING = re.compile(r"\[?(\d[\d,.-]*)\Z")
"""The end of a barline at which an ending begins."""
_FERMATAS = frozenset({"H", "!fermata!", "!invertedfermata!", "+fermata+", "+invertedfermata+"})


def read_voices(text: str) -> dict[str, VoiceState]:
    """Return the final states of a tune's voices; an overlay is `1&2`."""
    reader = _Reader(is_interleaved(text))
    has_key = _KEY_LINE.search(text) is not None
    for letter, line, start in read_lines(text):
        if letter:
            reader.read_field(letter, line)
        elif reader.in_body or not has_key or is_body_line(line):
            reader.read_line(line, start)
    for voice in reader.voices.values():
        voice.end_bar()
    return reader.voices


class Clef(NamedTuple):
    """Effect of a clef on pitches; None for what it does not change."""

    shift: int | None = None
    transpose: int | None = None
    percussion: bool | None = None

    def changed(self, later: Clef) -> Clef:
        """Return the clef after a later one."""
        return Clef(
            self.shift if later.shift is None else later.shift,
            self.transpose if later.transpose is None else later.transpose,
            self.percussion if later.percussion is None else later.percussion,
        )


def read_clef(value: str) -> Clef:
    """Return the clef in a K: or V: field."""
    return Clef(octave_shift(value), transposition(value), is_percussion(value))


def _set_clef(voice: VoiceState, clef: Clef) -> None:
    if clef.shift is not None:
        voice.shift = clef.shift
    if clef.transpose is not None:
        voice.transpose, voice.steps = clef.transpose, Interval.of(clef.transpose).steps
    if clef.percussion is not None:
        voice.percussion = clef.percussion


class _Reader:
    """Reader of a tune. `interleaved`: a line holds the same bars of several voices."""

    def __init__(self, interleaved: bool) -> None:
        self.interleaved = interleaved
        self.voices: dict[str, VoiceState] = {}
        self.in_body = False
        self.name: str | None = None  # the voice that V: chose; overlays do not change it
        self.voice: VoiceState | None = None
        self.overlays, self.overlay_bars = 1, 0
        # The header's values, which a voice takes over when it begins.
        self.meter = "4/4"
        self.unit: Fraction | None = None
        self.key: dict[str, int] = {}
        self.scope = "octave"
        self.clef = Clef()
        self.clefs: dict[str, Clef] = {}
        # Lines of the interleaved form, whose voices all start at `line_start`.
        self.line = 0
        self.line_start = Fraction(0)
        self.line_voices: list[VoiceState] = []

    def read_field(self, letter: str, value: str) -> None:
        """Apply K:, M:, L:, V: and I:, on their own line or inline; others do not affect notes."""
        value = value.split("%", 1)[0].strip()
        if letter == "V":
            self._read_voice(value)
        elif letter == "K":
            self.in_body = True
            key, clef = key_signature(value), read_clef(value)
            target = self.voice or self
            target.key = target.key if key is None else key
            if self.voice is None:
                self.clef = self.clef.changed(clef)
            else:
                _set_clef(self.voice, clef)
        elif letter == "M":
            (self.voice or self).meter = value
        elif letter == "L" and (unit := unit_length(value)) is not None:
            (self.voice or self).unit = unit
        elif letter == "I" and value.startswith("propagate-accidentals"):
            self.scope = value.split()[-1]
            for voice in self.voices.values():
                voice.scope = self.scope

    def _read_voice(self, value: str) -> None:
        name = value.split(maxsplit=1)[0] if value else "1"
        clef = read_clef(value[len(name) :])
        self.clefs[name] = self.clefs.get(name, Clef()).changed(clef)
        if self.in_body:
            _set_clef(self._choose(name), clef)

    def _choose(self, name: str) -> VoiceState:
        self.name, self.overlays, self.overlay_bars = name, 1, 0
        self.voice = self._open(name)
        return self.voice

    def _open(self, name: str) -> VoiceState:
        voice = self.voices.get(name)
        if voice is None:
            unit = self.unit or default_unit(self.meter)
            voice = VoiceState(self.meter, unit, self.key, scope=self.scope)
            _set_clef(voice, self.clef.changed(self.clefs.get(name, Clef())))
            self.voices[name] = voice
        if voice.line != self.line:
            voice.end_bar()
            voice.line = self.line
            voice.time = voice.bar_start = max(voice.time, self.line_start)
            self.line_voices.append(voice)
        return voice

    def read_line(self, line: str, start: int) -> None:
        """Read one line of music, whose first character is text[start]."""
        self.in_body = True
        if self.interleaved and is_body_line(line):
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
            voice.add([voice.tone(match, at, 0)], voice.quarters(match.group(4)))

    def _chord(self, voice: VoiceState, token: Token, at: int) -> None:
        inside, outer = split_chord(token.text)
        matches = list(TONE.finditer(inside))
        sounding = [match for match in matches if match.group(2)]
        tones = [voice.tone(match, at, count + 1) for count, match in enumerate(sounding)]
        tones = [tone for tone in tones if tone.pitch is not None] or tones[:1] or [_rest(at)]
        units = matches[0].group(4) or matches[0].group(7) or "" if matches else ""
        voice.add(tones, voice.quarters(units) * read_length(outer))

    def _grace(self, voice: VoiceState, token: Token, at: int) -> None:
        for match in TONE.finditer(token.text):  # dropped, but their accidentals hold in the bar
            if match.group(1):
                voice.tone(match, at, 0)

    def _rest(self, voice: VoiceState, token: Token, at: int) -> None:
        if token.text[0] in "zx":
            voice.add([_rest(at)], voice.quarters(token.text[1:]))
            if token.text[0] == "x" and voice.held:
                voice.anchor = voice.last[0].duration
            return
        bars = read_length(token.text[1:])
        voice.add([_rest(at)], bars * (meter_length(voice.meter) or 1) * 4)
        if bars.denominator == 1 and bars <= MAX_RESTS:
            voice.split_bar(int(bars))

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
        try:
            tuplet = read_tuplet(token.text, is_compound(voice.meter))
        except ValueError:
            return
        voice.tuplet, voice.tuplet_left = Fraction(tuplet.into, tuplet.count), tuplet.notes

    def _decoration(self, voice: VoiceState, token: Token, at: int) -> None:
        voice.fermata |= token.text in _FERMATAS

    def _bar(self, voice: VoiceState, token: Token, at: int) -> None:
        self.overlay_bars -= 1
        if self.overlays > 1 and self.overlay_bars <= 0 and self.name is not None:
            voice.end_bar()
            voice = self._choose(self.name)
        voice.tuplet_left = 0  # one that lacks notes spoils its own bar alone
        ending = _ENDING.search(token.text)
        voice.end_bar(token.text[: ending.start()] if ending else token.text)
        if ending:
            voice.begin_ending(ending.group(1))

    def _ending(self, voice: VoiceState, token: Token, at: int) -> None:
        voice.begin_ending(token.text[1:] or "?")

    def _overlay(self, voice: VoiceState, token: Token, at: int) -> None:
        if self.name is None:
            return
        main = self._open(self.name)
        self.overlay_bars = len(token.text)  # `&&` goes back to the start of the bar before
        before = main.bars[-(self.overlay_bars - 1) :] if self.overlay_bars > 1 else ()
        start = before[0].start if before else main.bar_start
        self.overlays += 1
        while (used := self.voices.get(f"{self.name}&{self.overlays}")) and used.time > start:
            self.overlays += 1
        layer = self.voice = self._open(f"{self.name}&{self.overlays}")
        layer.meter, layer.unit, layer.key = main.meter, main.unit, main.key
        layer.shift, layer.percussion = main.shift, main.percussion
        layer.transpose, layer.steps = main.transpose, main.steps
        layer.end_bar()
        layer.time = layer.bar_start = start


def _rest(at: int) -> NoteDraft:
    return NoteDraft(None, 0, Fraction(0), Fraction(0), at)


_HANDLERS = {
    "note": _Reader._note,
    "chord": _Reader._chord,
    "grace": _Reader._grace,
    "rest": _Reader._rest,
    "broken": _Reader._broken,
    "tie": _Reader._tie,
    "tuplet": _Reader._tuplet,
    "bar": _Reader._bar,
    "ending": _Reader._ending,
    "decoration": _Reader._decoration,
    "short": _Reader._decoration,
    "overlay": _Reader._overlay,
}
