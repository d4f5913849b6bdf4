"""The state of one voice while it is read: time, key, accidentals, and notes still in the making."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from picogen_core.abc.keys import ALTERATION
from picogen_core.abc.lexer import parse_length

SEMITONES = (0, 2, 4, 5, 7, 9, 11)
"""Semitones of C D E F G A B above C."""

# Bounds that keep hostile text cheap: onsets add up, so denominators have to stay small.
_MAX_LENGTH, _MAX_DENOMINATOR = 10**4, 1024

TONE = re.compile(r"(\^\^|\^/|\^|__|_/|_|=)?([A-Ga-g])([,']*)([\d/]*)(\s*\.?-)?|([xz])([\d/]*)")
"""One note or rest: accidental, letter, octave marks, length, tie; or rest and its length."""


@lru_cache(maxsize=4096)
def read_length(text: str) -> Fraction:
    try:
        length = parse_length(text)
    except ValueError:
        return Fraction(1)
    absurd = length >= _MAX_LENGTH or length.denominator > _MAX_DENOMINATOR
    return Fraction(1) if absurd else length


@dataclass(slots=True)
class Draft:
    """A note in the making: a `>` or `-` behind it may still change it."""

    pitch: int | None
    step: int
    onset: Fraction
    duration: Fraction
    start: int
    octave: bool = False
    tied: bool = False
    chord: int = 0


@dataclass(slots=True)
class VoiceState:
    """Where one voice stands. `last` holds the tones of its last note, chord or rest."""

    meter: str
    unit: Fraction
    key: dict[str, int]
    shift: int = 0
    time: Fraction = Fraction(0)
    bar_start: Fraction = Fraction(0)
    drafts: list[Draft] = field(default_factory=list)
    last: list[Draft] = field(default_factory=list)
    accidentals: dict[int, int] = field(default_factory=dict)
    tied: dict[int, int] = field(default_factory=dict)
    tuplet: Fraction = Fraction(1)
    tuplet_left: int = 0
    broken: Fraction | None = None
    line: int = 0

    def start_bar(self) -> None:
        self.bar_start = self.time
        self.accidentals.clear()

    def add(self, tones: list[Draft], units: Fraction) -> None:
        """Append one note, chord or rest of `units` unit lengths and move on in time."""
        duration = units * self.unit * 4
        if self.tuplet_left:
            duration *= self.tuplet
            self.tuplet_left -= 1
        if self.broken is not None:
            duration *= self.broken
            self.broken = None
        self.tied = {}
        for tone in tones:
            tone.onset, tone.duration = self.time, duration
            if tone.tied:
                self.tie(tone)
        self.drafts += tones
        self.last = tones
        self.time += duration

    def tie(self, tone: Draft) -> None:
        if tone.pitch is not None:
            tone.tied = True
            self.tied[tone.step] = tone.pitch

    def tone(self, match: re.Match[str], offset: int, chord: int) -> Draft:
        """A draft of one matched tone; where it lies in time is for `add` to say."""
        sign, letter, marks, _, tie = match.groups()[:5]
        octave = (5 if letter.islower() else 4) + marks.count("'") - marks.count(",")
        place = "CDEFGAB".index(letter.upper())
        step = 7 * octave + place
        if sign:
            self.accidentals[step] = ALTERATION.get(sign, 0)
        if step in self.tied and not sign:
            pitch = self.tied[step]  # a tie carries its accidental over the barline
        else:
            altered = self.accidentals.get(step, self.key.get(letter.upper(), 0))
            pitch = 12 * (octave + 1 + self.shift) + SEMITONES[place] + altered
        start = offset + match.start(2)
        if not 0 <= pitch <= 127:
            return Draft(None, 0, self.time, Fraction(0), start, bool(marks), False, chord)
        return Draft(pitch, step, self.time, Fraction(0), start, bool(marks), bool(tie), chord)
