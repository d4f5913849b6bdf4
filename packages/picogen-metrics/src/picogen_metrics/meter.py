"""Check of bars against their meter, in the order in which they are played.

A bar keeps its meter if it is as long as the meter. None may be longer. A short one may be

- the first or the last of the piece;
- one half of a bar cut in two by a repeat, a double bar, an ending or a fermata: with the bar
  played before or after it, it is a whole one. After a repeat the start of the section is played,
  and the bar before the first ending is also played before the second;
- a pickup into a section after a whole bar, or the end of a section before a whole bar, where a
  rest is left out. Two short bars have to make a whole one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from picogen_core.abc.reading.voices import Bar

Bars = Mapping[str, Sequence[Bar]]
_PLAIN = frozenset({"|", ".|", "[|]"})


class Join(NamedTuple):
    """Two bars that are played in succession.

    one, other: their places.
    time:       quarters of the first that are played before the second.
    section:    whether a section ends between them; else an ending or a fermata cuts a bar there.
    """

    one: int
    other: int
    time: Fraction
    section: bool = True


def meter_agreement(bars: Bars) -> tuple[int, int]:
    """Return (bars that keep their meter, bars) of all voices, without those of free meter."""
    kinds = Counter(kind for voice in _judged(bars) for kind in voice)
    return kinds[""], kinds.total()


def meter_faults(bars: Bars) -> dict[str, int]:
    """Return the number of bars of all voices that break their meter, by kind.

    `long`: longer than the meter. `short`: shorter, within a section. `cut`: shorter, beside a
    repeat, a double bar, an ending or a fermata, and not completed there.
    """
    kinds = Counter(kind for voice in _judged(bars) for kind in voice if kind)
    return dict(sorted(kinds.items()))


def _judged(bars: Bars) -> Iterator[list[str]]:
    """Yield the kinds of each voice's bars that have a meter."""
    for voice in _whole_voices(bars):
        kinds = zip(judge_bars([bar for bar, _ in voice]), voice, strict=True)
        yield [kind for kind, (bar, there) in kinds if there and bar.meter is not None]


def _whole_voices(bars: Bars) -> Iterator[list[tuple[Bar, bool]]]:
    """Yield each voice with a bar in every place, and whether the bar is its own.

    A bar has the signs of all voices in its place. A voice that is left out of a line rests as long
    as the longest of that line. Voices of a single line with different numbers of bars do not share
    places.
    """
    places: defaultdict[tuple[int, int], dict[str, Bar]] = defaultdict(dict)
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for name, voice in bars.items():
        for bar in voice:
            places[bar.line, counts[bar.line][name]][name] = bar
            counts[bar.line][name] += 1
    if len(counts) == 1 and len({len(voice) for voice in bars.values()}) > 1:
        yield from ([(bar, True) for bar in voice] for voice in bars.values())
        return
    columns = [places[place] for place in sorted(places)]
    shared = [_shared(list(column.values())) for column in columns]
    for name in bars:
        yield [
            (_with_signs(column.get(name, bar), bar), name in column)
            for column, bar in zip(columns, shared, strict=True)
        ]


def _shared(column: Sequence[Bar]) -> Bar:
    """Return the longest bar of a place, with barlines, ending and fermata of any voice."""
    ending = max(column, key=lambda bar: len(bar.ending))
    return max(column, key=lambda bar: bar.length)._replace(
        right=max((bar.right for bar in column), key=len),
        ending=ending.ending,
        before=ending.before,
        held=any(bar.held for bar in column),
    )


def _with_signs(bar: Bar, other: Bar) -> Bar:
    return bar._replace(
        right=other.right, ending=other.ending, before=other.before, held=other.held
    )


def judge_bars(bars: Sequence[Bar]) -> list[str]:
    """Return the fault of each bar of a voice, see `meter_faults`; "" without one.

    The docstring of the module defines when a bar keeps its meter. A bar without a meter has no
    fault.
    """
    whole = [bar.meter in (None, bar.length, _time(bar)) for bar in bars]
    kept = list(whole)
    for end in {0, len(bars) - 1} if bars else ():
        kept[end] = kept[end] or _is_short(bars[end])
    ahead: defaultdict[int, list[bool]] = defaultdict(list)  # whether the next bar is whole
    for one, other, time, section in joins(bars):
        at_end = time == _time(bars[one])
        together = time + _time(bars[other]) in (bars[one].meter, bars[other].meter)
        if _is_short(bars[other]) and (together or (section and at_end and whole[one])):
            kept[other] = True
        if _is_short(bars[one]) and at_end:
            kept[one] = kept[one] or together
        ahead[one].append(section and at_end and whole[other])
        ahead.setdefault(other, [])
    for one, following in ahead.items():
        kept[one] = kept[one] or (_is_short(bars[one]) and bool(following) and all(following))
    return [
        "" if kept[i] else "cut" if _is_short(bar) and i in ahead else
        "short" if _is_short(bar) else "long"
        for i, bar in enumerate(bars)
    ]  # fmt: skip


def _time(bar: Bar) -> Fraction:
    """Return the quarters of a bar, without the place for a fermata over the barline."""
    return bar.length - bar.anchor


def _is_short(bar: Bar) -> bool:
    return bar.meter is not None and _time(bar) < bar.meter


def joins(bars: Sequence[Bar]) -> Iterator[Join]:
    """Yield the bars played in succession across a repeat, a double bar, an ending or a fermata.

    A repeat that no `|:` opens goes back to the last double bar or the end of the last repeat (ABC
    2.1, 4.8). A section that ends with a double bar alone may be repeated too, as tune books do
    without signs.
    """
    opened: int | None = None  # the bar after a `|:` without its `:|` so far
    repeat = double = 0  # the bars after the last repeat and after the last double bar
    done = False  # whether the section was repeated: the next one begins after its endings
    fork: tuple[int, Fraction] | None = None  # the bar before the first ending, and its time
    for i, (bar, after) in enumerate(pairwise([*bars, None])):
        if bar is None:
            return
        if bar.before:
            fork = i, bar.before
        signs = bar.right.split()
        back = any(sign.startswith(":") for sign in signs)
        again = after is not None and fork is not None and _is_later(after.ending)
        if back or again:
            done = True
            for target in {repeat, double} if opened is None else {opened}:
                yield Join(i, target, _time(bar))
        if after is None:
            return
        begins = bool(after.ending) and not after.before
        if again and fork is not None:
            yield Join(fork[0], i + 1, fork[1], False)
        elif _PLAIN.issuperset(signs):
            if begins or bar.held:
                yield Join(i, i + 1, _time(bar), False)
            fork = (i, _time(bar)) if begins else fork
        else:
            if not back:
                yield Join(i, double, _time(bar))
            yield Join(i, i + 1, _time(bar), not begins)
            fork = (i, _time(bar)) if begins else None
            double = i + 1
            if done:
                opened, repeat, done = None, i + 1, False
            if any(sign.endswith(":") for sign in signs):
                opened = i + 1


def _is_later(ending: str) -> bool:
    """Return whether an ending is not the first."""
    return bool(ending) and not ending.startswith("1")
