"""The fields K:, M:, L: and a clef as numbers."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from picogen_core.abc.fields import ANY_PITCHED_CLEF, LETTERS, MODE_WORDS, signature_place

ALTERATION = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
"""Semitones of an accidental; those of quarter tones have none."""

QUARTERS = {"^/": 50, "_/": -50}
"""Cents of a quarter tone's accidental."""

_TONIC = re.compile(r"\s*([A-G])([#b♯♭]?)\s*([A-Za-z]*)")
_EXPLICIT = re.compile(r"(\^\^|\^|__|_|=)([A-Ga-g])")
_EXPLICIT_RUN = re.compile(r"(?<![\w=])(?:(?:\^\^|\^|__|_|=)[A-Ga-g]\s*)+(?![\w,'])")
_JOINED = re.compile(
    rf"\A(\s*[A-G][#b♯♭]?(?:\s*(?:(?:{'|'.join(MODE_WORDS)}|exp)[a-z]*|m(?![a-z])))?)"
    r"(?=[\^_=])",
    re.I,
)  # `Dm^c`
_METER = re.compile(r"\(?\s*(\d{1,3}(?:\s*\+\s*\d{1,3})*)\s*\)?\s*/\s*(\d{1,3})")
_UNIT = re.compile(r"\s*(\d{1,3})(?:\s*/\s*(\d{1,3}))?")
_OCTAVES = re.compile(rf"\boctave=([-+]?\d)|(?:{ANY_PITCHED_CLEF}|clef=[A-Za-z]+)\d?([-+])(8|15)")
_CLEF = re.compile(rf"\b(?:{ANY_PITCHED_CLEF}|clef)")
_PERCUSSION = re.compile(r"(?:^|[\s=])perc(?![\w=])")
_TRANSPOSE = re.compile(r"\btranspose=([-+]?\d{1,2})(?!\d)")


@lru_cache(maxsize=512)
def key_signature(value: str) -> dict[str, int] | None:
    """Return alterations by letter of a K: field: `D` -> {"F": 1, "C": 1}; do not modify it.

    All modes (three letters are enough), `exp` and added accidentals (`K:D exp _b`, `K:Dm ^c`),
    `none`, the empty field, `HP` and `Hp` (both sound F♯ and C♯). None if the field names no key,
    as in `K:clef=bass`.
    """
    value = value.split("%", 1)[0].strip()
    added = {item[-1].upper(): ALTERATION[item[:-1]] for item in key_accidentals(value)}
    if value.startswith(("HP", "Hp")):
        return {"F": 1, "C": 1} | added
    if not value or value.lower().startswith(("none", "exp")):
        return added
    match = _TONIC.match(value)
    if match is None:
        return added or None
    tonic, sign, mode = match.groups()
    if mode.lower().startswith("exp"):
        return added
    fifths = signature_place(tonic, sign, mode)
    signature: dict[str, int] = {}
    order, turn = (LETTERS, 1) if fifths > 0 else (LETTERS[::-1], -1)
    for place in range(abs(fifths)):
        letter = order[place % 7]
        signature[letter] = signature.get(letter, 0) + turn
    return signature | added


def key_accidentals(value: str) -> list[str]:
    """Return the accidentals that a K: field adds to its key: `D exp _b ^c` -> [`_b`, `^c`]."""
    runs = _EXPLICIT_RUN.findall(_JOINED.sub(r"\1 ", value.split("%", 1)[0], count=1))
    return [sign + letter for run in runs for sign, letter in _EXPLICIT.findall(run)]


@lru_cache(maxsize=512)
def meter_length(value: str) -> Fraction | None:
    """Return the whole notes per bar of an M: field (`C`, `6/8`, `2+3/8`); None if it is free."""
    value = value.split("%", 1)[0].strip()
    if value in ("C", "C|"):
        return Fraction(1)
    match = _METER.search(value)
    if match is None:
        return None
    over, under = sum(int(beats) for beats in match.group(1).split("+")), int(match.group(2))
    return Fraction(over, under) if over and under else None


def is_compound(value: str) -> bool:
    """Return whether an M: field counts in threes: 6, 9 or 12 of a kind."""
    match = _METER.search(value)
    return match is not None and match.group(1) in ("6", "9", "12")


def unit_length(value: str) -> Fraction | None:
    """Return an L: field as a fraction of a whole note; None if it has none."""
    match = _UNIT.match(value)
    if match is None:
        return None
    over, under = int(match.group(1)), int(match.group(2) or 1)
    return Fraction(over, under) if over and under else None


def default_unit(meter: str) -> Fraction:
    """Return the unit length without an L: field: 1/16 below 3/4, else 1/8 (ABC 2.1, 3.1.7)."""
    length = meter_length(meter)
    return Fraction(1, 16) if length is not None and length < Fraction(3, 4) else Fraction(1, 8)


def octave_shift(value: str) -> int | None:
    """Return the octaves that a K: or V: field adds (`octave=-1`, `treble-8`, `bass+8`).

    None if it names neither a clef nor an octave, so that an earlier shift stays in force.
    """
    match = _OCTAVES.search(value)
    if match is None:
        return 0 if _CLEF.search(value) else None
    if match.group(1):
        return int(match.group(1))
    return (1 if match.group(2) == "+" else -1) * (2 if match.group(3) == "15" else 1)


def transposition(value: str) -> int | None:
    """Return semitones from written to sounding pitch by a K: or V: field (`transpose=-2`).

    None if it has no transposition (ABC 2.1, 4.6).
    """
    match = _TRANSPOSE.search(value)
    return int(match.group(1)) if match else None


def is_percussion(value: str) -> bool | None:
    """Return whether the clef of a K: or V: field is `perc` (notes without pitch); None if none."""
    return True if _PERCUSSION.search(value) else False if _CLEF.search(value) else None
