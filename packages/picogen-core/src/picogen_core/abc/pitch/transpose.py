"""Transposition of an interleaved piece. Every note moves by one interval, so accidentals stay.

A key is a place on the line of fifths (… F -1, C 0, G 1 …). An interval is a number k of fifths,
reduced by o octaves: steps = 4k - 7o letters, semitones = 7k - 12o.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from picogen_core.abc.fields import LETTERS, signature_place
from picogen_core.abc.patches import split_body
from picogen_core.abc.pitch.interval import UNISON, Interval
from picogen_core.abc.pitch.keys import ALTERATION, QUARTERS, key_accidentals
from picogen_core.abc.reading.lexer import lex
from picogen_core.abc.reading.voices import SEMITONES
from picogen_core.errors import BadInput

KEYS = ("C#", "F#", "B", "E", "A", "D", "G", "C", "F", "Bb", "Eb", "Ab", "Db", "Gb", "Cb")
"""NotaGen's: the major key of the signature; a piece in A minor is in the signature of C."""

_ALTERS = {**ALTERATION, **{sign: cents / 100 for sign, cents in QUARTERS.items()}}
_SIGNS = {alter: sign for sign, alter in _ALTERS.items()}
_KEY = re.compile(r"([A-G])([#b]?)([a-z]*)(.*)")
_PITCH = re.compile(r"(\^\^|\^/|\^|__|_/|_|=)?([A-Ga-g])([,']*)")
_DECORATION = re.compile(r"(![^!]*!)")
_SYMBOL = re.compile(
    r'"([A-G])([#b]?)((?:maj|min|dim|aug|sus|add|m|M|[-+\d°()#b])*)(?:/([A-G])([#b]?))?"'
)

Render = Callable[["Interval"], str]


@dataclass
class _Part:
    """Text that depends on the interval. A `voice` has its own interval after its own K:.

    `signature` is that K:'s place on the line of fifths, None for other text.
    """

    voice: str
    render: Render
    signature: int | None = None


class Transposer:
    """An interleaved piece that is read once and can be written in any of the `KEYS`.

    Percussion (voices with the clef `perc`) stays unchanged.

    Raises:
        BadInput: no K: line, or one that cannot be read.
    """

    def __init__(self, text: str) -> None:
        header, body = split_body(text)
        self.signature: int | None = None
        self.fixed: set[str] = set()  # voices of percussion
        self._parts: list[str | _Part] = []
        voice = ""
        for line in header.splitlines():
            if line.startswith("V:"):
                voice = line[2:].split()[0] if line[2:].split() else ""
                if re.search(r"\bperc\b", line):
                    self.fixed.add(voice)
            if line.startswith("K:"):
                self._parts.append("K:")
                self._add_key(line[2:], voice)
                self._parts.append("\n")
            else:
                self._parts.append(line + "\n")
        if self.signature is None:
            raise BadInput("it has no K: line before its music")
        for line in body.splitlines(keepends=True):
            self._read_line(line)

    def to(self, key: str) -> tuple[str, int]:
        """Return (the piece in a key, semitones up).

        Raises:
            BadInput: a note would need three sharps or flats.
        """
        assert self.signature is not None
        fifths = KEYS.index("C") - KEYS.index(key) - self.signature
        shifts: dict[str, int] = {}
        made = []
        for part in self._parts:
            if isinstance(part, str):
                made.append(part)
                continue
            if part.voice in self.fixed:
                made.append(part.render(UNISON))
                continue
            if part.signature is not None:
                shifts[part.voice] = within_seven(part.signature + fifths) - part.signature
            shift = shifts.get(part.voice, shifts.get("", fifths))
            made.append(part.render(Interval(shift)))
        return "".join(made), Interval(fifths).semitones

    @property
    def key(self) -> str:
        """The one of `KEYS` with the piece's signature, or with the same pitches."""
        assert self.signature is not None
        return KEYS[KEYS.index("C") - within_seven(self.signature)]

    def _add_key(self, value: str, voice: str) -> None:
        value = value.strip()
        signature, render = _read_key(value)
        if self.signature is None:
            self.signature, voice = signature, ""
        self._parts.append(_Part(voice, render, signature))

    def _read_line(self, line: str) -> None:
        voice = ""
        for token in lex(line):
            if token.kind == "field" and token.text[1] == "V":
                voice = token.text[3:-1].strip()
            if token.kind == "field" and token.text[1] == "K" and _KEY.match(token.text[3:-1]):
                self._parts.append("[K:")
                self._add_key(token.text[3:-1], voice)
                self._parts.append("]")
            elif token.kind in ("note", "chord", "grace"):
                self._add_tones(token.text, voice)
            elif token.kind == "quote" and (symbol := _SYMBOL.fullmatch(token.text)):
                self._parts.append(_Part(voice, _symbol(symbol)))
            else:
                self._parts.append(token.text)

    def _add_tones(self, text: str, voice: str) -> None:
        for part in _tones(text):
            self._parts.append(part if isinstance(part, str) else _Part(voice, part))


