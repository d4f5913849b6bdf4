"""Notes as the text of a bar: lengths, tuplets, ties and accidentals written out, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from picogen_core.abc.fields import LETTERS
from picogen_core.abc.pitch.interval import Interval
from picogen_core.abc.pitch.keys import ALTERATION, QUARTERS
from picogen_core.abc.reading.lexer import format_length
from picogen_core.abc.reading.notes import Note
from picogen_core.abc.reading.timing import MAX_TUPLET
from picogen_core.abc.reading.voices import SEMITONES

_SIGNS = {(alter, 0): sign for sign, alter in ALTERATION.items()}
_SIGNS |= {(0, cents): sign for sign, cents in QUARTERS.items()}
_VALUES = sorted(
    (Fraction(2) ** k * dots for k in range(-10, 5) for dots in (Fraction(1), Fraction(3, 2))),
    reverse=True,
)
"""Quarters that one sign lasts, from a quarter of a 1024th to the dotted longa; no double dots."""


@dataclass(frozen=True)
class Event:
    """The notes at one onset: none for a rest, several for a chord.

    duration: quarters.
    tied:     it goes on in the next event, which has the same notes.
    before:   text before the note, such as `!trill!` or `{g}(`; `after` stands behind it.
    beamed:   no space parts it from the event before.
    """

    duration: Fraction
    notes: tuple[Note, ...] = ()
    tied: bool = False
    before: str = ""
    after: str = ""
    beamed: bool = False


@dataclass(frozen=True)
class Place:
    """Context of a bar: its key's alterations by letter, octaves of its clef, semitones of its
    instrument, its unit length in quarters, and the letter of its rests."""

    key: Mapping[str, int]
    shift: int = 0
    transpose: int = 0
    unit: Fraction = Fraction(1, 2)
    rest: str = "z"
    explicit: bool = False


def spell_bar(layers: Sequence[Sequence[Event]], place: Place) -> str:
    """Return the text of a bar, its layers joined by `&`.

    Raises:
        ValueError: a duration that no tuplet of up to 64 notes can write.
    """
    return " & ".join(_Speller(place).spell(layer) for layer in layers)


def layers_of(notes: Iterable[Note], start: Fraction, length: Fraction) -> list[list[Event]]:
    """Return the notes of a bar as layers without overlaps.

    Notes that begin and end together are a chord. Each layer lasts the whole bar.
    """
    chords: dict[tuple[Fraction, Fraction], list[Note]] = {}
    for note in notes:
        if note.pitch is not None:
            chords.setdefault((note.onset - start, note.duration), []).append(note)
    layers: list[list[Event]] = []
    ends: list[Fraction] = []
    for (onset, duration), tones in sorted(chords.items(), key=lambda c: (c[0][0], -c[0][1])):
        i = next((i for i, end in enumerate(ends) if end <= onset), len(ends))
        if i == len(ends):
            layers.append([])
            ends.append(Fraction(0))
        if onset > ends[i]:
            layers[i].append(Event(onset - ends[i]))
        layers[i].append(
            Event(duration, tuple(tones), beamed=_is_beamed(layers[i], onset, duration))
        )
        ends[i] = onset + duration
    for i, end in enumerate(ends):
        if end < length:
            layers[i].append(Event(length - end))
    return layers or [[Event(length)]]


def _is_beamed(before: Sequence[Event], onset: Fraction, duration: Fraction) -> bool:
    """Return whether a short note follows another of its quarter."""
    return bool(
        before and before[-1].notes and max(before[-1].duration, duration) < 1 and onset % 1
    )


class _Speller:
    """One layer of a bar; accidentals hold to its end."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.accidentals: dict[int, tuple[int, int]] = {}

    def spell(self, events: Sequence[Event]) -> str:
        groups = _groups(events)
        texts = [("" if g[0].beamed else " ") + self._group(g) for g in groups]
        return "".join(texts).strip()

    def _group(self, events: Sequence[Event]) -> str:
        """Return a note, or the notes of a tuplet."""
        count = lcm(*(odd_part(event.duration) for event in events))
        if count == 1:
            return "".join(self._event(event) for event in events)
        into = 1 << (count.bit_length() - 1)
        written = [
            part for event in events for part in _split(event, event.duration * count / into)
        ]
        if count > MAX_TUPLET or len(written) > MAX_TUPLET:
            raise ValueError(f"{events[0].duration} quarters cannot be written")
        sign = (
            f"({count}"
            if (count, into, len(written)) == (3, 2, 3)
            else (f"({count}:{into}:{len(written)}")
        )
        return sign + "".join(map(self._sign, written))

    def _event(self, event: Event) -> str:
        return "".join(map(self._sign, _split(event, event.duration)))

    def _sign(self, event: Event) -> str:
        text = self._plain(event)
        return f"{event.before}{text}{event.after}"

    def _plain(self, event: Event) -> str:
        length = format_length(event.duration / self.place.unit)
        if not event.notes:
            return self.place.rest + length
        tones = [self._tone(note) for note in event.notes]
        ties = ["-" if event.tied or note.tied else "" for note in event.notes]
        if len(tones) == 1:
            return tones[0] + length + ties[0]
        if len(set(ties)) == 1:
            return f"[{''.join(tones)}]{length}{ties[0]}"
        return "[" + "".join(a + b for a, b in zip(tones, ties, strict=True)) + "]" + length

    def _tone(self, note: Note) -> str:
        step, alter = spelling(note, self.place)
        octave, letter = divmod(step, 7)
        name = "CDEFGAB"[letter]
        sounds = alter, note.cents
        by_key = None if self.place.explicit else (self.place.key.get(name, 0), 0)
        held = self.accidentals.get(step, by_key)
        sign = "" if sounds == held else _SIGNS.get(sounds, "")
        if sign:
            self.accidentals[step] = sounds
        if octave >= 5:
            return sign + name.lower() + "'" * (octave - 5)
        return sign + name + "," * (4 - octave)


