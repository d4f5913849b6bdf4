"""The bars of several voices as rows of the interleaved form."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

from picogen_core.abc.interleaved.cut import CutBar
from picogen_core.abc.interleaved.rests import common_length
from picogen_core.abc.reading.lexer import format_length

MAX_BARS_A_ROW = 12
"""Voices whose barlines agree more rarely are matched bar by bar."""


def align(
    voices: Sequence[Sequence[CutBar]], rests: Sequence[str], units: Sequence[Fraction]
) -> list[list[str]]:
    """Return rows of one cell per voice, each cell a bar with its barline, or several bars.

    Voices with equally many bars are matched bar by bar. Else a row ends where all voices have a
    barline at the same time. A voice that ends early gets rests, spelt `rests[v]` in units
    `units[v]` of its end.
    """
    if len({len(bars) for bars in voices}) > 1:
        rows = _rows_by_time(voices, rests, units)
        if rows is not None:
            return rows
    return _rows_by_count(voices, rests, units)


def _rows_by_count(
    voices: Sequence[Sequence[CutBar]], rests: Sequence[str], units: Sequence[Fraction]
) -> list[list[str]]:
    rows = []
    for i in range(max(len(bars) for bars in voices)):
        present = [bars[i] for bars in voices if i < len(bars)]
        length = common_length([bar.length for bar in present]) or Fraction(4)
        right = present[0].right
        rows.append(
            [
                bars[i].text + bars[i].right
                if i < len(bars)
                else symbol + format_length(length / 4 / unit) + right
                for bars, symbol, unit in zip(voices, rests, units, strict=True)
            ]
        )
    return rows


def _rows_by_time(
    voices: Sequence[Sequence[CutBar]], rests: Sequence[str], units: Sequence[Fraction]
) -> list[list[str]] | None:
    """Return the aligned bars; None if a length is unknown or shared barlines are too rare."""
    if any(bar.length is None for bars in voices for bar in bars):
        return None
    ends = [list(accumulate(bar.length or Fraction(0) for bar in bars)) for bars in voices]
    last = max(times[-1] for times in ends)
    longest = next(v for v, times in enumerate(ends) if times[-1] == last)
    voices, ends = list(voices), list(ends)
    for v, times in enumerate(ends):
        if times[-1] < last:
            voices[v], ends[v] = _lengthened(
                voices[v], times, voices[longest], ends[longest], rests[v], units[v]
            )
    shared = sorted(set(ends[0]).intersection(*ends[1:]))
    cells = [_cells(bars, times, shared) for bars, times in zip(voices, ends, strict=True)]
    if any(len(cell) > MAX_BARS_A_ROW for column in cells for cell in column):
        return None
    return [["".join(cell) for cell in row] for row in zip(*cells, strict=True)]


def _lengthened(
    bars: Sequence[CutBar],
    times: list[Fraction],
    longest: Sequence[CutBar],
    ends: list[Fraction],
    symbol: str,
    unit: Fraction,
) -> tuple[list[CutBar], list[Fraction]]:
    """Return the voice with bars of rest to the end of the longest one."""
    full, filled = list(bars), list(times)
    for bar, end in zip(longest, ends, strict=True):
        if end > filled[-1]:
            length = end - filled[-1]
            full.append(CutBar(symbol + format_length(length / 4 / unit), bar.right, length))
            filled.append(end)
    return full, filled


def _cells(
    bars: Sequence[CutBar], times: list[Fraction], shared: list[Fraction]
) -> list[list[str]]:
    """Return the bars between shared barlines; the last shared one is the end."""
    cells: list[list[str]] = [[]]
    places = set(shared[:-1])
    for bar, time in zip(bars, times, strict=True):
        cells[-1].append(bar.text + bar.right)
        if time in places:
            cells.append([])
    return cells
