"""Standard MIDI files: their tracks, events and notes, in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from picogen_core.score.limits import ConversionError

_BEAT = 500_000  # microseconds per quarter, until the file sets another tempo


@dataclass(frozen=True, slots=True)
class MidiNote:
    """A note: start and length in seconds, MIDI pitch, velocity 1 … 127."""

    start: float
    length: float
    pitch: int
    velocity: int


def read_midi(data: bytes) -> list[MidiNote]:
    """Return the notes of all tracks, by start.

    Raises:
        ConversionError: it is no standard MIDI file, or it is cut off.
    """
    return _read(data)


def _read(data: bytes) -> list[MidiNote]:
    ticks_a_beat = ticks_of(data)
    if data[12:13] >= b"\x80":
        raise ConversionError("it is no MIDI file in quarters")
    notes: list[tuple[int, int, int, int]] = []
    tempos = {0: _BEAT}
    for track in tracks_of(data):
        sounding: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for tick, status, body in iter_events(track):
            kind = status & 0xF0
            if status == 0xFF:
                if body[0] == 0x51:
                    tempos[tick] = int.from_bytes(body[1:4], "big") or _BEAT
            elif kind == 0x90 and body[1]:
                sounding.setdefault((status & 15, body[0]), []).append((tick, body[1]))
            elif kind in (0x80, 0x90) and sounding.get((status & 15, body[0])):
                begun, velocity = sounding[status & 15, body[0]].pop(0)
                notes.append((begun, tick, body[0], velocity))
    clock = _Clock(tempos, ticks_a_beat)
    times = {tick: clock.seconds(tick) for tick in sorted({t for n in notes for t in n[:2]})}
    return [
        MidiNote(times[begun], times[ended] - times[begun], pitch, velocity)
        for begun, ended, pitch, velocity in sorted(notes)
        if ended > begun
    ]


def ticks_of(data: bytes) -> Fraction:
    """Return ticks per quarter; for a file in frames, per half second.

    Raises:
        ConversionError: it is no MIDI file.
    """
    data = _unwrapped(data)
    division = int.from_bytes(data[12:14], "big")
    if data[:4] != b"MThd" or len(data) < 14 or not division:
        raise ConversionError("it is no MIDI file")
    if division < 0x8000:
        return Fraction(division)
    ticks = Fraction((256 - (division >> 8)) * (division & 0xFF), 2)
    if not ticks:
        raise ConversionError("it is no MIDI file: no ticks in a frame")
    return ticks


def _unwrapped(data: bytes) -> bytes:
    """Return the file inside a RIFF file (.rmi)."""
    start = data.find(b"MThd", 0, 64) if data[:4] == b"RIFF" else 0
    return data[max(start, 0) :]


class _Clock:
    """Conversion of ticks to seconds by a file's tempos; calls must be in the order of time."""

    def __init__(self, tempos: dict[int, int], ticks_a_beat: Fraction) -> None:
        self.changes = sorted(tempos.items(), reverse=True)
        self.ticks_a_beat = ticks_a_beat
        self.tick, self.now, self.beat = 0, 0.0, _BEAT

    def seconds(self, tick: int) -> float:
        while self.changes and self.changes[-1][0] <= tick:
            at, beat = self.changes.pop()
            self._go(at)
            self.beat = beat
        self._go(tick)
        return self.now

    def _go(self, tick: int) -> None:
        self.now += float((tick - self.tick) * self.beat / self.ticks_a_beat) / 1e6
        self.tick = tick


def tracks_of(data: bytes) -> Iterator[bytes]:
    """Yield the tracks; the last may be shorter than its header claims."""
    data = _unwrapped(data)
    at = 8 + int.from_bytes(data[4:8], "big")
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        if data[at : at + 4] == b"MTrk":
            yield data[at + 8 : at + 8 + size]
        at += 8 + size


def iter_events(track: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (tick, status, data); the data of a meta event (0xFF) begins with its type.

    Raises:
        ConversionError: the track is cut off within an event.
    """
    try:
        yield from _events(track)
    except IndexError:
        raise ConversionError("the MIDI file is cut off") from None


_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}
"""Bytes after system messages, which do not belong in a file but occur."""


def _events(track: bytes) -> Iterator[tuple[int, int, bytes]]:
    at, tick, running = 0, 0, 0
    while at < len(track):
        wait, at = _number(track, at)
        tick += wait
        status = running
        if track[at] & 0x80:
            status, at = track[at], at + 1
        if status >= 0xF0:
            if status not in (0xF0, 0xF7, 0xFF):
                at += _SYSTEM_DATA.get(status, 0)
                continue
            head = track[at : at + 1] if status == 0xFF else b""
            size, start = _number(track, at + len(head))
            yield tick, status, head + track[start : start + size]
            at = start + size
            if head == b"\x2f":
                return
            continue
        running = status
        size = 1 if status & 0xF0 in (0xC0, 0xD0) else 2
        if at + size > len(track):
            raise IndexError
        if status & 0x80:
            yield tick, status, track[at : at + size]
        at += size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length number and the place after it."""
    value = 0
    for _ in range(5):
        value = value << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            break
    return value, at