def spelling(note: Note, place: Place) -> tuple[int, int]:
    """Return (step, alteration) of a note as written, with the letter of its step if possible."""
    moved = Interval.of(-place.transpose)
    pitch = (note.pitch or 0) + moved.semitones - 12 * place.shift
    wanted = note.step + moved.steps
    for step, most in ((wanted, 2), (wanted - 1, 1), (wanted + 1, 1)):
        letter = step % 7
        octave = round((pitch - SEMITONES[letter]) / 12) - 1
        alter = pitch - 12 * (octave + 1) - SEMITONES[letter]
        if abs(alter) <= most:
            return 7 * octave + letter, alter
    octave, semitones = divmod(pitch, 12)
    letter = max(i for i, lowest in enumerate(SEMITONES) if lowest <= semitones)
    return 7 * (octave - 1) + letter, semitones - SEMITONES[letter]


def spell_by_key(onset: Fraction, duration: Fraction, pitch: int, fifths: int) -> Note:
    """Return a note of a bare pitch, spelt as near to the key as the line of fifths allows."""
    place = fifths - 4 + (7 * pitch - fifths + 4) % 12  # F is -1, C 0, G 1 …
    letter = LETTERS[(place + 1) % 7]
    alter = (place + 1) // 7
    octave, _ = divmod(pitch - alter, 12)
    return Note(pitch, 7 * (octave - 1) + "CDEFGAB".index(letter), onset, duration, -1)


def sign_of(note: Note, place: Place) -> str:
    """Return the accidental of a note, also if the key has it."""
    return _SIGNS.get((spelling(note, place)[1], note.cents), "")


def odd_part(duration: Fraction) -> int:
    """Return the odd part of a duration's denominator."""
    return duration.denominator // (duration.denominator & -duration.denominator)


def _groups(events: Sequence[Event]) -> list[list[Event]]:
    """Return single events, and runs that only a tuplet can write, if they fill it."""
    groups: list[list[Event]] = []
    total, is_open = Fraction(0), False
    for event in events:
        if is_open:
            groups[-1].append(event)
        else:
            groups.append([event])
            total = Fraction(0)
        total += event.duration
        is_open = odd_part(total) > 1
    return groups


def _split(event: Event, written: Fraction) -> list[Event]:
    """Return the event as tied signs of `written` quarters in total."""
    parts: list[Event] = []
    while written > 0:
        value = next((value for value in _VALUES if value <= written), None)
        if value is None:
            raise ValueError(f"{event.duration} quarters cannot be written")
        written -= value
        tied = bool(written and event.notes) or event.tied
        before, after = "" if parts else event.before, "" if written else event.after
        parts.append(Event(value, event.notes, tied, before, after))
    return parts
