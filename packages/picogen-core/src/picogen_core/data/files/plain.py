"""A score as interleaved ABC with its notes and nothing else: what is left where a converter fails,
and all that a file of bare notes needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from picogen_core.abc.compare import group_notes
from picogen_core.abc.keys import key_signature
from picogen_core.abc.lexer import format_length
from picogen_core.abc.notes import Note
from picogen_core.abc.spell import Event, Place, layers_of, odd_part, spell_bar
from picogen_core.abc.voices import Bar


def write_plain(
    voices: Mapping[str, Sequence[Note]],
    bars: Sequence[Bar],
    *,
    key: str = "none",
    titles: Mapping[str, str] | None = None,
    tempo: str = "",
) -> str:
    """The voices that sound, a line for each bar; lengths in eighths.

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
