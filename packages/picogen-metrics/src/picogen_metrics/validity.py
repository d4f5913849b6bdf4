"""Whether a score is sound: the same bars in all voices, and as many as announced."""

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
    """NotaGen's bar-alignment error (Wang et al. 2025): which bars' voices differ in duration.

    Bars are compared with voice 1's, or with what most voices have where it is silent. A voice
    that is left out of a line of the interleaved form, or of a measure of MusicXML, rests. In ABC
    with a `V:` line a voice, where voices have different numbers of bars (a barline more in one of
    them is no error), a bar is wrong if it ends where the voice with most barlines has none.
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
    """The bars of a MusicXML score with incomplete voices filled up: the format asks for no rests,
    so a voice (`part:voice`) that ends early rests as long as the others of its part go on."""
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
    """Barlines by time: those that the voice with most of them lacks, and unequal ends."""
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
    """(bars there, bars announced) by the counters `[r:done/to come]` of the interleaved form.

    The first counter announces done + to come + 1 lines. None without a counter.
    """
    body = split_body(text)[1].splitlines()
    first = next(filter(None, map(parse_counter, body)), None)
    return first and (sum("[V:" in line for line in body), sum(first) + 1)


def repairs_by_kind(repairs: Iterable[object]) -> dict[str, int]:
    """`{"align bars": 3}` from what `picogen generate` recorded; what is no record is skipped."""
    found: Counter[str] = Counter()
    for repair in repairs:
        if isinstance(repair, dict) and isinstance(repair.get("count"), int):
            found[str(repair.get("name"))] += repair["count"]
    return dict(sorted(found.items()))
