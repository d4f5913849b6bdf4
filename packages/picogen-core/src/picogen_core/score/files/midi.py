"""Standard MIDI files as notes on a grid, written as ABC with one voice a melody.

Each onset and each end goes to the nearest multiple of an eighth or a twelfth of a quarter, which
are 32nds and their triplets; where both are as near, to the eighth. A note lasts a 32nd at least.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import groupby

from picogen_core.abc.pitch.spell import spell_by_key
from picogen_core.abc.pitch.transpose import major_key
from picogen_core.abc.reading.notes import Note
from picogen_core.abc.reading.plain import tie_over_bars, write_plain
from picogen_core.abc.reading.voices import SEMITONES, Bar
from picogen_core.errors import BadInput
from picogen_core.score.limits import ConversionError
from picogen_core.score.midi import iter_events, ticks_of, tracks_of

GRID = (Fraction(1, 8), Fraction(1, 12))
"""Quarters: 32nds and their triplets."""

_TOLERANCE = Fraction(1, 96)
_DRUMS = 9
_BESIDE = (0, 1, -1)  # steps
_MAX_BARS, _MAX_VOICES, _MAX_QUARTERS, _MAX_NOTES = 20_000, 64, 100_000, 300_000


@dataclass(frozen=True)
class OnGrid:
    """A MIDI file as ABC, and what the grid did to its notes.

    notes: those of the file without drums; moved: their onset or end changed; lost: they fell on
    another of their pitch; drums: notes of percussion, which have no pitch.
    """

    abc: str
    notes: int
    moved: int
    lost: int
    drums: int

    def remarks(self) -> tuple[str, ...]:
        """What the grid did, in words."""
        counts = {
            "moved to a grid of 1/32 and its triplets": self.moved,
            "lost on others of their pitch": self.lost,
        }
        done = [
            f"{count} of its {self.notes} notes were {what}"
            for what, count in counts.items()
            if count
        ]
        return (*done, *([f"{self.drums} notes of percussion are left out"] if self.drums else []))


@dataclass
class _Song:
    """What the tracks of a file hold; times are quarters."""

    notes: dict[tuple[int, int], list[tuple[Fraction, Fraction, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    names: dict[int, str] = field(default_factory=dict)
    meters: dict[Fraction, Fraction] = field(default_factory=dict)
    keys: dict[Fraction, int] = field(default_factory=dict)
    tempo: int = 0
    count: int = 0
    drums: int = 0


def midi_to_abc(data: bytes) -> OnGrid:
    """A MIDI file as ABC.

    Raises:
        BadInput: not MIDI, no notes in it, or more than a score can hold.
    """
    try:
        song = _read(data)
    except ConversionError as error:
        raise BadInput(str(error)) from None
    voices: dict[str, list[Note]] = {}
    names: dict[str, str] = {}
    fifths = next(iter(song.keys.values()), 0)
    moved = lost = 0
    for (track, channel), notes in sorted(song.notes.items()):
        placed, changed, merged = on_grid(notes)
        moved, lost = moved + changed, lost + merged
        for layer, some in enumerate(_layers(placed), 1):
            name = f"{track}.{channel}.{layer}"
            voices[name] = _spelt(some, fifths)
            names[name] = song.names.get(track, "") if layer == 1 else ""
    if not voices:
        raise BadInput("it has no notes" + (" but drums" if song.drums else ""))
    if len(voices) > _MAX_VOICES:
        raise BadInput(f"its notes overlap so that {len(voices)} voices were needed")
    end = max(n.onset + n.duration for notes in voices.values() for n in notes)
    bars = _bars(song.meters, end)
    tempo = f"1/4={round(60_000_000 / song.tempo)}" if song.tempo else ""
    tied = {name: tie_over_bars(notes, bars) for name, notes in voices.items()}
    text = write_plain(tied, bars, key=major_key(fifths), titles=names, tempo=tempo)
    count = sum(map(len, song.notes.values()))
    return OnGrid("X:1\n" + text, count, moved, lost, song.drums)


def nearest(quarters: Fraction) -> Fraction:
    """The nearest point of the grid."""
    return min((round(quarters / step) * step for step in GRID), key=lambda t: abs(t - quarters))


def on_grid(
    notes: list[tuple[Fraction, Fraction, int]],
) -> tuple[list[tuple[Fraction, Fraction, int]], int, int]:
    """Notes (onset, end, pitch) as (onset, duration, pitch) on the grid; how many that moved, and
    how many were lost on another of their pitch and onset."""
    made: dict[tuple[Fraction, int], Fraction] = {}
    moved = lost = 0
    for onset, end, pitch in notes:
        first = nearest(onset)
        last = max(nearest(end), first + GRID[0])
        moved += max(abs(first - onset), abs(last - end)) > _TOLERANCE
        lost += (first, pitch) in made
        made[first, pitch] = max(last - first, made.get((first, pitch), Fraction(0)))
    return sorted((onset, length, pitch) for (onset, pitch), length in made.items()), moved, lost


def _layers(
    notes: list[tuple[Fraction, Fraction, int]],
) -> list[list[tuple[Fraction, Fraction, int]]]:
    """Melodies of notes and chords of which none begins before the one before has ended."""
    layers: list[list[tuple[Fraction, Fraction, int]]] = []
    for onset, length, pitch in sorted(notes, key=lambda n: (n[0], -n[2])):
        for layer in layers:
            before = layer[-1]
            if before[0] + before[1] <= onset or before[:2] == (onset, length):
                layer.append((onset, length, pitch))
                break
        else:
            layers.append([(onset, length, pitch)])
            if len(layers) > _MAX_VOICES:
                raise BadInput(f"its notes overlap so that over {_MAX_VOICES} voices were needed")
    return layers


def _spelt(notes: list[tuple[Fraction, Fraction, int]], fifths: int) -> list[Note]:
    """Notes with their letters, in a chord each another one: few programs keep the ties of two
    accidentals of one letter apart."""
    made: list[Note] = []
    for _, group in groupby(notes, key=lambda note: note[:2]):
        chord = [spell_by_key(*note, fifths) for note in group]
        steps = [note.step for note in chord]
        made += chord if len(set(steps)) == len(steps) else _own_letters(chord)
    return made


def _own_letters(chord: list[Note]) -> list[Note]:
    """The chord without two tones on one letter, as far as accidentals reach."""
    made: list[Note] = []
    for note in reversed(chord):  # from the lowest up
        free = (s for s in _BESIDE if not made or note.step + s > made[-1].step)
        reached = (s for s in free if abs(_alteration(note, note.step + s)) <= 2)
        made.append(replace(note, step=note.step + next(reached, 0)))
    return made[::-1]


def _alteration(note: Note, step: int) -> int:
    octave, letter = divmod(step, 7)
    return (note.pitch or 0) - 12 * (octave + 1) - SEMITONES[letter]


def _bars(meters: dict[Fraction, Fraction], end: Fraction) -> list[Bar]:
    """The bars that the time signatures make; one that a new signature cuts short is short."""
    changes = sorted(meters.items())
    bars: list[Bar] = []
    now, meter = Fraction(0), Fraction(4)
    while now < end:
        while changes and changes[0][0] <= now:
            meter = changes.pop(0)[1]
        stop = min(now + meter, changes[0][0]) if changes else now + meter
        bars.append(Bar(len(bars), now, stop - now, meter))
        now = stop
        if len(bars) > _MAX_BARS:
            raise BadInput(f"it has more than {_MAX_BARS:,} bars")
    return bars


def _read(data: bytes) -> _Song:
    song = _Song()
    ticks = ticks_of(data)
    for number, track in enumerate(tracks_of(data)):
        sounding: dict[tuple[int, int], list[Fraction]] = defaultdict(list)
        now = Fraction(0)
        for tick, status, body in iter_events(track):
            now = Fraction(tick) / ticks
            if now > _MAX_QUARTERS:
                raise BadInput(f"it lasts over {_MAX_QUARTERS:,} quarters")
            kind, channel = status & 0xF0, status & 15
            if status == 0xFF:
                _read_meta(song, number, now, body)
            elif kind == 0x90 and body[1]:
                sounding[channel, body[0]].append(now)
            elif kind in (0x80, 0x90) and sounding[channel, body[0]]:
                _end(song, number, channel, sounding[channel, body[0]].pop(0), now, body[0])
        for (channel, pitch), begun in sounding.items():
            for onset in begun:  # one that nothing ends lasts to the end of its track
                _end(song, number, channel, onset, now, pitch)
    return song


def _end(song: _Song, track: int, channel: int, onset: Fraction, end: Fraction, pitch: int) -> None:
    if channel == _DRUMS:
        song.drums += 1
    else:
        song.notes[track, channel].append((onset, end, pitch))
        song.count += 1
        if song.count > _MAX_NOTES:
            raise BadInput(f"it has more than {_MAX_NOTES:,} notes")


def _read_meta(song: _Song, track: int, now: Fraction, body: bytes) -> None:
    kind, data = body[0], body[1:]
    if kind == 0x03 and track not in song.names:
        text = data.decode("ascii", "ignore")
        song.names[track] = "".join(c for c in text if c.isalnum() or c in " .-")[:40].strip()
    elif kind == 0x51 and not song.tempo:
        song.tempo = int.from_bytes(data[:3], "big")
    elif kind == 0x58 and len(data) >= 2 and data[0] and data[1] <= 6:
        song.meters[round(now / GRID[0]) * GRID[0]] = Fraction(4 * data[0], 1 << data[1])
    elif kind == 0x59 and data:
        fifths = data[0] - 256 if data[0] > 127 else data[0]
        if abs(fifths) <= 7:
            song.keys.setdefault(now, fifths)
