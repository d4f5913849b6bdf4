"""Comparison of notes before and after a conversion: onset, duration and pitch by voice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, zip_longest

from picogen_core.abc.reading.notes import Note
from picogen_core.abc.reading.voices import Bar

_MAX_PAIRS = 64 * 64

Sound = tuple[Fraction, Fraction, int, int]
"""Onset and duration in quarters, MIDI pitch, cents."""


@dataclass(frozen=True)
class Heard:
    """Notes and bars of each voice, for comparison; an overlay is a voice."""

    notes: dict[str, list[Note]]
    bars: dict[str, tuple[Bar, ...]]

    @staticmethod
    def of(notes: Mapping[str, Sequence[Note]], bars: Mapping[str, Sequence[Bar]]) -> Heard:
        """Return the comparable form of a reader's result, without silent voices."""
        sounding = {
            name: [note for note in some if note.pitch is not None] for name, some in notes.items()
        }
        voices = {name: some for name, some in sounding.items() if some}
        return Heard(voices, {name: tuple(bars.get(base(name), ())) for name in voices})


@dataclass(frozen=True)
class Difference:
    """A bar, numbered from 1, of a voice in which a conversion changed the notes."""

    bar: int
    voice: str
    what: str

    def __str__(self) -> str:
        return f"bar {self.bar}, voice {self.voice}: {self.what}"


def base(name: str) -> str:
    """Return the voice of an overlay (`1&2`)."""
    return name.split("&")[0]


def sounds(notes: Iterable[Note]) -> list[Sound]:
    """Return the sounding notes in order; tied notes are one."""
    made: list[Sound] = []
    held: dict[tuple[int, int], int] = {}  # pitch -> place in `made` of the note that is tied
    for note in sorted(notes, key=lambda n: n.onset):
        if note.pitch is None:
            continue
        pitch = note.pitch, note.cents
        place = held.pop(pitch, None)
        if place is not None and made[place][0] + made[place][1] == note.onset:
            made[place] = (made[place][0], made[place][1] + note.duration, *pitch)
        else:
            place = len(made)
            made.append((note.onset, note.duration, *pitch))
        if note.tied:
            held[pitch] = place
    return sorted(made)


def are_same(source: Heard, made: Heard) -> bool:
    """Return whether the same voices, in any order, have the same notes.

    Overlays are voices for a bar: if there are any, the notes of all voices are compared together.
    """
    alike = len(source.notes) == len(made.notes) and all(
        len(a) == len(b) and all(map(_is_same, a, b))
        for a, b in zip(source.notes.values(), made.notes.values(), strict=True)
    )
    if alike or _voices(source) == _voices(made):
        return True
    overlaid = any("&" in name for heard in (source, made) for name in heard.notes)
    return overlaid and _together(source) == _together(made)


def _is_same(a: Note, b: Note) -> bool:
    return (
        a.pitch == b.pitch
        and a.duration == b.duration
        and a.onset == b.onset
        and (a.cents, a.tied) == (b.cents, b.tied)
    )


def _together(heard: Heard) -> Counter[Sound]:
    return Counter(sound for notes in heard.notes.values() for sound in sounds(notes))


def _voices(heard: Heard) -> Counter[tuple[Sound, ...]]:
    return Counter(tuple(sounds(notes)) for notes in heard.notes.values())


def pair_voices(source: Heard, made: Heard) -> list[tuple[str, str | None]]:
    """Return each voice of the source with the voice of `made` that shares most notes with it.

    The closest pair comes first; ties go by place. With too many voices, all pairs go by place.
    """
    if len(source.notes) * len(made.notes) > _MAX_PAIRS:
        return list(zip_longest(source.notes, made.notes))[: len(source.notes)]
    wanted, came = (
        [(name, Counter(sounds(notes))) for name, notes in heard.notes.items()]
        for heard in (source, made)
    )
    shared = sorted(
        (-(notes & others).total(), abs(i - k), name, other)
        for i, (name, notes) in enumerate(wanted)
        for k, (other, others) in enumerate(came)
    )
    pairs: dict[str, str | None] = dict.fromkeys(source.notes)
    free = set(made.notes)
    for _, _, name, other in shared:
        if pairs[name] is None and other in free:
            pairs[name] = other
            free.remove(other)
    return list(pairs.items())


