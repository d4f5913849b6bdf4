"""Soundness of a score: the same bars in all voices, and as many as announced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, zip_longest

from picogen_core.abc.counters import parse_counter
from picogen_core.abc.patches import split_body
from picogen_core.abc.reading.voices import Bar

Bars = Mapping[str, Sequence[Bar]]


@dataclass(frozen=True)
class Alignment:
    """Bars of a piece, and those, numbered from 1, in which a voice lasts longer or shorter."""

    bars: int
    wrong: tuple[int, ...]


def align_bars(bars: Bars) -> Alignment:
    """Return NotaGen's bar-alignment error (Wang et al. 2025): bars whose voices differ in length.

    Bars are compared with those of voice 1, or of most voices where it is silent. A voice that is
    left out of a line of the interleaved form, or of a measure of MusicXML, rests.

    In ABC with one `V:` line per voice, voices may have different numbers of bars: one more barline
    in a voice is no error. There a bar is wrong if the voice with most barlines has none at its
    end.
    """
    lines: dict[int, dict[str, list[Bar]]] = {}
    for name, voice in bars.items():
        for bar in voice:
            lines.setdefault(bar.line, {}).setdefault(name, []).append(bar)
    first = next(iter(bars), "")
    count, wrong = 0, []
    for line in (lines[number] for number in sorted(lines)):
        if len(lines) == 1 and len({len(voice) for voice in line.values()}) > 1:
            return _align_times(line)
        for column in zip_longest(*line.values()):
            lengths = [None if bar is None else bar.length for bar in column]
            durations = dict(zip(line, lengths, strict=True))
            due = durations[first] if first in durations else _most_common(lengths)
            count += 1
            if any(length != due for length in lengths):
                wrong.append(count)
    return Alignment(count, tuple(wrong))


def complete_voices(bars: Bars) -> dict[str, list[Bar]]:
    """Return the bars of a MusicXML score with incomplete voices filled up.

    The format does not require rests, so a voice (`part:voice`) that ends early rests until the end
    of its part.
    """
    longest: dict[tuple[str, int], Fraction] = {}
    for name, voice in bars.items():
        for bar in voice:
            key = name.partition(":")[0], bar.line
            longest[key] = max(bar.length, longest.get(key, bar.length))
    return {
        name: [bar._replace(length=longest[name.partition(":")[0], bar.line]) for bar in voice]
        for name, voice in bars.items()
    }


def _most_common(lengths: Sequence[Fraction | None]) -> Fraction | None:
    return Counter(lengths).most_common(1)[0][0]


def _align_times(line: Mapping[str, Sequence[Bar]]) -> Alignment:
    """Return the alignment by time: barlines absent in the voice with most, and unequal ends."""
    ends = {name: list(accumulate(bar.length for bar in voice)) for name, voice in line.items()}
    finest = max(ends.values(), key=len)
    places = {end: number for number, end in enumerate(finest, 1)}
    wrong = set()
    for voice in ends.values():
        wrong |= {min(i, len(finest)) for i, end in enumerate(voice, 1) if end not in places}
        if voice[-1] != finest[-1]:
            wrong.add(len(finest))
    return Alignment(len(finest), tuple(sorted(wrong)))


def announced_bars(text: str) -> tuple[int, int] | None:
    """Return (bars, announced bars) by the counters `[r:done/to come]` of the interleaved form.

    The first counter announces done + to come + 1 lines. None without a counter.
    """
    body = split_body(text)[1].splitlines()
    first = next(filter(None, map(parse_counter, body)), None)
    return first and (sum("[V:" in line for line in body), sum(first) + 1)


def repairs_by_kind(repairs: Iterable[object]) -> dict[str, int]:
    """Return counts like `{"align bars": 3}` from repairs in a JSON record; others are skipped."""
    found: Counter[str] = Counter()
    for repair in repairs:
        if isinstance(repair, dict) and isinstance(repair.get("count"), int):
            found[str(repair.get("name"))] += repair["count"]
    return dict(sorted(found.items()))
