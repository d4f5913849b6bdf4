"""The notes of a MusicXML score, as the reader of ABC would give them for the same music.

Written pitch (transposing instruments as notated), repeats not expanded, no grace or cue notes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

from lxml import etree

from picogen_core.abc.keys import meter_length
from picogen_core.abc.notes import Note
from picogen_core.abc.voices import SEMITONES, Bar
from picogen_core.errors import BadInput

MAX_BYTES = 32_000_000
"""Of a file, and of what an .mxl expands to."""

# Onsets add up fractions; a hostile file could make their denominators grow without end.
_MAX_DIVISIONS, _MAX_CHANGES, _MAX_DURATION = 1_000_000, 64, 10**9


def unzip_mxl(data: bytes, most: int = MAX_BYTES) -> bytes:
    """The score inside a compressed MusicXML file.

    Raises:
        BadInput: no zip, no score in it, encrypted, or more than `most` bytes when expanded.
    """
    try:
        with ZipFile(BytesIO(data)) as archive:
            container = _parse(_expand(archive, "META-INF/container.xml", most))
            name = next(container.iter("{*}rootfile")).get("full-path", "")
            return _expand(archive, name, most)
    except (
        BadZipFile,
        KeyError,
        StopIteration,
        RuntimeError,
        NotImplementedError,
        OSError,
    ) as error:
        raise BadInput(f"not a compressed MusicXML file ({type(error).__name__})") from None


def _expand(archive: ZipFile, name: str, most: int) -> bytes:
    with archive.open(name) as member:
        data = member.read(most + 1)
    if len(data) > most:
        raise BadInput(f"{name} expands to more than {most // 10**6} MB")
    return data


def _parse(data: bytes) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise BadInput(f"not well-formed XML: {error.msg}") from None


def read_xml_notes(
    data: bytes,
) -> tuple[str, dict[str, tuple[Note, ...]], dict[str, tuple[Bar, ...]]]:
    """The file's text, and notes and bars per `part:voice`; `start` is -1: XML has no letters.

    A bar of a voice lasts to where its last note, rest or `<forward>` ends; the bars of one
    measure have the measure's number, from 0, as their line. Voices have no bar where they are
    silent.

    Raises:
        BadInput: not XML, not a partwise score, or numbers that no score has.
    """
    if len(data) > MAX_BYTES:
        raise BadInput(f"larger than {MAX_BYTES // 10**6} MB")
    root = _parse(data)
    if root.tag != "score-partwise":
        raise BadInput(f"its root is <{root.tag}>, not <score-partwise>")
    voices: dict[str, tuple[Note, ...]] = {}
    bars: dict[str, tuple[Bar, ...]] = {}
    for part in root.iterfind("part"):
        read = _Part(part)
        for name, notes in read.voices.items():
            # `backup` may write a voice out of order; sorting is stable and keeps chords together.
            voices[f"{part.get('id', '')}:{name}"] = tuple(sorted(notes, key=lambda n: n.onset))
            bars[f"{part.get('id', '')}:{name}"] = tuple(read.bars[name])
    encoding = root.getroottree().docinfo.encoding or "utf-8"
    try:
        return data.decode(encoding, errors="replace"), voices, bars
    except LookupError:
        raise BadInput(f"its encoding {encoding!r} is not known") from None


class _Part:
    """Walks the measures of one part; times are quarters."""

    def __init__(self, part: Any) -> None:
        self.voices: defaultdict[str, list[Note]] = defaultdict(list)
        self.divisions, self.changes = 1, 0
        self.time = Fraction(0)
        self.onset = Fraction(0)  # of the last note, for the tones that share its stem
        self.bars: defaultdict[str, list[Bar]] = defaultdict(list)
        self.meter: Fraction | None = Fraction(4)
        self.ends: dict[str, Fraction] = {}  # of the voices of this measure
        self.voice = "1"  # of the last note, for a <forward> that names none
        for number, measure in enumerate(part.iterfind("measure")):
            start = end = self.time
            self.ends = {}
            for element in measure:
                self._read(element)
                end = max(end, self.time)
            for name, stop in self.ends.items():
                if stop > start:
                    self.bars[name].append(Bar(number, start, stop - start, self.meter))
            self.time = end

    def _read(self, element: Any) -> None:
        if element.tag == "note":
            self._read_note(element)
        elif element.tag == "backup":
            self.time = max(self.time - self._duration(element), Fraction(0))
        elif element.tag == "forward":
            self.time += self._duration(element)
            name = (element.findtext("voice") or self.voice).strip()
            if name in self.ends:  # one that comes first is told by where the next note starts
                self.ends[name] = max(self.ends[name], self.time)
        elif element.tag == "attributes":
            self._read_attributes(element)

    def _read_attributes(self, element: Any) -> None:
        time = element.find("time")
        if time is not None:
            self.meter = _meter(time)
        if not (divisions := _integer(element, "divisions")):
            return
        if divisions != self.divisions:
            self.changes += 1
        if not 0 < divisions <= _MAX_DIVISIONS or self.changes > _MAX_CHANGES:
            raise BadInput("its <divisions> are out of all proportion")
        self.divisions = divisions

    def _read_note(self, element: Any) -> None:
        if element.find("grace") is not None:
            return
        duration = self._duration(element)
        in_chord = element.find("chord") is not None
        if not in_chord:
            self.onset = self.time
            self.time += duration
        if element.find("cue") is not None:
            return
        self.voice = (element.findtext("voice") or "1").strip()
        notes = self.voices[self.voice]
        if not in_chord:
            self.ends[self.voice] = max(self.ends.get(self.voice, self.time), self.time)
        pitch, step = _pitch(element)
        # <tie> is what sounds and <tied> what is drawn; old exporters write only one of them.
        ties = [*element.iterfind("tie"), *element.iterfind("notations/tied")]
        tied = any(tie.get("type") == "start" for tie in ties)
        chord = 0
        if in_chord and notes and notes[-1].onset == self.onset:
            if not notes[-1].chord:
                notes[-1] = replace(notes[-1], chord=1)
            chord = notes[-1].chord + 1
        notes.append(Note(pitch, step, self.onset, duration, -1, tied=tied, chord=chord))

    def _duration(self, element: Any) -> Fraction:
        duration = _integer(element, "duration") or 0
        if not 0 <= duration <= _MAX_DURATION:
            raise BadInput("a <duration> is out of all proportion")
        return Fraction(duration, self.divisions)


def _meter(time: Any) -> Fraction | None:
    """Quarters of a <time>: 3/4 is 3; several are added up; None if it is free."""
    beats = [str(part.text or "") for part in time.iterfind("beats")]
    types = [str(part.text or "") for part in time.iterfind("beat-type")]
    parts = [meter_length(f"{b}/{t}") for b, t in zip(beats, types, strict=False)]
    return sum((4 * part for part in parts if part is not None), Fraction(0)) or None


def _pitch(element: Any) -> tuple[int | None, int]:
    """MIDI number and step of a <note>; (None, 0) for a rest, percussion or what is not printed."""
    written = element.find("pitch")
    if written is None or element.get("print-object") == "no":
        return None, 0
    place = "CDEFGAB".find((written.findtext("step") or "?").strip())
    octave = _integer(written, "octave")
    if place < 0 or octave is None:
        raise BadInput("a <pitch> has no step or no octave")
    pitch = 12 * (octave + 1) + SEMITONES[place] + (_integer(written, "alter") or 0)
    return (pitch, 7 * octave + place) if 0 <= pitch <= 127 else (None, 0)


def _integer(element: Any, child: str) -> int | None:
    """A child's number without its decimals (quarter tones count as naturals)."""
    text = element.findtext(child)
    if text is None:
        return None
    try:
        return int(float(text[:20]))
    except (ValueError, OverflowError):
        raise BadInput(f"<{child}> is {text[:20]!r}, not a number") from None
