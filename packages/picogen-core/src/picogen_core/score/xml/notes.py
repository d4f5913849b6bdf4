"""The notes of a MusicXML score, the same as the reader of ABC returns for the same music.

Pitches are sounding (`<transpose>` counts). Repeats are not expanded, grace and cue notes omitted.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from picogen_core.abc.pitch.keys import meter_length
from picogen_core.abc.reading.notes import Note
from picogen_core.abc.reading.voices import SEMITONES, Bar
from picogen_core.errors import BadInput
from picogen_core.score.file import MAX_BYTES
from picogen_core.score.xml.barlines import read_barlines
from picogen_core.score.xml.file import parse_score, unzip_mxl
from picogen_core.score.xml.times import is_rounded, named_duration, number, snapped

__all__ = ["MAX_BYTES", "read_xml_notes", "read_xml_score", "unzip_mxl"]

# Onsets add up fractions; a hostile file could make their denominators grow without end.
_MAX_DIVISIONS, _MAX_KINDS, _MAX_DURATION = 50_000_000, 64, 10**9
_MAX_LAYERS = 64
MAX_MEASURE = 20_000
"""Quarters."""
MAX_NOTES = 300_000
"""Notes and rests of a score: a file of 32 MB that a program wrote has some 100,000."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A note element, its place, and its note.

    voice: `part:voice`; in a voice with overlapping notes, the staff or a layer follows.
    note:  None for grace and cue notes.
    """

    element: Any
    measure: int
    onset: Fraction
    duration: Fraction
    voice: str
    note: Note | None


@dataclass
class XmlScore:
    """A score: its notes and bars per voice, the common measures, and each part's elements."""

    text: str
    voices: dict[str, tuple[Note, ...]] = field(default_factory=dict)
    bars: dict[str, tuple[Bar, ...]] = field(default_factory=dict)
    measures: list[Bar] = field(default_factory=list)
    placed: list[list[Placed]] = field(default_factory=list)

    def all_bars(self) -> dict[str, tuple[Bar, ...]]:
        """Return the measures as bars of every voice, also those in which it is silent."""
        return {voice: tuple(self.measures) for voice in self.voices}


def read_xml_notes(
    data: bytes,
) -> tuple[str, dict[str, tuple[Note, ...]], dict[str, tuple[Bar, ...]]]:
    """Return the file's text, and notes and bars per `part:voice`; `start` is -1 in XML.

    A bar of a voice ends with its last note, rest or `<forward>`; the bars of one measure have the
    measure's number, from 0, as their line. Silent voices have no bar.

    Raises:
        BadInput: not XML, not a partwise score, or numbers that no score has.
    """
    score = read_xml_score(data)
    return score.text, score.voices, score.bars


def read_xml_score(data: bytes) -> XmlScore:
    """Return the score with all data for a conversion. Raises `BadInput` as `read_xml_notes`."""
    root = parse_score(data)
    return read_parts(root, _text(data, root))


def _text(data: bytes, root: Any) -> str:
    encoding = root.getroottree().docinfo.encoding or "utf-8"
    try:
        return data.decode(encoding, errors="replace") if data[:2] != b"PK" else ""
    except LookupError:
        raise BadInput(f"its encoding {encoding!r} is not known") from None


def read_parts(root: Any, text: str = "", *, sounding: bool = True) -> XmlScore:
    """Return the score of a tree from `parse_score`; without `sounding`, with written pitches."""
    count = sum(1 for _ in root.iter("note"))
    if count > MAX_NOTES:
        raise BadInput(f"it has {count:,} notes and rests; at most {MAX_NOTES:,}")
    parts = [_Part(part, sounding) for part in root.iterfind("part")]
    score = XmlScore(text)
    barlines = read_barlines(root)
    start = Fraction(0)
    starts = []
    for i in range(max((len(part.lengths) for part in parts), default=0)):
        some = [part for part in parts if i < len(part.lengths)]
        length = max(part.lengths[i] for part in some) or some[0].meters[i] or Fraction(4)
        score.measures.append(Bar(i, start, length, some[0].meters[i], *barlines[i]))
        starts.append(start)
        start += length
    for part in parts:
        placed, part.placed = part.placed, []
        for i, p in enumerate(placed):  # in place, since a score may have many notes
            placed[i] = _shifted(p, starts[p.measure])
        placed = _apart(placed)
        score.placed.append(placed)
        notes: defaultdict[str, list[Note]] = defaultdict(list)
        for p in placed:
            if p.note is not None:
                notes[p.voice].append(p.note)
        for name, some_notes in notes.items():
            # `backup` may write a voice out of order; the sort keeps chords together.
            score.voices[name] = tuple(sorted(some_notes, key=lambda n: n.onset))
        score.bars |= _bars(part, placed, score.measures)
    return score


def _shifted(placed: Placed, start: Fraction) -> Placed:
    note = placed.note and replace(placed.note, onset=start + placed.note.onset)
    return replace(placed, onset=start + placed.onset, note=note)


