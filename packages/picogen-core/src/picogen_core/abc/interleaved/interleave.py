"""A tune in its source's form -> NotaGen's interleaved form: one line per bar, with all voices.

Bars are cut at the lexer's barlines, so no run of them (`|| |:`) shifts the count or loses text.
"""

from __future__ import annotations

import re

from picogen_core.abc.interleaved.align import align
from picogen_core.abc.interleaved.cut import VoiceCutter, merge_barlines, refuse_long_rests
from picogen_core.abc.interleaved.rests import rest_symbols
from picogen_core.abc.pitch.interval import Interval
from picogen_core.abc.reading.header import (
    Header,
    Voice,
    normal_key,
    normal_meter,
    normal_tempo,
    normal_unit,
    normal_voice,
)
from picogen_core.abc.reading.lexer import SOUNDING, Token, lex
from picogen_core.abc.reading.notes import read_tune
from picogen_core.abc.reading.plain import write_barless
from picogen_core.abc.reading.tune import SCORE, read_lines
from picogen_core.errors import BadInput

__all__ = ["interleave", "merge_barlines"]

MAX_BAR = 1024
"""Largest number of characters of a bar; longer music has no barlines."""


def interleave(tune: str, *, sounding: bool = True) -> str:
    """Return header lines in NotaGen's order, then a line `[V:1]…|[V:2]…|` for each bar.

    Every note is kept; titles, lyrics, comments and layout are not. Voices of transposing
    instruments are written as they sound; without `sounding`, as in the source, with `transpose=`.
    Rests of several bars become bars of rests.

    If voices have different numbers of bars, a line holds the music between two barlines that all
    voices share, and a voice that ends early rests to the end. Music without barlines, with over
    1,024 characters in a bar, is rewritten from its notes.

    Raises:
        BadInput: no key, no note, or a rest of more bars than any part has.
    """
    reader = _TuneReader(sounding)
    reader.read(tune)
    header, voices = reader.header, reader.finish()
    if not any(
        SOUNDING & {t.kind for t in lex(bar.text)} for v in voices.values() for bar in v.bars
    ):
        raise BadInput("the tune has no note")
    if any(len(bar.text) > MAX_BAR for voice in voices.values() for bar in voice.bars):
        return _barless(tune, header)
    header.voices = {name: reader.voice(name) for name in voices}
    header.score = renumber(header.score, list(voices))
    symbols = rest_symbols(header.score or "", [str(n) for n in range(1, len(voices) + 1)])
    units = [voice.unit for voice in voices.values()]
    rows = align([voice.bars for voice in voices.values()], list(symbols.values()), units)
    lefts = [voice.left for voice in voices.values()]
    lines = header.lines()
    for i, row in enumerate(rows):
        cells = [
            f"[V:{number}]{left if i == 0 else ''}{text}"
            for number, (left, text) in enumerate(zip(lefts, row, strict=True), 1)
        ]
        lines.append("".join(cells))
    return "\n".join(lines) + "\n"


def _barless(tune: str, header: Header) -> str:
    """Return a tune without barlines, rewritten from its notes."""
    notes, bars = read_tune(tune)
    meter = next(iter(bars.values()))[0].meter
    try:
        return write_barless(notes, meter, header.key, header.tempo or "")
    except ValueError as error:
        raise BadInput(f"it has no barlines; {error}") from None


