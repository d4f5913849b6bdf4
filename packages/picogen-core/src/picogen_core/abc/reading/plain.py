"""A score as interleaved ABC of bare notes: for failed conversions, and for files of bare notes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from picogen_core.abc.compare import group_notes
from picogen_core.abc.pitch.keys import key_signature
from picogen_core.abc.pitch.spell import Event, Place, layers_of, odd_part, spell_bar
from picogen_core.abc.reading.lexer import format_length
from picogen_core.abc.reading.notes import Note
from picogen_core.abc.reading.voices import Bar


def write_plain(
    voices: Mapping[str, Sequence[Note]],
    bars: Sequence[Bar],
    *,
    key: str = "none",
    titles: Mapping[str, str] | None = None,
    tempo: str = "",
) -> str:
    """Return the sounding voices, a line for each bar; lengths in eighths.

    titles: names of voices.

    Raises:
        ValueError: a duration that cannot be written.
    """
    place = Place(key_signature(key) or {})
    sounding = {
        name: notes for name, notes in voices.items() if any(n.pitch is not None for n in notes)
    }
    grouped = {
        name: group_notes([n for n in notes if n.pitch is not None], bars)
        for name, notes in sounding.items()
    }
    head = ["L:1/8", *([f"Q:{tempo}"] if tempo else []), f"M:{_meter(bars[0].meter)}", f"K:{key}"]
    for number, name in enumerate(sounding, 1):
        clef = _clef(sounding[name])
        title = (titles or {}).get(name, "")
        head.append(f"V:{number} {clef}" + (f' nm="{title}"' if title else ""))
    lines = []
    meter = bars[0].meter
    for i, bar in enumerate(bars):
        change = f"[M:{_meter(bar.meter)}]" if bar.meter != meter else ""
        meter = bar.meter
        end = "|]" if i == len(bars) - 1 else "|"
        cells = [
            f"[V:{number}]{change}{_bar(grouped[name][i], bar, place)}{end}"
            for number, name in enumerate(sounding, 1)
        ]
        lines.append("".join(cells))
    return "\n".join([*head, *lines]) + "\n"


def tie_over_bars(notes: Sequence[Note], bars: Sequence[Bar]) -> list[Note]:
    """Return the notes cut at the barlines, their parts tied."""
    starts = [bar.start for bar in bars]
    made = []
    for note in notes:
        onset, end = note.onset, note.onset + note.duration
        while onset < end:
            bar = bars[bisect_right(starts, onset) - 1]
            stop = min(end, bar.start + bar.length)
            tied = stop < end or note.tied
            made.append(replace(note, onset=onset, duration=stop - onset, start=-1, tied=tied))
            onset = stop
    return made


def write_barless(
    voices: Mapping[str, Sequence[Note]], meter: Fraction | None, key: str, tempo: str
) -> str:
    """Return music without barlines in bars of its meter, or of 4/4 if that is free.

    Raises:
        ValueError: a duration that cannot be written.
    """
    length = meter or Fraction(4)
    end = max(note.onset + note.duration for notes in voices.values() for note in notes)
    bars = [Bar(i, i * length, length, meter) for i in range(int(-(-end // length)))]
    sounding = {
        name: tie_over_bars([n for n in notes if n.pitch is not None], bars)
        for name, notes in voices.items()
    }
    return write_plain(sounding, bars, key=key, tempo=tempo)


def _bar(notes: Sequence[Note], bar: Bar, place: Place) -> str:
    layers = layers_of(notes, bar.start, bar.length)
    if layers == [[Event(bar.length)]] and odd_part(bar.length) == 1:
        return "z" + format_length(bar.length * 2)
    return spell_bar(layers, place)


def _meter(quarters: Fraction | None) -> str:
    if quarters is None:
        return "none"
    length = quarters / 4
    under = max(4, length.denominator)
    return f"{length.numerator * under // length.denominator}/{under}"


def _clef(notes: Sequence[Note]) -> str:
    pitches = sorted(n.pitch for n in notes if n.pitch is not None)
    return "bass" if pitches[len(pitches) // 2] < 57 else "treble"