def _bars(part: _Part, placed: list[Placed], measures: list[Bar]) -> dict[str, tuple[Bar, ...]]:
    """Return the bars of each voice, as long as their contents."""
    ends: defaultdict[str, dict[int, Fraction]] = defaultdict(dict)
    held = set()
    for p in placed:
        if p.note is not None:
            end = p.onset + p.duration - measures[p.measure].start
            ends[p.voice][p.measure] = max(end, ends[p.voice].get(p.measure, end))
            if p.element.find("notations/fermata") is not None:
                held.add((p.voice, p.measure, end))
    for (voice, measure), end in part.forwards.items():
        if measure in ends.get(voice, ()):
            ends[voice][measure] = max(ends[voice][measure], end)
    return {
        voice: tuple(
            measures[measure]._replace(
                length=end, meter=part.meters[measure], held=(voice, measure, end) in held
            )
            for measure, end in sorted(some.items())
            if end > 0
        )
        for voice, some in ends.items()
    }


def _apart(placed: list[Placed]) -> list[Placed]:
    """Return voices with overlapping notes as several: one per staff, and then one per layer."""
    for divide in (_staff, _layers):
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for i, p in enumerate(placed):
            if p.note is not None:
                groups[p.voice].append(i)
        for voice, places in groups.items():
            if _overlaps([placed[i] for i in places]):
                names = divide([placed[i] for i in places])
                for i, name in zip(places, names, strict=True):
                    placed[i] = replace(placed[i], voice=voice + name)
    return placed


def _overlaps(notes: list[Placed]) -> bool:
    end, onset = Fraction(0), Fraction(-1)
    for p in sorted(notes, key=lambda p: (p.onset, -p.duration)):
        if p.onset < end and (p.onset, p.onset + p.duration) != (onset, end):
            return True
        end, onset = p.onset + p.duration, p.onset
    return False


def _staff(notes: list[Placed]) -> list[str]:
    staves = [(p.element.findtext("staff") or "1").strip() for p in notes]
    return [f".{staff}" if staff != staves[0] else "" for staff in staves]


def _layers(notes: list[Placed]) -> list[str]:
    """Return the layer of each note, so that the notes of a layer do not overlap."""
    ends: list[tuple[Fraction, Fraction]] = []
    names = [""] * len(notes)
    for i in sorted(range(len(notes)), key=lambda i: (notes[i].onset, -notes[i].duration)):
        onset, end = notes[i].onset, notes[i].onset + notes[i].duration
        layer = next(
            (k for k, last in enumerate(ends) if last[1] <= onset or last == (onset, end)),
            len(ends),
        )
        if layer >= _MAX_LAYERS:
            raise BadInput(f"over {_MAX_LAYERS} notes of a voice overlap")
        ends[layer:] = [(onset, end), *ends[layer + 1 :]]
        names[i] = f"&{layer + 1}" if layer else ""
    return names


