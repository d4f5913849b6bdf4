"""The state of one voice while it is read: time, key, accidentals, and unfinished notes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from picogen_core.abc.pitch.keys import ALTERATION, QUARTERS, meter_length
from picogen_core.abc.reading.lexer import parse_length

SEMITONES = (0, 2, 4, 5, 7, 9, 11)
"""Semitones of C D E F G A B above C."""

# Bounds that keep hostile text cheap: onsets add up, so denominators have to stay small.
_MAX_LENGTH, _MAX_DENOMINATOR = 10**4, 1024
MAX_BROKEN, MAX_RESTS = 6, 64
_MAX_SIGN = 40  # characters of the barlines behind a bar

TONE = re.compile(r"(\^\^|\^/|\^|__|_/|_|=)?([A-Ga-g])([,']*)([\d/]*)(\s*\.?-)?|([xz])([\d/]*)")
"""One note or rest: accidental, letter, octave marks, length, tie; or rest and its length."""


@lru_cache(maxsize=4096)
def read_length(text: str) -> Fraction:
    """Return a length in units; 1 if it is zero, unreadable or out of all proportion."""
    try:
        length = parse_length(text)
    except ValueError:
        return Fraction(1)
    absurd = length >= _MAX_LENGTH or length.denominator > _MAX_DENOMINATOR
    return Fraction(1) if absurd else length


class Bar(NamedTuple):
    """A bar of one voice.

    line:   the line of the interleaved form it is on, or the measure of a MusicXML file.
    start:  quarters since the start of the piece.
    length: quarters.
    meter:  quarters of the meter; None if it is free.
    right:  the barlines after it, in ABC's spelling (`:| |:`); "" without any.
    ending: the number of the ending that begins in it (`1`, `2-3`), `?` if it has none, else "".
    before: quarters of the bar before that ending.
    held:   whether its last note or rest is under a fermata: a phrase ends there.
    anchor: quarters of an invisible rest at its end that only carries a fermata over the barline.
    """

    line: int
    start: Fraction
    length: Fraction
    meter: Fraction | None
    right: str = "|"
    ending: str = ""
    before: Fraction = Fraction(0)
    held: bool = False
    anchor: Fraction = Fraction(0)


@dataclass(slots=True)
class NoteDraft:
    """An unfinished note: a `>` or `-` after it may still change it."""

    pitch: int | None
    step: int
    onset: Fraction
    duration: Fraction
    start: int
    octave: bool = False
    tied: bool = False
    chord: int = 0
    cents: int = 0


@dataclass(slots=True)
class VoiceState:
    """The state of one voice.

    key:         alterations by letter of the key signature.
    shift:       octaves that the clef adds.
    transpose:   semitones from written to sounding pitch, and `steps` of the staff.
    percussion:  its notes have no pitch.
    scope:       what an accidental holds for: its `octave`, its letter (`pitch`), its note (`not`).
    time:        quarters since the start of the piece; `bar_start` is that of the bar.
    drafts:      all notes so far; `last` are the tones of the last note, chord or rest.
    accidentals: alterations and cents by step (in the scope `pitch` by letter) to the bar's end.
    tied:        pitches and cents by step that ties hold over to the next note.
    tuplet:      factor of the next `tuplet_left` notes; `broken` that of the next one.
    line:        the last line of the interleaved form that this voice was in.
    bars:        every bar that has ended.
    ending:      number of the ending that begins in the present bar, and quarters before it.
    fermata:     whether one stands before the next note; `held`, whether the last note had one.
    anchor:      quarters of the last rest if it is invisible and only carries a fermata.
    """

    meter: str
    unit: Fraction
    key: dict[str, int]
    shift: int = 0
    transpose: int = 0
    steps: int = 0
    percussion: bool = False
    scope: str = "octave"
    time: Fraction = Fraction(0)
    bar_start: Fraction = Fraction(0)
    drafts: list[NoteDraft] = field(default_factory=list)
    last: list[NoteDraft] = field(default_factory=list)
    accidentals: dict[int, tuple[int, int]] = field(default_factory=dict)
    tied: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    tuplet: Fraction = Fraction(1)
    tuplet_left: int = 0
    broken: Fraction | None = None
    line: int = 0
    bars: list[Bar] = field(default_factory=list)
    ending: tuple[str, Fraction] = ("", Fraction(0))
    fermata: bool = False
    held: bool = False
    anchor: Fraction = Fraction(0)
    _lengths: dict[str, Fraction] = field(default_factory=dict)
    _lengths_of: Fraction | None = None

    def end_bar(self, barline: str = "") -> None:
        """End the bar and its accidentals; a second barline at this time belongs to the bar."""
        if self.time > self.bar_start:
            self._add_bar(self.time - self.bar_start, barline)
        elif barline and self.bars and len(self.bars[-1].right) < _MAX_SIGN:
            self.bars[-1] = self.bars[-1]._replace(right=f"{self.bars[-1].right} {barline}")
        self.bar_start = self.time
        self.accidentals.clear()

    def split_bar(self, count: int) -> None:
        """Split the current bar into `count` equal ones, the last still open: a `Z4` is four."""
        quarters = (self.time - self.bar_start) / count
        for _ in range(count - 1):
            self._add_bar(quarters, "|")
            self.bar_start += quarters

    def begin_ending(self, number: str) -> None:
        """Begin an ending at the current time."""
        self.ending = number[:_MAX_SIGN], self.time - self.bar_start

    def _add_bar(self, quarters: Fraction, barline: str) -> None:
        whole = meter_length(self.meter)
        meter = None if whole is None else whole * 4
        signs = barline[:_MAX_SIGN], *self.ending, self.held, self.anchor
        self.bars.append(Bar(self.line, self.bar_start, quarters, meter, *signs))
        self.ending = "", Fraction(0)

    def quarters(self, length: str) -> Fraction:
        """Return the quarters of a spelt length."""
        if self._lengths_of is not self.unit:
            self._lengths, self._lengths_of = {}, self.unit
        quarters = self._lengths.get(length)
        if quarters is None:
            quarters = self._lengths[length] = read_length(length) * self.unit * 4
        return quarters

    def add(self, tones: list[NoteDraft], duration: Fraction) -> None:
        """Append one note, chord or rest of so many written quarters; advance the time."""
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
        self.held, self.fermata, self.anchor = self.fermata, False, Fraction(0)
        self.time += duration

    def tie(self, tone: NoteDraft) -> None:
        """Tie a tone of the last note or chord to the next."""
        if tone.pitch is not None:
            tone.tied = True
            step = tone.step - self.steps
            self.tied[step] = (*self.tied.get(step, ()), (tone.pitch, tone.cents))

    def tone(self, match: re.Match[str], offset: int, chord: int) -> NoteDraft:
        """Return a draft of one matched tone; `add` sets its time."""
        sign, letter, marks, _, tie = match.groups()[:5]
        octave = (5 if letter.islower() else 4) + marks.count("'") - marks.count(",")
        place = "CDEFGAB".index(letter.upper())
        step, start, cents = 7 * octave + place, offset + match.start(2), 0
        if sign and self.scope != "not":
            scope = place if self.scope == "pitch" else step
            self.accidentals[scope] = ALTERATION.get(sign, 0), QUARTERS.get(sign, 0)
        held = () if sign else self.tied.get(step, ())
        if len(held) == 1:
            pitch, cents = held[0]  # a tie carries its accidental over the barline
        else:
            if sign and self.scope == "not":
                altered, cents = ALTERATION.get(sign, 0), QUARTERS.get(sign, 0)
            else:
                scope = place if self.scope == "pitch" else step
                key = self.key.get(letter.upper(), 0)
                altered, cents = self.accidentals.get(scope) or (key, 0)
            pitch = 12 * (octave + 1 + self.shift) + SEMITONES[place] + altered + self.transpose
            if held and (pitch, cents) not in held:  # two tones of one letter are tied
                pitch, cents = held[-1]
        step += self.steps
        if self.percussion or not 0 <= pitch <= 127:
            step = step if self.percussion else 0
            return NoteDraft(None, step, self.time, Fraction(0), start, bool(marks), False, chord)
        return NoteDraft(
            pitch, step, self.time, Fraction(0), start, bool(marks), bool(tie), chord, cents
        )