class _TuneReader:
    """Reader of the header, which passes the tokens of the body to their voices."""

    def __init__(self, sounding: bool) -> None:
        self.sounding = sounding
        self.header = Header()
        self.cutters: dict[str, VoiceCutter] = {}
        self.current: str | None = None  # None until a V: or the first note of the body
        self.in_body = False
        self._clef = Voice("")  # the clef of K:, for voices without one

    def read(self, tune: str) -> None:
        for letter, text, _ in read_lines(tune):
            if letter == SCORE:
                self.header.score = text
            elif letter:
                self._read_field(letter, text)
            elif self.in_body:
                self._read_music(text)
        if not self.in_body:
            raise BadInput("it has no K: line, so no body")

    def finish(self) -> dict[str, VoiceCutter]:
        """Return the voices with bars, in the order of their names in the text."""
        for cutter in self.cutters.values():
            cutter.finish()
        names = dict.fromkeys([*self.header.voices, *self.cutters])
        return {n: self.cutters[n] for n in names if n in self.cutters and self.cutters[n].bars}

    def voice(self, name: str) -> Voice:
        """Return the header's properties of a voice, or those of K:."""
        voice = self.header.voices.get(name, Voice(name))
        transpose = None if self.sounding else self._transpose(voice)
        return Voice(name, voice.clef or self._clef.clef, voice.title, voice.shift, transpose)

    def _transpose(self, voice: Voice) -> int:
        return (self._clef if voice.transpose is None else voice).transpose or 0

    def _read_field(self, letter: str, value: str) -> None:
        value = value.split("%", 1)[0].strip() if letter != "V" else value
        if letter == "V":
            self._read_voice(value)
        elif self.current is not None and letter in "KMLQ":
            self._cutter().add_field(letter, value)
        elif letter == "M":
            self.header.meter = normal_meter(value) or "none"
        elif letter == "L":
            self.header.unit = normal_unit(value) or self.header.unit
        elif letter == "Q":
            self.header.tempo = normal_tempo(value)
        elif letter == "K":
            self._read_key(value)

    def _read_key(self, value: str) -> None:
        key, found = normal_key(value), normal_voice("K " + value)
        if key is None and not found.clef:
            raise BadInput(f"its key {value[:20]!r} is not one that can be read")
        self.header.key = key or self.header.key
        self._clef.clef = found.clef or self._clef.clef
        self._clef.shift = self._clef.shift if found.shift is None else found.shift
        self._clef.transpose = self._clef.transpose if found.transpose is None else found.transpose
        self.in_body = True

    def _read_voice(self, value: str) -> None:
        voice = normal_voice(value)
        known = self.header.voices.setdefault(voice.source, voice)
        if known.transpose is None:
            known.transpose = voice.transpose
        if not self.in_body:
            return
        self.current = voice.source
        if voice.shift is not None and voice.source in self.cutters:
            self.cutters[voice.source].change_shift(voice.shift, voice.clef)
        elif voice.shift is not None and voice is not known:
            known.clef, known.shift = voice.clef, voice.shift

    def _read_music(self, line: str) -> None:
        for token in lex(line):
            if token.kind == "field" and token.text.startswith("[V:"):
                self._read_voice(token.text[3:-1])
                continue
            refuse_long_rests(token)
            if token.kind == "field" and self.current is None:
                self._read_field(token.text[1], token.text[3:-1])
            elif token.kind != "space" or self.current in self.cutters:
                self._cutter().add(token)
        if self.current in self.cutters:
            self._cutter().add(Token("space", " ", 0))

    def _cutter(self) -> VoiceCutter:
        if self.current is None:
            self.current = next(iter(self.header.voices), "1")
        cutter = self.cutters.get(self.current)
        if cutter is None:
            voice = self.header.voices.get(self.current, Voice(self.current))
            shift = (self._clef if voice.shift is None else voice).shift or 0
            unit = self.header.unit_length()
            semitones = self._transpose(voice) if self.sounding and voice.clef != "perc" else 0
            cutter = VoiceCutter(self.header.meter, unit, shift, Interval.of(semitones))
            self.cutters[self.current] = cutter
            if cutter.interval.fifths:
                cutter.add_field("K", self.header.key)
        return cutter


def renumber(score: str | None, names: list[str]) -> str | None:
    """Return %%score with the new voice numbers; None without one, or if it names a voice twice.

    Absent voices are dropped, and voices that it does not name are appended.
    """
    if not score:
        return None
    numbers = {name: str(i) for i, name in enumerate(names, 1)}
    words = re.findall(r"[()\[\]{}|]|[^\s()\[\]{}|]+", score)
    named = [word for word in words if word in numbers]
    if not named or len(set(named)) < len(named):
        return None
    kept = [numbers.get(word, word) for word in words if word in "()[]{}|" or word in numbers]
    text = " ".join([*kept, *(numbers[name] for name in names if name not in named)])
    before = ""
    while before != text:  # groups that lost all their voices
        before, text = text, re.sub(r"(\( \)|\[ \]|\{ \}) ?", "", text).strip()
    return text
