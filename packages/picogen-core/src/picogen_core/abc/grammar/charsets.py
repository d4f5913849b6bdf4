"""Sets of character codes as 128-bit integers: `&` and `|` cost 50 ns, an array's cost 1 µs."""

from __future__ import annotations

from functools import lru_cache

from picogen_core.abc.patches import VOCABULARY

NEVER, FREELY, RARELY = 0, 1, 2
"""Degrees of freedom of a code; rare ones lose `PENALTY` nats."""
PENALTY = 4.0


@lru_cache(maxsize=1024)
def bits(characters: str) -> int:
    """Return the set of these characters."""
    made = 0
    for character in characters:
        made |= 1 << ord(character)
    return made


def characters(low: str, high: str) -> str:
    """Return all characters from `low` to `high`."""
    return "".join(map(chr, range(ord(low), ord(high) + 1)))


PRINTABLE = bits(characters(" ", "~"))
DIGITS = bits("0123456789")
LETTERS = bits(characters("a", "z") + characters("A", "Z"))
NEWLINE = bits("\n")


@lru_cache(maxsize=8192)
def freedom(legal: int, wanted: int, rare: int) -> int | bytes:
    """Return the degree of each code as a byte, or the code if only one is allowed.

    Wanted legal codes are `FREELY`, or all legal ones if none is wanted; rare ones are `RARELY`.
    """
    free = legal & wanted or legal
    rare = legal & rare & ~free
    if free and not rare and not free & (free - 1):
        return free.bit_length() - 1
    return bytes(
        (free >> code & 1) * FREELY + (rare >> code & 1) * RARELY for code in range(VOCABULARY)
    )
