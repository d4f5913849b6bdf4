"""The one reader of notes: for metrics, for the loss and for whoever asks what a text sounds like.

It reads what is there and never raises: tune books, `V:` lines, inline `[V:1]`, and NotaGen's
interleaved form, where one line holds the same bars of all voices.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from picogen_core.abc.keys import (
    ALTERATION,
    default_unit,
    is_compound,
    key_signature,
    meter_length,
    octave_shift,
    unit_length,
)
from picogen_core.abc.lexer import Token, lex, parse_length


@dataclass(frozen=True, slots=True)
class Note:
    """A note, chord tone or rest as notated; tied notes are separate, with `tied` on the first.

    pitch:    MIDI number, or None for a rest.
    step:     diatonic step 7 · octave + letter, C = 0 (middle C, `C`, is 28); 0 for a rest.
    onset:    quarters since the start of the piece.
    duration: quarters.
    start:    index in the text of its letter.
    octave:   octave marks follow the letter.
    tied:     a tie binds it to the next note of its pitch.
    chord:    0 for a single note; 1, 2, … for the tones of one chord, in the order of the text.
    """

    pitch: int | None
    step: int
    onset: Fraction
    duration: Fraction
    start: int
    octave: bool = False
    tied: bool = False
    chord: int = 0


_LINE = re.compile(r"[^\r\n]+")
_FIELD_LINE = re.compile(r"(?![A-Ga-gxz]:[|:])[A-Za-z+]:")
_KEY_LINE = re.compile(r"^K:", re.M)
_VOICE = re.compile(r"\[V:")
_TUPLET_TIME = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # p notes in the time of …; 5, 7, 9 ask the meter


def read_notes(text: str) -> dict[str, tuple[Note, ...]]:
    """The notes and rests of every voice of one tune, in the order of the text.

    Voices come in the order in which they first sound; a tune without V: has the voice "1", and
    what follows a `&` is voice "1&2". Repeats are not expanded, grace notes are dropped, an
    accidental holds for its letter and octave to the end of the bar. What cannot be read is
    skipped; a length of zero or out of all proportion counts as one unit.
    """
    reader = _Reader(interleaved=_is_interleaved(text))
    has_key = _KEY_LINE.search(text) is not None
    in_block = False
    for match in _LINE.finditer(text):
        line, start = match.group(), match.start()
        if in_block or line.startswith("%"):
            in_block = line.startswith("%%begin") or (in_block and not line.startswith("%%end"))
        elif _FIELD_LINE.match(line):
            reader.read_field(line[0], line[2:])
        elif reader.in_body or not has_key or line.startswith(("[V:", "[r:")):
            reader.read_line(line, start)
    return {name: notes for name, voice in reader.voices.items() if (notes := voice.notes())}


def _is_interleaved(text: str) -> bool:
    """One line holds a bar of several voices: what tells that all start together on each line."""
    lines = (match.group() for match in _LINE.finditer(text))
    return any(line.startswith("[r:") or len(_VOICE.findall(line)) > 1 for line in lines)


class _Reader:
    def __init__(self, interleaved: bool) -> None:
        self.interleaved = interleaved
        self.voices: dict[str, VoiceState] = {}
        self.in_body = False
        self.name: str | None = None  # the voice that V: chose; overlays do not change it
        self.voice: VoiceState | None = None
        self.overlays = 1
        self.meter, self.unit = "4/4", None  # type: str, Fraction | None
        self.key: dict[str, int] = {}
        self.shift = 0
        self.shifts: dict[str, int] = {}
        self.line_start = Fraction(0)
        self.touched: list[VoiceState] = []  # voices of this line

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
        if self.interleaved and all(voice is not other for other in self.touched[-8:]):
            voice.time = max(voice.time, self.line_start)
            voice.start_bar()
            self.touched.append(voice)
        return voice

    def read_line(self, line: str, start: int) -> None:
        """One line of music, whose first character is text[start]."""
        self.in_body = True
        if self.interleaved and line.startswith(("[V:", "[r:")):
            ends = [voice.time for voice in self.touched]
            self.line_start = max([self.line_start, *ends])
            self.touched = []
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
        units = (matches[0].group(4) or matches[0].group(7) or "") if matches else ""
        voice.add(tones, read_length(units) * read_length(outer))

    def _rest(self, voice: VoiceState, token: Token, at: int) -> None:
        units = read_length(token.text[1:])
        if token.text[0] in "ZX":
            units *= (meter_length(voice.meter) or Fraction(1)) / voice.unit
        voice.add([_rest(at)], units)

    def _broken(self, voice: VoiceState, token: Token, at: int) -> None:
        if not voice.last or voice.broken is not None:
            return
        short = Fraction(1, 2 ** min(len(token.text), _MAX_BROKEN))
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
        if 0 < notes <= _MAX_TUPLET and time <= _MAX_TUPLET:
            voice.tuplet, voice.tuplet_left = Fraction(time, notes), count or notes

    def _bar(self, voice: VoiceState, token: Token, at: int) -> None:
        if self.overlays > 1 and self.name is not None:
            voice = self._choose(self.name)
        voice.start_bar()

    def _overlay(self, voice: VoiceState, token: Token, at: int) -> None:
        if self.name is None:
            return
        main = self._open(self.name)
        self.overlays += 1
        layer = self.voice = self._open(f"{self.name}&{self.overlays}")
        layer.meter, layer.unit, layer.key, layer.shift = main.meter, main.unit, main.key, main.shift
        layer.time = main.bar_start
        layer.start_bar()


def _rest(at: int) -> Draft:
    return Draft(None, 0, Fraction(0), Fraction(0), at)


_HANDLERS = {
    "note": _Reader._note,
    "chord": _Reader._chord,
    "rest": _Reader._rest,
    "broken": _Reader._broken,
    "tie": _Reader._tie,
    "tuplet": _Reader._tuplet,
    "bar": _Reader._bar,
    "overlay": _Reader._overlay,
}


def melody(notes: Iterable[Note]) -> list[int]:
    """MIDI pitches of one voice: rests dropped, top note of a chord, ties to the same pitch merged."""
    return [top.pitch for top in _line(notes) if top.pitch is not None]


def diatonic_melody(notes: Iterable[Note]) -> list[int]:
    """The steps of the same notes as `melody`: 7 · octave + letter, accidentals left out."""
    return [top.step for top in _line(notes)]


def _line(notes: Iterable[Note]) -> Iterator[Note]:
    """The top notes of a voice without rests and without the notes that a tie continues."""
    bound: int | None = None
    for top in _tops(notes):
        if top.pitch is not None and top.pitch != bound:
            yield top
        bound = top.pitch if top.tied else None


def _tops(notes: Iterable[Note]) -> Iterator[Note]:
    best: Note | None = None
    for note in notes:
        if best is not None:
            if note.chord > 1 and note.pitch is not None and best.pitch is not None:
                best = note if note.pitch > best.pitch else best
                continue
            yield best
        best = note
    if best is not None:
        yield best


_TUNE = re.compile(r"^X:[ \t]*\d*", re.M)


def split_tunes(book: str) -> list[str]:
    """The tunes of an ABC book, each from its X: line; a text without X: is one tune.

    Prose between tunes goes: after a blank line, what has neither a barline nor a field is no music.
    """
    book = book.replace("\r\n", "\n").replace("\r", "\n")
    starts = [match.start() for match in _TUNE.finditer(book)] or [0]
    tunes = (book[a:b] for a, b in zip(starts, [*starts[1:], len(book)], strict=True))
    return [tune for tune in map(_without_prose, tunes) if tune.strip()]


def _without_prose(tune: str) -> str:
    first, *others = re.split(r"\n(?:[ \t]*\n)+", tune)
    music = [part for part in others if "|" in part or re.match(r"[A-Za-z]:|%", part)]
    return "\n".join([first, *music]).rstrip("\n") + "\n" if tune.strip() else ""
