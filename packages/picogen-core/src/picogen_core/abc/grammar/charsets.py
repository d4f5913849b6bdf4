"""Sets of character codes as 128-bit integers: `&` and `|` cost 50 ns, an array's cost 1 µs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

VOCABULARY = 128
STEER = 24.0  # nats; e^-24 is one in 26 thousand million

Allowed = NDArray[np.bool_]
"""[128]: which codes may come next."""

Bias = NDArray[np.float32]
"""[128], nats to add to the logits: 0, -STEER for what is only put up with, -inf."""


@lru_cache(maxsize=1024)
def bits(characters: str) -> int:
    """The set of these characters."""
    made = 0
    for character in characters:
        made |= 1 << ord(character)
    return made


def characters(low: str, high: str) -> str:
    """All characters from `low` to `high`."""
    return "".join(map(chr, range(ord(low), ord(high) + 1)))


PRINTABLE = bits(characters(" ", "~"))
DIGITS = bits("0123456789")
LETTERS = bits(characters("a", "z") + characters("A", "Z"))
NEWLINE = bits("\n")


@lru_cache(maxsize=8192)
def to_allowed(codes: int) -> Allowed:
    """The set as a mask; not to be written to."""
    raw = np.frombuffer(codes.to_bytes(VOCABULARY // 8, "little"), dtype=np.uint8)
    mask = np.unpackbits(raw, bitorder="little").astype(bool)
    mask.flags.writeable = False
    return mask


@lru_cache(maxsize=8192)
def to_bias(legal: int, wanted: int) -> Bias:
    """The two sets as a bias; not to be written to."""
    bias = np.where(to_allowed(legal), np.float32(-STEER), np.float32(-np.inf))
    bias[to_allowed(legal & wanted)] = 0.0
    bias = bias.astype(np.float32)
    bias.flags.writeable = False
    return bias
