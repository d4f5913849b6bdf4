"""MusicXML as programs write it -> as xml2abc understands it, with the same notes.

- Numbers become integers, and voices follow one another without overlaps.
- Tuplets are marked by their durations, ties by the notes that they bind.
- Transposing instruments are written as they sound.
- Elements without notes that could trip the converter are removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Any

from lxml import etree

from picogen_core.abc.fields import MODE_WORDS
from picogen_core.abc.pitch.transpose import within_seven
from picogen_core.abc.reading.voices import SEMITONES, Bar
from picogen_core.score.files.xml_marks import clean_direction, clean_harmony, clean_note
from picogen_core.score.files.xml_tuplets import Item, mark_tuplet, sum_of_beats, tuplets_of
from picogen_core.score.xml.notes import Placed, XmlScore
from picogen_core.score.xml.times import number

_ACCIDENTALS = {
    "double-flat": -2, "flat-flat": -2, "flat": -1, "natural": 0,
    "sharp": 1, "sharp-sharp": 2, "double-sharp": 2,
}  # fmt: skip
_MAX_STAVES = 16
_PITCHED_CLEF = {"percussion": ("F", "4"), "TAB": ("G", "2")}


def straighten(root: Any, score: XmlScore, sounding: bool = True) -> None:
    """Rewrite the tree of a score that was read, in place; `sounding` as it was read."""
    for name in ("credit", "defaults", "identification/encoding", "identification/rights"):
        for element in root.findall(name):
            element.getparent().remove(element)
    for element in root.findall("part-list/score-part"):
        for child in list(element):
            if child.tag not in ("part-name", "part-abbreviation"):
                element.remove(child)
    divisions = lcm(*(p.duration.denominator for part in score.placed for p in part), 1)
    starts = [p.onset.denominator for part in score.placed for p in part]
    divisions = lcm(divisions, *starts, *(bar.length.denominator for bar in score.measures))
    for part, placed in zip(root.iterfind("part"), score.placed, strict=True):
        _Straightener(part, placed, score.measures, divisions, sounding).run()


class _Straightener:
    """Rewriter of one part."""

    def __init__(
        self,
        part: Any,
        placed: Sequence[Placed],
        measures: Sequence[Bar],
        divisions: int,
        sounding: bool,
    ) -> None:
        self.part, self.measures, self.divisions = part, measures, divisions
        self.sounding, self.carried = sounding, list[Any]()
        self.by_element = {id(p.element): p for p in placed}
        self.voices: dict[str, int] = {}
        self.unpitched = _unpitched_staves(placed)
        self.held: dict[tuple[str, int, int], Fraction] = {}  # voice, pitch -> where a tie ends
        self.begins = {
            (p.voice, p.note.pitch, p.note.cents, p.onset)
            for p in placed
            if p.note is not None and p.note.pitch is not None
        }
        self.fifths: dict[str, int] = {}
        self.has_clefs = False
        for p in placed:
            if p.note is not None:
                self.voices.setdefault(p.voice, len(self.voices) + 1)

    def run(self) -> None:
        measures = self.part.findall("measure")
        while len(measures) < len(self.measures):
            measures.append(etree.SubElement(self.part, "measure", number=str(len(measures) + 1)))
        for measure, bar in zip(measures, self.measures, strict=True):
            self._measure(measure, bar)

    def _measure(self, measure: Any, bar: Bar) -> None:
        heads, tails, lines = self._sort(measure)
        for child in list(measure):
            measure.remove(child)
        measure.extend(heads)
        first = True
        for voice in self.voices:
            items = lines.get(voice)
            if not items:
                continue
            if not first:
                _move(measure, "backup", bar.length * self.divisions)
            first = False
            self._write(measure, voice, items, bar)
        if first:
            rest = etree.SubElement(measure, "note")
            etree.SubElement(rest, "rest")
            _set(rest, "duration", bar.length * self.divisions)
            _set(rest, "voice", 1)
        measure.extend(tails)

    def _sort(self, measure: Any) -> tuple[list[Any], list[Any], dict[str, list[Item]]]:
        """Return attributes and left barlines; right barlines; and the items of each voice."""
        heads, self.carried = self.carried, []
        tails: list[Any] = []
        lines: defaultdict[str, list[Item]] = defaultdict(list)
        waiting: list[Any] = []
        graces: list[Placed] = []
        last: Item | None = None
        for element in list(measure):
            if element.tag == "attributes":
                (waiting if lines else heads).append(self._attributes(element))
            elif element.tag == "barline":
                (heads if element.get("location") == "left" else tails).append(element)
            elif element.tag in ("direction", "sound"):
                waiting += [element] if clean_direction(element) else []
            elif element.tag == "harmony":
                waiting += [element] if clean_harmony(element) else []
            elif element.tag == "note":
                placed = self.by_element.get(id(element))
                if placed is None or element.find("cue") is not None:
                    continue
                if element.find("grace") is not None:
                    graces.append(placed)
                    continue
                if last is not None and _is_chord(last, placed):
                    last.notes.append(placed)
                    continue
                if placed.note is None:
                    continue
                last = Item(placed.onset, placed.duration, [placed], [*waiting])
                last.before += [g.element for g in graces if _same_voice(g, placed)]
                waiting, graces = [], []
                lines[placed.voice].append(last)
        marks = [e for e in waiting if e.tag != "attributes"]
        self.carried = [e for e in waiting if e.tag == "attributes"]
        return heads, [*marks, *tails], lines

    def _write(self, measure: Any, voice: str, items: list[Item], bar: Bar) -> None:
        now = bar.start
        items.sort(key=lambda item: item.onset)
        merged: list[Item] = []
        for item in items:
            same = merged and (merged[-1].onset, merged[-1].duration) == (item.onset, item.duration)
            if same and item.duration:
                merged[-1].notes += item.notes
                merged[-1].before += item.before
            else:
                merged.append(item)
        tuplets = tuplets_of([item for item in merged if item.duration])
        for item in merged:
            if item.onset > now:
                _move(measure, "forward", (item.onset - now) * self.divisions)
            for element in item.before:
                if element.tag == "note":
                    self._clean(element, voice, None)
                    self._grace_pitch(element)
                measure.append(element)
            if item.duration:
                self._write_item(measure, voice, item, tuplets.get(id(item)))
            now = max(now, item.onset + item.duration)
        if now < bar.start + bar.length:
            _move(measure, "forward", (bar.start + bar.length - now) * self.divisions)

    def _write_item(
        self, measure: Any, voice: str, item: Item, tuplet: tuple[int, int, str] | None
    ) -> None:
        sounding = [p for p in item.notes if p.note is not None and p.note.pitch is not None]
        percussion = [p for p in item.notes if p.element.find("unpitched") is not None]
        staff = (item.notes[0].element.findtext("staff") or "1").strip()
        kept = sounding or (percussion if staff in self.unpitched else []) or item.notes[:1]
        for i, placed in enumerate(kept):
            element = placed.element
            self._clean(element, voice, item.duration)
            if not sounding and kept is not percussion:
                _make_rest(element)
            for chord in element.findall("chord"):
                element.remove(chord)
            if i:
                element.insert(0, etree.Element("chord"))
            if placed.note is not None and placed.note.pitch is not None:
                self._pitch(placed)
                self._ties(placed)
            mark_tuplet(element, tuplet if i == 0 else tuplet and (*tuplet[:2], ""))
            measure.append(element)

    def _clean(self, element: Any, voice: str, duration: Fraction | None) -> None:
        clean_note(element)
        _set(element, "voice", self.voices[voice])
        if duration is not None:
            _set(element, "duration", duration * self.divisions)

    def _pitch(self, placed: Placed) -> None:
        """Write the sounding pitch; an accidental stays only if it agrees."""
        note = placed.note
        assert note is not None and note.pitch is not None
        octave, place = divmod(note.step, 7)
        alter = note.pitch - 12 * (octave + 1) - SEMITONES[place]
        if abs(alter) > 2:
            octave, semitones = divmod(note.pitch, 12)
            place = max(i for i, lowest in enumerate(SEMITONES) if lowest <= semitones)
            octave, alter = octave - 1, semitones - SEMITONES[place]
        pitch = placed.element.find("pitch")
        for child in list(pitch):
            pitch.remove(child)
        for tag, value in (("step", "CDEFGAB"[place]), ("alter", alter), ("octave", octave)):
            if tag != "alter" or alter:
                etree.SubElement(pitch, tag).text = str(value)
        moved = number(pitch, "alter") is not None and alter
        for accidental in placed.element.findall("accidental"):
            if _ACCIDENTALS.get(accidental.text or "", 9) != (moved or 0):
                placed.element.remove(accidental)

    def _grace_pitch(self, element: Any) -> None:
        pitch = element.find("pitch")
        for accidental in element.findall("accidental"):
            if pitch is None or _ACCIDENTALS.get(accidental.text or "", 9) != int(
                number(pitch, "alter") or 0
            ):
                element.remove(accidental)
        if pitch is not None and (alter := pitch.find("alter")) is not None:
            alter.text = str(max(-2, min(2, int(number(pitch, "alter") or 0))))

    def _ties(self, placed: Placed) -> None:
        """Keep only ties between notes of one pitch, of which one begins where the other ends."""
        note = placed.note
        assert note is not None and note.pitch is not None
        key = placed.voice, note.pitch, note.cents
        end = placed.onset + placed.duration
        stops = self.held.pop(key, None) == placed.onset
        starts = note.tied and (*key, end) in self.begins
        if starts:
            self.held[key] = end
        for tie in placed.element.findall("tie") + placed.element.findall("notations/tied"):
            tie.getparent().remove(tie)
        for kind, binds in (("stop", stops), ("start", starts)):
            if binds:
                placed.element.append(etree.Element("tie", type=kind))

    def _attributes(self, element: Any) -> Any:
        """Return the attributes that xml2abc can read."""
        made = etree.Element("attributes")
        etree.SubElement(made, "divisions").text = str(self.divisions)
        for key in element.iterfind("key"):
            if made.find("key") is None and (fifths := self._fifths(key, element)) is not None:
                new = etree.SubElement(made, "key")
                etree.SubElement(new, "fifths").text = str(fifths)
                mode = (key.findtext("mode") or "major").strip().lower()
                short = mode[:3] if mode[:3] in MODE_WORDS else "major"
                etree.SubElement(new, "mode").text = mode if short != "major" else "major"
        time = element.find("time")
        if time is not None and (meter := sum_of_beats(time)):
            new = etree.SubElement(made, "time")
            etree.SubElement(new, "beats").text = str(meter[0])
            etree.SubElement(new, "beat-type").text = str(meter[1])
        for clef in element.findall("clef") or self._default_clefs(element):
            made.append(self._clef(clef))
        self.has_clefs = True
        if not self.sounding and (transpose := element.find("transpose")) is not None:
            new = etree.SubElement(made, "transpose")
            for name in ("chromatic", "octave-change"):
                etree.SubElement(new, name).text = str(int(number(transpose, name) or 0))
        return made

    def _fifths(self, key: Any, element: Any) -> int | None:
        fifths = number(key, "fifths")
        if fifths is None:
            return 0 if key.find("key-step") is not None else None
        moved = 0
        transpose = element.find("transpose")
        if not self.sounding:
            moved = 0
        elif transpose is None:
            moved = self.fifths.get("", 0)
        else:
            semitones = int(number(transpose, "chromatic") or 0)
            steps = number(transpose, "diatonic")
            by = round(semitones * 7 / 12) if steps is None else int(steps)
            moved = self.fifths[""] = 7 * semitones - 12 * by
        return within_seven(int(fifths) + moved)

    def _default_clefs(self, element: Any) -> list[Any]:
        """Return clefs for a part without one: xml2abc writes transpositions with clefs alone."""
        if self.has_clefs:
            return []
        staves = max(1, min(int(number(element, "staves") or 1), _MAX_STAVES))
        return [etree.Element("clef", number=str(staff + 1)) for staff in range(staves)]

    def _clef(self, clef: Any) -> Any:
        made = etree.Element("clef", number=clef.get("number", "1"))
        sign, line = (clef.findtext("sign") or "G").strip(), (clef.findtext("line") or "").strip()
        octaves = int(number(clef, "clef-octave-change") or 0)
        staff = clef.get("number", "1")
        if sign == "TAB" or (sign == "percussion" and staff not in self.unpitched):
            sign, line = _PITCHED_CLEF[sign]
        elif staff in self.unpitched:
            sign, line, octaves = "percussion", "", 0
        if sign + line not in _CLEFS:
            sign, line = (sign, _LINES[sign]) if sign in _LINES else ("G", "2")
        etree.SubElement(made, "sign").text = sign
        if line:
            etree.SubElement(made, "line").text = line
        if abs(octaves) in (1, 2):
            etree.SubElement(made, "clef-octave-change").text = str(octaves)
        return made


_CLEFS = ("G2", "F4", "F3", "C1", "C2", "C3", "C4", "percussion")
_LINES = {"G": "2", "F": "4", "C": "3"}


def _is_chord(item: Item, placed: Placed) -> bool:
    """Return whether a note shares the stem and the length of the one before."""
    return (
        placed.element.find("chord") is not None
        and placed.note is not None
        and (item.onset, item.duration) == (placed.onset, placed.duration)
        and item.notes[-1].voice == placed.voice
    )


def _same_voice(grace: Placed, note: Placed) -> bool:
    return note.voice.startswith(grace.voice)


def _unpitched_staves(placed: Sequence[Placed]) -> set[str]:
    """Return the staves with notes without pitch alone."""
    kinds: defaultdict[str, set[bool]] = defaultdict(set)
    for p in placed:
        if p.note is not None and p.element.find("rest") is None:
            staff = (p.element.findtext("staff") or "1").strip()
            kinds[staff].add(p.element.find("unpitched") is not None)
    return {staff for staff, some in kinds.items() if some == {True}}


def _make_rest(element: Any) -> None:
    """Replace an unheard note by a rest of the same length."""
    keep = ("duration", "voice", "staff")
    for child in list(element):
        if child.tag not in keep:
            element.remove(child)
    element.insert(0, etree.Element("rest"))
    element.attrib.pop("print-object", None)


def _set(element: Any, tag: str, value: Fraction | int) -> None:
    child = element.find(tag)
    if child is None:
        child = etree.SubElement(element, tag)
    child.text = str(int(value))


def _move(measure: Any, tag: str, duration: Fraction) -> None:
    _set(etree.SubElement(measure, tag), "duration", duration)
