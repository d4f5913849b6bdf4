"""What fields of ABC are made of: the circle of fifths, modes, meters, unit lengths and clefs."""

from __future__ import annotations

LETTERS = "FCGDAEB"
"""In fifths. Sharps enter a signature in this order, flats in reverse."""
FIFTHS = {letter: place - 1 for place, letter in enumerate(LETTERS)}
"""A letter's place on the line of fifths: … F −1, C 0, G 1 …"""
SIGNS = {"": 0, "#": 7, "♯": 7, "b": -7, "♭": -7}
"""Fifths that a tonic's sign adds."""

MODES = {"": 0, "min": -3, "dor": -2, "phr": -4, "lyd": 1, "mix": -1, "loc": -5}
"""Fifths that a mode adds to those of its tonic, by its name in NotaGen's headers; "" is major."""
_SAME_MODE = {"maj": "", "ion": "", "m": "min", "aeo": "min"}
MODE_WORDS = tuple(mode for mode in (*_SAME_MODE, *MODES) if len(mode) == 3)
"""The first three letters of each mode's name."""

BEATS = r"\d{1,2}(?:\+\d{1,2})*"
BEAT_UNIT = "(?:1|2|4|8|16|32|64)"
METER = f"{BEATS}/{BEAT_UNIT}"
"""Patterns of a meter in a header: beats, the note that a beat is, and both: `3/4`, `3+2/8`."""
UNIT = f"1/{BEAT_UNIT}"
"""The pattern of a unit length."""

PITCHED_CLEFS = ("treble", "bass", "alto", "tenor")
CLEFS = (*PITCHED_CLEFS, "perc")
ANY_PITCHED_CLEF, ANY_CLEF = "|".join(PITCHED_CLEFS), "|".join(CLEFS)
"""The same as patterns."""


def mode_name(word: str) -> str | None:
    """NotaGen's name of a mode that is spelt in any usual way: `Minor` -> `min`, `Mixolydian` ->
    `mix`, `m` -> `min`, `major` -> "". None if the word names no mode."""
    word = word.lower()
    short = word if word == "m" else word[:3]
    short = _SAME_MODE.get(short, short)
    return short if short in MODES else None


def signature_place(letter: str, sign: str, mode: str = "") -> int:
    """Sharps of a key's signature, flats negative; what is no mode counts as major."""
    return FIFTHS[letter] + SIGNS[sign] + MODES[mode_name(mode) or ""]
