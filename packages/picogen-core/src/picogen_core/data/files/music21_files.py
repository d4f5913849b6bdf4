"""Humdrum **kern and MIDI to MusicXML with music21. For the worker process only."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from picogen_core.errors import BadInput

GRID = (Fraction(1, 4), Fraction(1, 3))
"""Quarters: MIDI is moved to the nearest sixteenth or triplet eighth."""

_TOLERANCE = Fraction(1, 96)


@dataclass(frozen=True)
class Moved:
    """Notes of a MIDI file, and those whose onset or end the grid or the next note changed."""

    notes: int
    moved: int


def load_music21() -> Any:
    """music21 without its warnings."""
    warnings.simplefilter("ignore")
    import music21
    import music21.converter
    import music21.musicxml.m21ToXml

    return music21


def kern_to_musicxml(path: Path) -> bytes:
    """A **kern file as MusicXML. Raises `BadInput`."""
    music21 = load_music21()
    return _export(music21, _parse(music21, path, "humdrum"))


def midi_to_musicxml(path: Path) -> tuple[bytes, Moved]:
    """A MIDI file as MusicXML, one voice a track, quantised to `GRID`; how many notes that moved.

    Notes that begin together are a chord; one that still sounds when the next begins ends there.

    Raises:
        BadInput: not MIDI, or no notes in it.
    """
    music21 = load_music21()
    score = _parse(music21, path, "midi", quantizePost=False)
    made = music21.stream.Score()
    notes = moved = 0
    for part in score.parts:
        quantised, count = _quantise_part(music21, part)
        if quantised is not None:
            made.insert(0, quantised)
            notes, moved = notes + count.notes, moved + count.moved
    if not notes:
        raise BadInput("it has no notes")
    return _export(music21, made), Moved(notes, moved)


def nearest(quarters: Fraction) -> Fraction:
    """The nearest multiple of a sixteenth or of a triplet eighth; the sixteenth if both are."""
    return min((round(quarters / step) * step for step in GRID), key=lambda t: abs(t - quarters))


def _parse(music21: Any, path: Path, form: str, **keywords: Any) -> Any:
    try:
        return music21.converter.parse(
            path, format=form, forceSource=True, storePickle=False, **keywords
        )
    except MemoryError:
        raise
    except Exception as error:  # whatever it raises, the file is at fault and its name the reason
        reason = str(error).split("\n")[0][:120]
        raise BadInput(f"music21: {type(error).__name__}: {reason}") from None


def _export(music21: Any, score: Any) -> bytes:
    try:
        return bytes(music21.musicxml.m21ToXml.GeneralObjectExporter(score).parse())
    except MemoryError:
        raise
    except Exception as error:
        reason = str(error).split("\n")[0][:120]
        raise BadInput(f"music21 to MusicXML: {type(error).__name__}: {reason}") from None


@dataclass
class _Tone:
    """A pitch on the grid, and whether that changed it."""

    end: Fraction
    moved: bool


def _quantise_part(music21: Any, part: Any) -> tuple[Any, Moved]:
    """The part on the grid, or None if it has no notes."""
    flat = part.flatten()
    onsets, merged = _tones(flat)
    if not onsets:
        return None, Moved(0, 0)
    made = music21.stream.Part()
    made.partName = part.partName
    for kind in ("TimeSignature", "KeySignature", "MetronomeMark"):
        for element in flat.getElementsByClass(kind):
            made.insert(nearest(_exact(element.offset)), element)
    times = sorted(onsets)
    for time, following in zip(times, [*times[1:], None], strict=True):
        tones = onsets[time]
        end = max(tone.end for tone in tones.values())
        end = end if following is None else min(end, following)
        for tone in tones.values():
            tone.moved |= tone.end != end
        pitches = sorted(tones)
        made_of = (
            music21.note.Note(pitches[0]) if len(pitches) == 1 else music21.chord.Chord(pitches)
        )
        made_of.quarterLength = end - time
        made.insert(time, made_of)
    moved = merged + sum(tone.moved for tones in onsets.values() for tone in tones.values())
    return made, Moved(merged + sum(map(len, onsets.values())), moved)


def _tones(flat: Any) -> tuple[dict[Fraction, dict[int, _Tone]], int]:
    """Onset -> pitch -> tone; and how many notes fell on another of their pitch."""
    onsets: dict[Fraction, dict[int, _Tone]] = {}
    merged = 0
    for element in flat.notes:
        if not element.pitches:
            continue  # drums without pitch
        start = _exact(element.offset)
        end = start + _exact(element.quarterLength)
        first = nearest(start)
        last = max(nearest(end), first + GRID[0])
        moved = max(abs(first - start), abs(last - end)) > _TOLERANCE
        tones = onsets.setdefault(first, {})
        for pitch in element.pitches:
            if pitch.midi in tones:
                merged += 1
                last = max(last, tones[pitch.midi].end)
            tones[pitch.midi] = _Tone(last, moved)
    return onsets, merged


def _exact(quarters: Any) -> Fraction:
    return Fraction(quarters).limit_denominator(10_000)