class _Part:
    """Reader of the measures of one part; times are quarters since the start of the measure."""

    def __init__(self, part: Any, sounding: bool) -> None:
        self.id, self.sounding = part.get("id", ""), sounding
        self.placed: list[Placed] = []
        self.lengths: list[Fraction] = []
        self.meters: list[Fraction | None] = []
        self.forwards: dict[tuple[str, int], Fraction] = {}  # (voice, measure) -> where it ends
        self.divisions, self.all_divisions = Fraction(1), set[Fraction]()
        self.is_rounded = is_rounded(part)
        self.meter: Fraction | None = Fraction(4)
        self.transposes: dict[str, tuple[int, int]] = {}  # staff, "" for all -> steps, semitones
        self.time = self.onset = Fraction(0)  # `onset`: of the last note, for those on its stem
        self.drift = Fraction(0)  # summed rounding error of the durations before this note
        self.voice = "1"  # of the last note, for a <forward> that names none
        self.chord = 0
        for i, measure in enumerate(part.iterfind("measure")):
            self.number, self.time, end = i, Fraction(0), Fraction(0)
            self.drift = Fraction(0)
            for element in measure:
                self._read(element)
                end = max(end, self.time)
            if end > MAX_MEASURE:
                raise BadInput(f"measure {i + 1} is out of all proportion")
            self.lengths.append(self._snapped(end))
            self.meters.append(self.meter)

    def _read(self, element: Any) -> None:
        if element.tag in ("backup", "forward"):
            self.drift = Fraction(0)
        if element.tag == "note":
            self._read_note(element)
        elif element.tag == "backup":
            self.time = max(self.time - self._duration(element), Fraction(0))
        elif element.tag == "forward":
            self.time += self._duration(element)
            voice = self._name((element.findtext("voice") or self.voice).strip())
            self.forwards[voice, self.number] = self._snapped(self.time)
        elif element.tag == "attributes":
            self._read_attributes(element)

    def _name(self, voice: str) -> str:
        return f"{self.id}:{voice}"

    def _read_attributes(self, element: Any) -> None:
        time = element.find("time")
        if time is not None:
            self.meter = _meter(time)
        for transpose in element.iterfind("transpose") if self.sounding else ():
            octaves = int(number(transpose, "octave-change") or 0)
            semitones = int(number(transpose, "chromatic") or 0)
            steps = number(transpose, "diatonic")
            by = round(semitones * 7 / 12) if steps is None else int(steps)
            moved = (by + 7 * octaves, semitones + 12 * octaves)
            self.transposes[transpose.get("number", "")] = moved
        divisions = number(element, "divisions")
        if divisions is None:
            return
        self.all_divisions.add(divisions)
        if not 0 < divisions <= _MAX_DIVISIONS or len(self.all_divisions) > _MAX_KINDS:
            raise BadInput("its <divisions> are out of all proportion")
        self.divisions = divisions

    def _read_note(self, element: Any) -> None:
        duration = self._duration(element)
        if element.find("grace") is not None or not duration:
            self._place(element, self.time, Fraction(0), None)
            return
        named = named_duration(element) if self.is_rounded else None
        if named is None or abs(named - duration) * self.divisions >= 1:
            named = None
        if element.find("chord") is None:
            self.onset, self.chord = self.time + self.drift, 0
            self.time += duration
            self.drift = Fraction(0) if named is None else self.drift + named - duration
        duration = duration if named is None else named
        self.voice = (element.findtext("voice") or "1").strip()
        if element.find("cue") is not None:
            self._place(element, self.onset, duration, None)
            return
        pitch, step, cents = self._pitch(element)
        # <tie> is for sound and <tied> for display; old exporters write only one of them.
        ties = [*element.iterfind("tie"), *element.iterfind("notations/tied")]
        tied = any(tie.get("type") in ("start", "continue") for tie in ties)
        if element.find("chord") is not None and self.placed and self.placed[-1].note:
            last = self.placed[-1].note
            if not self.chord and self.placed[-1].onset == self._snapped(self.onset):
                self.placed[-1] = replace(self.placed[-1], note=replace(last, chord=1))
                self.chord = 1
            self.chord += bool(self.chord)
        onset = self._snapped(self.onset)
        long = self._snapped(self.onset + duration) - onset
        note = Note(pitch, step, onset, long, -1, False, tied, self.chord, cents)
        self._place(element, onset, long, note)

    def _place(self, element: Any, onset: Fraction, duration: Fraction, note: Note | None) -> None:
        voice = self._name((element.findtext("voice") or "1").strip())
        self.placed.append(Placed(element, self.number, onset, duration, voice, note))

    def _pitch(self, element: Any) -> tuple[int | None, int, int]:
        """Return MIDI number, step and cents of the sound; None for a rest or an unprinted note."""
        written = element.find("pitch")
        if written is None or element.get("print-object") == "no":
            return None, 0, 0
        place = "CDEFGAB".find((written.findtext("step") or "?").strip() or "?")
        octave = number(written, "octave")
        if place < 0 or octave is None:
            raise BadInput("a <pitch> has no step or no octave")
        steps, semitones = self.transposition(element)
        alter = number(written, "alter") or Fraction(0)
        step = 7 * int(octave) + place
        if alter in (Fraction(3, 2), Fraction(-3, 2)):  # ABC writes it with the letter beside it
            step, alter = _respelt(step, alter)
        octaves, place = divmod(step, 7)
        pitch = 12 * (octaves + 1) + SEMITONES[place] + int(alter) + semitones
        if not 0 <= pitch <= 127:
            return None, 0, 0
        return pitch, step + steps, round((alter - int(alter)) * 100)

    def transposition(self, element: Any) -> tuple[int, int]:
        """Return steps and semitones from written to sounding pitch on a note's staff."""
        staff = (element.findtext("staff") or "1").strip()
        return self.transposes.get(staff) or self.transposes.get("") or (0, 0)

    def _duration(self, element: Any) -> Fraction:
        duration = number(element, "duration") or Fraction(0)
        if not 0 <= duration <= _MAX_DURATION:
            raise BadInput("a <duration> is out of all proportion")
        return duration / self.divisions

    def _snapped(self, time: Fraction) -> Fraction:
        return snapped(time) if self.is_rounded else time


def _meter(time: Any) -> Fraction | None:
    """Return the quarters of a <time>: 3/4 is 3; several are summed; None if it is free."""
    beats = [str(part.text or "") for part in time.iterfind("beats")]
    types = [str(part.text or "") for part in time.iterfind("beat-type")]
    parts = [meter_length(f"{b}/{t}") for b, t in zip(beats, types, strict=False)]
    return sum((4 * part for part in parts if part is not None), Fraction(0)) or None


def _respelt(step: int, alter: Fraction) -> tuple[int, Fraction]:
    """Return three quarter tones as one of the next letter: C¾♯ is D half flat."""
    other = step + (1 if alter > 0 else -1)
    moved = [12 * (s // 7) + SEMITONES[s % 7] for s in (step, other)]
    return other, alter - (moved[1] - moved[0])
