"""The contents of a **kern spine, and its bars as ABC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from picogen_core.abc.pitch.keys import key_signature, octave_shift
from picogen_core.abc.pitch.spell import Event, Place, spell_bar
from picogen_core.abc.reading.notes import Note
from picogen_core.errors import BadInput


@dataclass
class KernSound:
    """A note, chord or rest of the file."""

    onset: Fraction
    duration: Fraction
    notes: tuple[Note, ...]
    before: str = ""
    after: str = ""
    beamed: bool = False


@dataclass
class KernBar:
    start: Fraction
    sign: str = "|"
    length: Fraction = Fraction(0)


@dataclass
class Staff:
    """Contents of one **kern spine and of the spines split from it."""

    voices: defaultdict[int, list[KernSound]] = field(default_factory=lambda: defaultdict(list))
    fields: list[tuple[Fraction, str, str]] = field(default_factory=list)
    name: str = ""
    part: str = ""
    beams: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    graces: defaultdict[int, str] = field(default_factory=lambda: defaultdict(str))


class Writer:
    """The bars of one voice, in order."""

    def __init__(self, staff: Staff, place: int) -> None:
        self.sounds = sorted(staff.voices[place], key=lambda s: s.onset)
        self.fields = sorted(staff.fields, key=lambda f: f[0])
        self.key: Mapping[str, int] = {}
        self.rest = "x" if place else "z"
        self.at = 0
        self.shift = 0
        self._take(Fraction(0))

    def _take(self, until: Fraction) -> str:
        """Return the fields up to a time as text, and apply them to the following notes."""
        text = ""
        while self.fields and self.fields[0][0] <= until:
            time, letter, value = self.fields.pop(0)
            if letter == "K":
                self.key = key_signature(value) or {}
            if letter == "clef":
                self.shift = octave_shift(value) or 0
            if time > 0:
                text += f"[K:{value}]" if letter in ("K", "clef") else f"[{letter}:{value}]"
        return text

    def bar(self, bar: KernBar) -> str:
        """Return a bar; a silent voice rests."""
        fields = self._take(bar.start)
        end = bar.start + bar.length
        events: list[Event] = []
        now = bar.start
        while self.at < len(self.sounds) and self.sounds[self.at].onset < end:
            sound = self.sounds[self.at]
            self.at += 1
            if sound.onset > now:
                events.append(Event(sound.onset - now))
            length = min(sound.duration, end - sound.onset)
            tied = bool(sound.notes) and length < sound.duration
            events.append(Event(length, sound.notes, tied, sound.before, sound.after, sound.beamed))
            if length < sound.duration:
                rest = replace(
                    sound, onset=end, duration=sound.duration - length, before="", after=""
                )
                self.sounds.insert(self.at, rest)
            now = sound.onset + length
        if now < end:
            events.append(Event(end - now))
        place = Place(self.key, self.shift, rest=self.rest)
        try:
            return fields + spell_bar([events], place)
        except ValueError as error:
            raise BadInput(str(error)) from None
