"""Allowed spellings of fitting values, digit by digit: note lengths and tuplet signs.

Time is counted in grid steps, 32nds of a whole note. The converter to MusicXML has 2,520 divisions
per quarter, 315 per step. It rounds finer values, so that voices would drift apart.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import NamedTuple

from picogen_core.abc.reading.lexer import parse_length
from picogen_core.abc.reading.timing import Tuplet, read_tuplet

GRID = Fraction(1, 32)
DIVISIONS = 315  # of a grid step, in the converter

Spellings = dict[str, tuple[int, int | None]]
"""Beginning of a spelling -> (characters that may come next, its value if it may stop here)."""

_UNDER = {"": 64, "/": 63, "/2": 63, "/4": 31, "/8": 15, "/16": 15, "/32": 15}  # largest over it
_LENGTHS = {
    f"{over if over > 1 else ''}{under}": parse_length(f"{over}{under}")
    for under, most in _UNDER.items()
    for over in range(1, most + 1)
    if over % 2 or not under
} | {"//": Fraction(1, 4), "1": Fraction(1)}
_COUNTS = range(2, 10)
_TUPLETS = [
    *(f"({count}" for count in _COUNTS),
    *(f"({count}:{into}" for count in _COUNTS for into in range(1, 10) if into != count),
    *(
        f"({count}:{into}:{notes}"
        for count in (*_COUNTS, 12)
        for into in range(1, 10)
        for notes in range(1, 13)
        if into != count
    ),
]


class Room(NamedTuple):
    """Room for the next event, in grid steps.

    steps:  to the end of the bar, or of the tuplet's room counted as if it were none.
    spent:  steps of the tuplet's events so far; `left` events are to come, 0 outside tuplets.
    into, parts: the tuplet's ratio.
    """

    steps: int
    spent: int = 0
    left: int = 0
    into: int = 1
    parts: int = 1

    @property
    def grain(self) -> int:
        """Steps of a tuplet's events that the converter counts exactly."""
        return self.parts // gcd(self.parts, DIVISIONS * self.into)

    def fits(self, steps: int) -> bool:
        """Return whether the next event may have this length; others must fill the rest."""
        needs = self.needs(steps)
        return needs is not None and needs <= self.steps

    def needs(self, steps: int) -> int | None:
        """Return the least steps of such an event and its tuplet; None if it is too fine."""
        if not self.left:
            return steps
        grain = self.grain
        if steps % grain or self.spent % grain:
            return None
        common = gcd(self.parts, self.into)
        whole = self.parts // common
        total = self.spent + steps + grain * (self.left - 1)  # of those to come, at least
        if self.left == 1 and total % whole:
            return None
        return -(-total // whole) * (self.into // common)

    def after(self, steps: int) -> Room:
        """Return the room after an event of so many steps."""
        if not self.left:
            return Room(self.steps - steps)
        if self.left > 1:
            return Room(self.steps, self.spent + steps, self.left - 1, self.into, self.parts)
        return Room(self.steps - (self.spent + steps) * self.into // self.parts)

    def less(self, steps: int) -> Room:
        """Return the room if the last event is so many steps longer."""
        if not self.left:
            return Room(self.steps - steps)
        return self._replace(spent=self.spent + steps)

    def within(self, tuplet: Tuplet) -> Room:
        """Return the room of the first event of a tuplet that begins here."""
        return Room(self.steps, 0, tuplet.notes, tuplet.into, tuplet.count)


@lru_cache(maxsize=8192)
def lengths(scale: int, room: Room) -> Spellings:
    """Return fitting lengths, in units of `scale` / 64 grid steps; their values are steps."""
    return tree(_fitting(scale, room))


@lru_cache(maxsize=4096)
def longest(scale: int, room: Room, begun: str = "") -> str:
    """Return the longest fitting length whose spelling starts with `begun`; "" if none."""
    fitting = _fitting(scale, room).items()
    found = [(-steps, len(spelt), spelt) for spelt, steps in fitting if spelt.startswith(begun)]
    return min(found)[2] if found else ""


def _fitting(scale: int, room: Room) -> dict[str, int]:
    steps = _steps_of_lengths(scale)
    fits = {count: room.fits(count) for count in set(steps.values())}
    return {spelt: count for spelt, count in steps.items() if fits[count]}


@lru_cache(maxsize=64)
def _steps_of_lengths(scale: int) -> dict[str, int]:
    """Return the steps of spellings that are whole grid steps."""
    return {
        spelt: scale * length.numerator // (64 * length.denominator)
        for spelt, length in _LENGTHS.items()
        if not scale * length.numerator % (64 * length.denominator)
    }


def tuplets(room: Room, compound: bool) -> Spellings:
    """Return tuplet signs that fit. In compound time `(5`, `(7`, `(9` are ambiguous."""
    return _signs(bisect_right(_signs_by_room()[0], room.steps), compound)


@lru_cache(maxsize=256)
def _signs(count: int, compound: bool) -> Spellings:
    """Return `count` of the signs, the shortest first."""
    ambiguous = ("(5", "(7", "(9") if compound else ()
    return tree({sign: 0 for sign in _signs_by_room()[1][:count] if sign not in ambiguous})


@lru_cache(maxsize=1)
def _signs_by_room() -> tuple[list[int], list[str]]:
    """Return the least grid steps of tuplets, in order, and their signs."""
    found = []
    for sign in _TUPLETS:
        tuplet = read_tuplet(sign)
        first = Room(0).within(tuplet)
        needs = [first.needs(steps) for steps in range(1, tuplet.count + 1)]
        found.append((min(steps for steps in needs if steps is not None), sign))
    found.sort()
    return [steps for steps, _ in found], [sign for _, sign in found]


@lru_cache(maxsize=256)
def one_of(*spellings: str) -> Spellings:
    """Return the beginnings of these spellings."""
    return tree(dict.fromkeys(spellings, 0))


def tree(values: Mapping[str, int]) -> Spellings:
    """Return the beginnings of spellings, with their values."""
    made: Spellings = {}
    for spelt, value in values.items():
        for end in range(len(spelt)):
            following, stops = made.get(spelt[:end], (0, None))
            made[spelt[:end]] = following | 1 << ord(spelt[end]), stops
        following, _ = made.get(spelt, (0, None))
        made[spelt] = following, value
    return made
