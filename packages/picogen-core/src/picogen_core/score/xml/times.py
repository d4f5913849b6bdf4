"""Numbers and times of MusicXML, rounded to times of notes."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from picogen_core.errors import BadInput

_FINEST = 256  # 1024ths in a quarter
_DOTTED = (1, 3, 7, 15)
_SIMPLE = (
    1, 2, 4, 8, 16, 3, 6, 12, 24, 48, 5, 10, 20, 40, 7, 14, 28, 9, 18, 36, 11, 22, 13, 26, 32, 64,
)  # fmt: skip
_TYPES = {
    "breve": Fraction(8), "whole": Fraction(4), "half": Fraction(2), "quarter": Fraction(1),
    "eighth": Fraction(1, 2), "16th": Fraction(1, 4), "32nd": Fraction(1, 8),
    "64th": Fraction(1, 16), "128th": Fraction(1, 32), "256th": Fraction(1, 64),
}  # fmt: skip
_NEAR = Fraction(1, 512)
_NUMBER = re.compile(r"\s*[-+]?\d{0,12}(?:\.\d{0,12})?\s*")


def number(element: Any, child: str) -> Fraction | None:
    """Return a child's number, decimals included (`xs:decimal`); None if there is no such child.

    Raises:
        BadInput: it is no number.
    """
    text = element.findtext(child)
    if text is None:
        return None
    try:
        if not _NUMBER.fullmatch(text):
            return Fraction(int(float(text[:20])))
        return Fraction(text.strip())
    except (ValueError, OverflowError):
        raise BadInput(f"<{child}> is {text[:20]!r}, not a number") from None


def named_duration(element: Any) -> Fraction | None:
    """Return the quarters of a note's type, dots and tuplet; None if they give no length."""
    parts = _TYPES.get((element.findtext("type") or "").strip())
    if parts is None:
        return None
    dots = min(len(element.findall("dot")), 4)
    quarters = parts * (2 - Fraction(1, 2**dots))
    tuplet = element.find("time-modification")
    if tuplet is None:
        return quarters
    actual, normal = number(tuplet, "actual-notes"), number(tuplet, "normal-notes")
    return quarters * normal / actual if actual and normal else None


@lru_cache(maxsize=4096)
def snapped(time: Fraction) -> Fraction:
    """Return the nearest time of a note: 341/1024 of a quarter is a third.

    A time near no note, such as a grace note's playback, is rounded to triplets of 64ths.
    """
    if time.denominator <= _SIMPLE[-1]:
        return time
    for parts in _SIMPLE:
        near = Fraction(round(time * parts), parts)
        if abs(near - time) <= _NEAR:
            return near
    return Fraction(round(time * 96), 96)


def is_rounded(part: Any) -> bool:
    """Return whether no note has a duration, with up to three dots, in a tuplet or not.

    Examples are durations that are too fine, or 17/240 of a quarter.
    """
    seen: set[tuple[str | None, str | None]] = set()
    divisions: str | None = "1"
    for element in part.iter("divisions", "duration"):
        if element.tag == "divisions":
            divisions = element.text
        else:
            seen.add((element.text, divisions))
    for pair in seen:
        if not all(text and _NUMBER.fullmatch(text) for text in pair):
            continue
        duration, units = (Fraction(str(text).strip()) for text in pair)
        if not units:
            continue
        quarters = duration / units
        under, over = quarters.denominator, quarters.numerator
        if under > _FINEST and over not in _DOTTED:
            return True
        if under & (under - 1) and over // (over & -over or 1) > _DOTTED[-1]:
            return True
    return False
