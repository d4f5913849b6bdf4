"""Values of K:, L:, M:, Q: and clefs that every program reads, spelt out for steering."""

from __future__ import annotations

from functools import lru_cache

from picogen_core.abc.grammar.lengths import Spellings, one_of
from picogen_core.abc.repair.header import field_is_legal

CLEFS = ("treble", "bass", "alto", "tenor", "treble-8", "treble+8", "bass-8", "bass+8", "perc")
_MODES = ("", "min", "dor", "phr", "lyd", "mix", "loc")
_BEATS = ("1/8", "1/4", "1/2", "3/8", "3/4", "3/16", "1/16", "1/1")
UNITS = ("1/8", "1/16", "1/4", "1/2", "1/32")


def keys() -> list[str]:
    """Keys of at most seven sharps or flats, in all modes, and none."""
    named = [letter + sign + mode for letter in "ABCDEFG" for sign in ("", "#", "b")
             for mode in _MODES]  # fmt: skip
    return ["none", *(key for key in named if field_is_legal("K", key))]


def meters() -> list[str]:
    """Meters up to 24 beats, and none."""
    return ["none", *(f"{beats}/{value}" for value in (1, 2, 4, 8, 16) for beats in range(1, 25))]


def tempos() -> list[str]:
    """20 to 399 beats a minute."""
    return [f"{beat}={speed}" for beat in _BEATS for speed in range(20, 400)]


@lru_cache(maxsize=4)
def inline_fields(units: bool) -> Spellings:
    """`K:Gmin`, `M:6/8`, `Q:1/4=120`, and with `units` `L:1/16`."""
    spelt = [f"K:{key}" for key in keys()] + [f"K:{clef}" for clef in CLEFS]
    spelt += [f"M:{meter}" for meter in meters()] + [f"Q:{tempo}" for tempo in tempos()]
    return one_of(*spelt, *(f"L:{unit}" for unit in UNITS if units))