def differing_bars(
    source: Heard, made: Heard, name: str, other: str | None
) -> tuple[list[int], bool]:
    """Return (bars of a voice, from 0, whose notes differ; whether both have the same bars).

    Notes are placed within their bar, since a padded bar moves those after it.
    """
    wanted = _by_bar(source.notes[name], source.bars[name])
    found = _by_bar(made.notes[other], made.bars[other]) if other else []
    while len(found) > len(wanted) and not found[-1]:
        found.pop()
    while len(wanted) > len(found) and wanted and not wanted[-1]:
        wanted.pop()
    count = max(len(wanted), len(found))
    wanted += [()] * (count - len(wanted))
    same_bars = len(wanted) == len(found)
    found += [()] * (count - len(found))
    return [i for i, (a, b) in enumerate(zip(wanted, found, strict=True)) if a != b], same_bars


def differences(source: Heard, made: Heard) -> list[Difference]:
    """Return the bars whose notes differ; empty if a conversion kept them all."""
    if are_same(source, made):
        return []
    found = []
    for name, other in pair_voices(source, made):
        bars, same_bars = differing_bars(source, made, name, other)
        faults = _other_lengths(source, made, name, other) if other and same_bars else {}
        for i in bars:
            wanted = _in_bar(source.notes[name], source.bars[name], i)
            came = _in_bar(made.notes[other], made.bars[other], i) if other else []
            faults[i] = _what(wanted, came)
        found += [Difference(i + 1, name, what) for i, what in sorted(faults.items())]
    return found


def _other_lengths(source: Heard, made: Heard, name: str, other: str) -> dict[int, str]:
    """Return bars of a voice, from 0, whose length differs from the source and moves notes."""
    last = max(note.onset for note in source.notes[name])
    pairs = pairwise(zip(source.bars[name], made.bars[other], strict=False))
    found = {}
    for i, ((bar, came), (after, came_after)) in enumerate(pairs):
        wanted, lasts = after.start - bar.start, came_after.start - came.start
        if wanted != lasts and after.start <= last:
            found[i] = f"lasts {lasts} quarters, not {wanted}, which moves what follows"
    return found


def crossing_ties(heard: Heard) -> list[Difference]:
    """Return ties into another voice, which ABC cannot write: the second note is struck."""
    begins = {
        name: {(n.pitch, n.cents, n.onset) for n in notes} for name, notes in heard.notes.items()
    }
    found = []
    for name, notes in heard.notes.items():
        others = [begun for other, begun in begins.items() if other != name]
        for i, inside in enumerate(group_notes(notes, heard.bars[name]), 1):
            ends = {(n.pitch, n.cents, n.onset + n.duration) for n in inside if n.tied}
            lost = ends - begins[name]
            if any(lost & begun for begun in others):
                found.append(Difference(i, name, "a tie leads into another voice"))
    return found


def _by_bar(notes: Sequence[Note], bars: Sequence[Bar]) -> list[tuple[object, ...]]:
    """Return the notes of each bar, placed within it, and the pitches tied to the next bar."""
    groups = group_notes(notes, bars)
    made: list[tuple[object, ...]] = []
    for i, (bar, inside) in enumerate(zip(bars, groups, strict=True)):
        end = bar.start + bar.length
        following = groups[i + 1] if i + 1 < len(groups) else []
        begun = {(n.pitch, n.cents) for n in following if n.onset == bars[i + 1].start}
        held = {
            (n.pitch, n.cents) for n in inside if n.tied and n.onset + n.duration == end
        } & begun
        placed = [(onset - bar.start, *rest) for onset, *rest in sounds(inside)]
        made.append((*placed, *sorted(held)))
    return made


def group_notes(notes: Sequence[Note], bars: Sequence[Bar]) -> list[list[Note]]:
    """Return the notes that begin in each bar."""
    groups: list[list[Note]] = [[] for _ in bars]
    place = 0
    for note in sorted(notes, key=lambda n: n.onset):
        while place + 1 < len(bars) and note.onset >= bars[place + 1].start:
            place += 1
        if groups:
            groups[place].append(note)
    return groups


def _in_bar(notes: Sequence[Note], bars: Sequence[Bar], i: int) -> list[Sound]:
    return sounds(group_notes(notes, bars)[i]) if i < len(bars) else []


def _what(wanted: Sequence[Sound], came: Sequence[Sound]) -> str:
    if len(wanted) != len(came):
        return f"{len(wanted)} notes became {len(came)}"
    changed = {
        name
        for a, b in zip(wanted, came, strict=True)
        for name, same in (
            ("durations", a[1] == b[1]),
            ("pitches", a[2:] == b[2:]),
            ("onsets", a[0] == b[0]),
        )
        if not same
    }
    return f"other {' and '.join(sorted(changed) or ['ties'])}"
