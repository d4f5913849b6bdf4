"""Microtones as fractions, `^3/2c`, in the signs of quarter tones."""

from __future__ import annotations

import re

MICROTONE = re.compile(r"([\^_])(\d{1,2})/(\d{1,2})([A-Ga-g])([,']*)")
"""An accidental that is a fraction of a sharp or flat, and its note."""

_LETTERS = "CDEFGAB"
_SIGNS = {0: "=", 1: "/", 2: ""}


def plain_microtones(line: str) -> str:
    """Return the line with each fraction as the nearest quarter tone: `^1/2c` is `^/c`.

    Three quarter tones are one of the next letter: `^3/2c` is `_/d`. More than four are unchanged.
    """
    return MICROTONE.sub(_plain, line)


def _plain(match: re.Match[str]) -> str:
    sign, over, under, letter, marks = match.groups()
    quarters = round(2 * int(over) / int(under)) if int(under) else 9
    if quarters == 0:
        return f"={letter}{marks}"
    if quarters <= 2:
        return f"{sign}{_SIGNS[quarters]}{letter}{marks}"
    if quarters > 4:
        return match.group()
    if quarters == 4:
        return f"{sign}{sign}{letter}{marks}"
    octave = (5 if letter.islower() else 4) + marks.count("'") - marks.count(",")
    up = sign == "^"
    octave, place = divmod(7 * octave + _LETTERS.index(letter.upper()) + (1 if up else -1), 7)
    half_step = _LETTERS[place] in ("FC" if up else "EB")
    near = sign if half_step else "_" if up else "^"
    name = _LETTERS[place].lower() if octave >= 5 else _LETTERS[place]
    return f"{near}/{name}" + ("'" * (octave - 5) if octave >= 5 else "," * (4 - octave))