def move_tones(text: str, interval: Interval) -> str:
    """Return a transposed note, chord, grace or chord symbol.

    Raises:
        BadInput: a note would need three sharps or flats.
    """
    if text.startswith('"'):
        symbol = _SYMBOL.fullmatch(text)
        return _symbol(symbol)(interval) if symbol else text
    return "".join(part if isinstance(part, str) else part(interval) for part in _tones(text))


def move_key(value: str, interval: Interval) -> str:
    """Return the transposed content of a K: field. Raises `BadInput` if it is no key."""
    signature, render = _read_key(value)
    return render(Interval(within_seven(signature + interval.fifths) - signature))


def fitting(value: str, interval: Interval) -> Interval:
    """Return the interval of equal semitones that gives a key at most seven sharps or flats."""
    signature, _ = _read_key(value)
    fifths = within_seven(signature + interval.fifths) - signature
    missing = interval.semitones - Interval(fifths).semitones
    return Interval(fifths, missing // 12)


def _tones(text: str) -> Iterator[str | Render]:
    """Yield the text in pieces; those that are pitches depend on the interval."""
    for piece in _DECORATION.split(text):
        place = 0
        for match in () if piece.startswith("!") else _PITCH.finditer(piece):
            yield piece[place : match.start()]
            yield _tone(*match.groups())
            place = match.end()
        yield piece[place:]


@lru_cache(maxsize=4096)
def _tone(sign: str | None, letter: str, marks: str) -> Render:
    octave = (5 if letter.islower() else 4) + marks.count("'") - marks.count(",")
    step = 7 * octave + "CDEFGAB".index(letter.upper())
    alter = _ALTERS[sign] if sign else None
    return lambda interval: _spell(step, alter, interval)


@lru_cache(maxsize=65536)
def _spell(step: int, alter: float | None, interval: Interval) -> str:
    new = step + interval.steps
    sign = ""
    if alter is not None:
        altered = _natural(step) + alter + interval.semitones - _natural(new)
        if altered not in _SIGNS:
            raise BadInput("a note would need three sharps or flats")
        sign = _SIGNS[altered]
    octave, place = divmod(new, 7)
    letter = "CDEFGAB"[place]
    if octave >= 5:
        return sign + letter.lower() + "'" * (octave - 5)
    return sign + letter + "," * (4 - octave)


def _natural(step: int) -> int:
    octave, place = divmod(step, 7)
    return 12 * octave + SEMITONES[place]


def _read_key(value: str) -> tuple[int, Render]:
    """Return (place of the signature on the line of fifths, the key as a function of interval)."""
    plain = value.lower().startswith("none")
    if plain and not key_accidentals(value):
        return 0, lambda interval: "none" if interval.fifths == 0 else _tonic(interval.fifths)
    match = _KEY.match("C exp" + value[4:] if plain else value)
    if match is None:
        raise BadInput(f"its key {value[:20]!r} is not one that can be read")
    letter, accidental, mode, rest = match.groups()
    tonic = signature_place(letter, accidental)
    explicit = "exp" in (mode, rest.strip()[:3])
    signature = signature_place(letter, accidental, "" if explicit else mode)
    added = key_accidentals(value)
    clef = re.sub(r"\bexp\b|(?<!\S)(?:\^\^|\^|__|_|=)[A-Ga-g]\b", "", rest).strip()

    def render(interval: Interval) -> str:
        words = [_tonic(tonic + interval.fifths) + ("" if explicit else mode)]
        if explicit:
            words += ["exp", *_explicit(added, interval)]
        else:
            words += [_move(accidental, interval) for accidental in added]
        return " ".join([*words, *([clef] if clef else [])])

    return signature, render


def _explicit(added: list[str], interval: Interval) -> list[str]:
    """Return an explicit signature of seven letters, transposed; naturals need no sign."""
    altered = {accidental[-1].upper(): accidental for accidental in added}
    moved = [_move(altered.get(letter, "=" + letter), interval) for letter in "CDEFGAB"]
    return [accidental for accidental in moved if not accidental.startswith("=")]


def _move(accidental: str, interval: Interval) -> str:
    step = 35 + "CDEFGAB".index(accidental[-1].upper())
    return _spell(step, ALTERATION[accidental[:-1]], interval).rstrip("',").lower()


def _symbol(match: re.Match[str]) -> Render:
    root, sign, kind, bass, bass_sign = match.groups()
    place = signature_place(root, sign)
    low = None if bass is None else signature_place(bass, bass_sign)

    def render(interval: Interval) -> str:
        under = "" if low is None else "/" + _tonic(_plain(low + interval.fifths))
        return f'"{_tonic(_plain(place + interval.fifths))}{kind}{under}"'

    return render


def _tonic(place: int) -> str:
    sharps, letter = divmod(place + 1, 7)
    return LETTERS[letter] + ("#" * sharps if sharps > 0 else "b" * -sharps)


def major_key(fifths: int) -> str:
    """Return the major key of a signature: 2 is `D`."""
    return _tonic(fifths)


def _plain(place: int) -> int:
    """Return the same pitch with at most one sharp or flat."""
    return place - 12 if place > 12 else place + 12 if place < -8 else place


def within_seven(signature: int) -> int:
    """Return the signature of the same pitches with at most seven sharps or flats."""
    return signature - 12 if signature > 7 else signature + 12 if signature < -7 else signature
