"""Header lines in NotaGen's order and spelling: `%` tags, %%score, L:, Q:, M:, K:, V:."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from unidecode import unidecode

from picogen_core.abc.fields import ANY_CLEF, BEAT_UNIT, BEATS, UNIT, mode_name
from picogen_core.abc.pitch.keys import key_accidentals, key_signature, octave_shift, transposition

_KEY = re.compile(r"([A-G])([#b♯♭]?)\s*([A-Za-z]*)")
_METER = re.compile(f"({BEATS})/({BEAT_UNIT})")
_METER_IN = re.compile(rf"\(?({BEATS})\)?/({BEAT_UNIT})(?!\d)")
_LENGTH = re.compile(UNIT)
_TEMPO = re.compile(r"\d+/\d+\s*=\s*\d+")
_CLEF = re.compile(rf"\b(?:clef=)?({ANY_CLEF})\d?([+-](?:8|15))?")
_NAME = re.compile(r'\b(?:name|nm)\s*=\s*"([^"\n]*)"')

ORDER = ("%", "%%score", "L:", "Q:", "M:", "K:", "V:")


@dataclass
class Voice:
    """A voice of a `V:` line: its name in the source, its clef and its title.

    shift:     octaves that clef or `octave=` add to what is written, None where neither is named.
    transpose: semitones from written to sounding pitch, None if not given.
    """

    source: str
    clef: str = ""
    title: str = ""
    shift: int | None = None
    transpose: int | None = None

    def line(self, number: int) -> str:
        """`V:1 treble nm="Violin"`."""
        words = [f"V:{number}", self.clef or "treble"]
        words += [f"transpose={self.transpose}"] if self.transpose else []
        return " ".join([*words, *([f'nm="{self.title}"'] if self.title else [])])


@dataclass
class Header:
    """What the notes need to know; lengths are spelt as in ABC."""

    key: str = "C"
    meter: str = "none"
    unit: str | None = None
    tempo: str | None = None
    score: str | None = None
    tags: list[str] = field(default_factory=list)
    voices: dict[str, Voice] = field(default_factory=dict)

    def unit_length(self) -> Fraction:
        """Whole notes in a unit length."""
        return Fraction(self.unit or default_unit(self.meter))

    def lines(self) -> list[str]:
        """The header of an interleaved piece, voices numbered from 1."""
        head = [*self.tags]
        if self.score:
            head.append(f"%%score {self.score}")
        head.append(f"L:{self.unit or default_unit(self.meter)}")
        if self.tempo:
            head.append(f"Q:{self.tempo}")
        head += [f"M:{self.meter}", f"K:{self.key}"]
        voices = list(self.voices.values()) or [Voice("1")]
        return head + [voice.line(number) for number, voice in enumerate(voices, 1)]


def normal_key(value: str) -> str | None:
    """`G minor` -> `Gmin`, `A exp =g` as it is; None if it is no key.

    Accidentals that the mode has itself go: `D mixolydian =c` -> `Dmix`.
    """
    value = value.split("%", 1)[0].strip()
    added = "".join(f" {accidental}" for accidental in key_accidentals(value))
    if value.lower().startswith("none"):
        return "none" + added
    if value[:2] in ("HP", "Hp"):
        return "D" + added
    found = _KEY.match(value)
    if not found:
        explicit = not value or value.lower().startswith("exp") or added
        return ("C exp" + added if added else "C") if explicit else None
    letter, accidental, word = found.groups()
    accidental = {"♯": "#", "♭": "b"}.get(accidental, accidental)
    if word.lower().startswith("exp"):
        return f"{letter}{accidental} exp" + added
    key = letter + accidental + (mode_name(word) or "")
    return key if _altered(key) == _altered(key + added) else key + added


def _altered(key: str) -> dict[str, int]:
    return {letter: by for letter, by in (key_signature(key) or {}).items() if by}


def normal_clef(value: str) -> str:
    """The clef in a K: or V: field with the octaves that it adds: `bass`, `treble-8`; or ""."""
    found, shift = _CLEF.search(value), octave_shift(value)
    clef = found.group(1) if found else ""
    if not shift:
        return clef
    marks = {1: "+8", -1: "-8", 2: "+15", -2: "-15"}
    if clef in ("", "perc") or shift not in marks:
        return f"{clef} octave={shift}".strip()
    return clef + marks[shift]


def normal_meter(value: str) -> str | None:
    """`C|` -> `2/2`; None if it is no meter."""
    value = value.split("%", 1)[0].replace(" ", "")
    value = {"C": "4/4", "C|": "2/2", "c": "4/4", "c|": "2/2"}.get(value, value)
    if value.lower() == "none":
        return "none"
    found = _METER_IN.search(value)
    return f"{found.group(1)}/{found.group(2)}" if found else None


def normal_unit(value: str) -> str | None:
    """`1/8`; None if it is no unit length."""
    value = value.strip().replace(" ", "")
    return "1/1" if value == "1" else value if _LENGTH.fullmatch(value) else None


def normal_tempo(value: str) -> str | None:
    """`1/4=120`; None for a tempo that names no note value."""
    found = _TEMPO.search(value)
    return found.group().replace(" ", "") if found else None


def normal_voice(value: str) -> Voice:
    """The content of a `V:` line."""
    words = value.split(maxsplit=1)
    name, rest = (words[0] if words else "1"), "".join(words[1:])
    title = _NAME.search(rest)
    text = unidecode(title.group(1)).replace("|", "/").strip()[:40] if title else ""
    rest = re.sub(r'"[^"\n]*"', "", rest)
    title_text = text.replace('"', "'")
    return Voice(name, normal_clef(rest), title_text, octave_shift(rest), transposition(rest))


def default_unit(meter: str) -> str:
    """ABC's rule: 1/16 for meters under 3/4, else 1/8."""
    found = _METER.fullmatch(meter)
    if not found:
        return "1/8"
    beats = sum(int(part) for part in found.group(1).split("+"))
    return "1/16" if Fraction(beats, int(found.group(2))) < Fraction(3, 4) else "1/8"
