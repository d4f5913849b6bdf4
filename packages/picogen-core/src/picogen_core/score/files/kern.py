"""Humdrum **kern as ABC: notes, bars as long as they are, ties, slurs, beams and the usual signs.

Spines are read from right to left, since the lowest staff comes first. A split spine is another
voice. Pitches in **kern are sounding ones.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from unidecode import unidecode

from picogen_core.abc.compare import Heard, crossing_ties
from picogen_core.abc.pitch.keys import meter_length
from picogen_core.abc.reading.mend import mend
from picogen_core.abc.reading.voices import Bar
from picogen_core.errors import BadInput
from picogen_core.score.files.as_abc import AsAbc
from picogen_core.score.files.kern_tokens import (
    barline_of,
    duration_of,
    grace_of,
    joined_barlines,
    key_of,
    marks_of,
    note_of,
)
from picogen_core.score.files.kern_writer import KernBar, KernSound, Staff, Writer

_KEY_LINE = re.compile(r"\*k\[([a-g#\-n]*)\]")
_METER = re.compile(r"\*M(\d+(?:\+\d+)*/\d+)")
_CLEF = re.compile(r"\*clef([GFCX])(v*|\^*)(\d?)")
_TEMPO = re.compile(r"\*MM(\d+(?:\.\d+)?)")
_NAME = re.compile(r'\*I"(.+)')
_CLEFS = {
    "G2": "treble",
    "F4": "bass",
    "F3": "bass3",
    "C3": "alto",
    "C4": "tenor",
    "C1": "alto1",
    "C2": "alto2",
    "X": "treble",  # of percussion or of none; its notes have the pitches of the file
}
_MAX_ROWS, _MAX_SPINES, _MAX_NOTES = 400_000, 256, 300_000
_FINEST = 1 << 20  # parts of a quarter


@dataclass
class _Spine:
    """A column of the file at one place. root: number of its original spine."""

    kind: str
    root: int
    due: Fraction = Fraction(0)


def kern_to_abc(text: str) -> AsAbc:
    """Return a **kern file as interleaved ABC with its title and composer.

    Raises:
        BadInput: no **kern spine, no note, or rows that do not fit their spines.
    """
    reader = _Reader()
    reader.read(text)
    return reader.abc()


class _Reader:
    """Reader of the rows; times are quarters."""

    def __init__(self) -> None:
        self.spines: list[_Spine] = []
        self.staves: dict[int, Staff] = {}
        self.now, self.begun = Fraction(0), False  # `begun`: a note stands at this time
        self.bars = [KernBar(Fraction(0))]
        self.meter: Fraction | None = None
        self.opens = False  # a repeat begins with the first bar
        self.titles: dict[str, str] = {}
        self.tempo = ""
        self.count = 0

    def read(self, text: str) -> None:
        lines = re.split(r"\r\n|\n|\r", text)
        if len(lines) > _MAX_ROWS:
            raise BadInput(f"it has {len(lines):,} rows; at most {_MAX_ROWS:,} are read")
        for number, line in enumerate(lines, 1):
            if line.startswith("!!!"):
                name, _, value = line[3:].partition(":")
                self.titles.setdefault(name.split("@")[0], value.strip())
            if not line.strip() or line.startswith("!"):
                continue
            tokens = line.split("\t")
            if line.startswith("**"):
                self._begin(line.split())  # some files part these by spaces
            elif len(tokens) != len(self.spines):
                raise BadInput(
                    f"row {number} has {len(tokens)} columns for {len(self.spines)} spines"
                )
            elif line.startswith("*"):
                self._interpret(tokens)
            elif line.startswith("="):
                self._bar(tokens)
            else:
                self._row(tokens)
        self.now = self._next()

    def _begin(self, tokens: Sequence[str]) -> None:
        """Read a row of exclusive interpretations; a later one keeps the existing staves."""
        known = list(self.staves)
        if known and len(known) != tokens.count("**kern"):
            raise BadInput(f"it has {len(known)} **kern spines and then {tokens.count('**kern')}")
        roots = iter(known or range(len(tokens)))
        self.spines = [
            _Spine(token, next(roots) if token == "**kern" else -1, self.now) for token in tokens
        ]
        for spine in self.spines:
            if spine.kind == "**kern":
                self.staves.setdefault(spine.root, Staff())

    def _next(self) -> Fraction:
        """Return the time of the next row, as far as sounding notes determine it."""
        due = [s.due for s in self.spines if s.kind == "**kern" and s.due > self.now]
        return min(due) if due and self.begun else self.now

    def _interpret(self, tokens: Sequence[str]) -> None:
        made: list[_Spine] = []
        joined: _Spine | None = None
        exchanged: int | None = None
        for spine, token in zip(self.spines, tokens, strict=True):
            if token != "*v":
                joined = None
            if token == "*-":
                continue
            if token == "*^":
                made += [spine, replace(spine)]
            elif token == "*v":
                if joined is None:
                    made.append(spine)
                    joined = spine
                else:
                    joined.due = max(joined.due, spine.due)
            elif token == "*x":
                if exchanged is None:
                    exchanged = len(made)
                    made.append(spine)
                else:
                    made.append(made[exchanged])
                    made[exchanged] = spine
                    exchanged = None
            elif token == "*+":
                made += [spine, _Spine("", -1, self.now)]
            elif token.startswith("**"):
                spine.kind = token
                made.append(spine)
                if token == "**kern" and spine.root not in self.staves:
                    spine.root = max(self.staves, default=-1) + 1
                    self.staves[spine.root] = Staff()
            else:
                made.append(spine)
                self._tandem(spine, token)
        if len(made) > _MAX_SPINES:
            raise BadInput(f"it has more than {_MAX_SPINES} spines at once")
        if not made:  # the end of the file, or of a part of it
            self.now, self.begun = max((s.due for s in self.spines), default=self.now), False
        self.spines = made

    def _tandem(self, spine: _Spine, token: str) -> None:
        staff = self.staves.get(spine.root)
        if staff is None:
            return
        if found := _KEY_LINE.match(token):
            staff.fields.append((self._next(), "K", key_of(found.group(1))))
        elif found := _METER.match(token):
            length = meter_length(found.group(1))
            self.meter = None if length is None else length * 4
            staff.fields.append((self._next(), "M", found.group(1)))
        elif found := _CLEF.match(token):
            sign, marks, line = found.groups()
            clef = _CLEFS.get(sign + line if sign != "X" else sign, "treble")
            octave = {"v": "-8", "^": "+8", "vv": "-15", "^^": "+15"}.get(marks, "")
            staff.fields.append((self._next(), "clef", clef + octave))
        elif (found := _TEMPO.match(token)) and not self.tempo:
            self.tempo = f"1/4={round(float(found.group(1)))}"
        elif (found := _NAME.match(token)) and not staff.name:
            staff.name = re.sub(r'["|\[\]\\%]', "", unidecode(found.group(1)))[:40]
        elif token.startswith("*part"):
            staff.part = token

    def _bar(self, tokens: Sequence[str]) -> None:
        token = next(
            (t for s, t in zip(self.spines, tokens, strict=True) if s.kind == "**kern"), "="
        )
        if self.begun:
            self.now, self.begun = self._bar_end(token), False
        sign = barline_of(token)
        last = self.bars[-1]
        last.length = self.now - last.start
        if last.length <= 0:
            if len(self.bars) > 1:
                self.bars[-2].sign = joined_barlines(self.bars[-2].sign, sign)
            else:
                self.opens = sign == "|:"
            return
        last.sign = sign
        self.bars.append(KernBar(self.now))

    def _bar_end(self, token: str) -> Fraction:
        """Return the time of a barline.

        It is the end of the bar by its meter if a note ends there, else the first end of a sounding
        note. An invisible barline may cut a bar in two.
        """
        due = sorted(s.due for s in self.spines if s.kind == "**kern" and s.due > self.now)
        whole = None if self.meter is None else self.bars[-1].start + self.meter
        if whole in due and "-" not in token:
            return self.bars[-1].start + (self.meter or 0)
        return due[0] if due else self.now

    def _row(self, tokens: Sequence[str]) -> None:
        places: defaultdict[int, int] = defaultdict(int)
        sounding: list[tuple[_Spine, int, str]] = []
        for spine, token in zip(self.spines, tokens, strict=True):
            if spine.kind != "**kern":
                continue
            place = places[spine.root]
            places[spine.root] += 1
            if "q" in token.lower():
                self.staves[spine.root].graces[place] += grace_of(token)
            elif token not in ("", "."):
                sounding.append((spine, place, token))
        if sounding:
            self.now = max(self._next(), *(spine.due for spine, _, _ in sounding))
            self.begun = True
        if self.now.denominator > _FINEST:
            raise BadInput("its lengths add up to times that cannot be written")
        for spine, place, token in sounding:
            self._token(spine, place, token)

    def _token(self, spine: _Spine, place: int, token: str) -> None:
        staff = self.staves[spine.root]
        parts = token.split() or [token]
        self.count += len(parts)
        if self.count > _MAX_NOTES:
            raise BadInput(f"it has more than {_MAX_NOTES:,} notes")
        duration = next(filter(None, map(duration_of, parts)), None)
        if duration is None:
            return
        notes = (
            []
            if "r" in parts[0]
            else [note for part in parts if (note := note_of(part, self.now, duration))]
        )
        chord = len(notes) > 1
        notes = [replace(note, chord=i + 1 if chord else 0) for i, note in enumerate(notes)]
        before, after = marks_of(token) if notes else ("", "")
        graces = staff.graces.pop(place, "")
        before = ("{" + graces + "}" if graces else "") + before
        beamed = staff.beams[place] > 0
        staff.beams[place] += parts[0].count("L") - parts[0].count("J")
        staff.voices[place].append(
            KernSound(self.now, duration, tuple(notes), before, after, beamed)
        )
        spine.due = self.now + duration

    def abc(self) -> AsAbc:
        """Return the whole file."""
        last = self.bars[-1]
        end = max((s.onset + s.duration for s in self._sounds()), default=Fraction(0))
        last.length = end - last.start
        bars = [bar for bar in self.bars if bar.length > 0]
        voices = self._voices()
        if not voices or not bars:
            raise BadInput("it has no notes")
        bars[-1].sign = "|]" if bars[-1].sign == "|" else bars[-1].sign
        lines = self._header(voices)
        writers = [Writer(self.staves[root], place) for root, place in voices]
        for i, bar in enumerate(bars):
            left = "|:" if self.opens and i == 0 else ""
            cells = [f"[V:{n}]{left}{w.bar(bar)}{bar.sign}" for n, w in enumerate(writers, 1)]
            lines.append("".join(cells))
        source = self._heard(voices, bars)
        made = mend("\n".join(lines) + "\n", source)
        return AsAbc(made.text, made.mended, made.left, tuple(crossing_ties(source)))

    def _sounds(self) -> Iterator[KernSound]:
        return (s for staff in self.staves.values() for v in staff.voices.values() for s in v)

    def _heard(self, voices: list[tuple[int, int]], bars: list[KernBar]) -> Heard:
        notes = {
            str(n): [note for s in self.staves[root].voices[place] for note in s.notes]
            for n, (root, place) in enumerate(voices, 1)
        }
        made = tuple(Bar(i, bar.start, bar.length, None) for i, bar in enumerate(bars))
        return Heard.of(notes, dict.fromkeys(notes, made))

    def _voices(self) -> list[tuple[int, int]]:
        """Return (spine, place in it) of the sounding voices, the highest staff first."""
        return [
            (root, place)
            for root in sorted(self.staves, reverse=True)
            for place, sounds in sorted(self.staves[root].voices.items())
            if any(sound.notes for sound in sounds)
        ]

    def _header(self, voices: list[tuple[int, int]]) -> list[str]:
        staff = self.staves[voices[0][0]]
        first = {letter: value for time, letter, value in reversed(staff.fields) if time == 0}
        head = ["X:1"]
        head += [f"T:{title}" for key in ("OTL", "OPR") if (title := self.titles.get(key, ""))][:1]
        head += [f"C:{self.titles['COM']}"] if self.titles.get("COM") else []
        groups = []
        for root in dict.fromkeys(root for root, _ in voices):
            numbers = [str(n) for n, (r, _) in enumerate(voices, 1) if r == root]
            groups.append(numbers[0] if len(numbers) == 1 else f"( {' '.join(numbers)} )")
        head += [f"%%score {' '.join(groups)}"] if len(voices) > 1 else []
        head += ["L:1/8", *([f"Q:{self.tempo}"] if self.tempo else [])]
        head += [f"M:{first.get('M', 'none')}", f"K:{first.get('K', 'C')}"]
        for number, (root, place) in enumerate(voices, 1):
            staff = self.staves[root]
            clef = next(
                (v for t, letter, v in staff.fields if letter == "clef" and t == 0), "treble"
            )
            name = f' nm="{staff.name}"' if staff.name and place == 0 else ""
            head.append(f"V:{number} {clef}{name}")
        return head
