"""The signs of Humdrum **kern: one token as length, pitch, barline or ornament."""

from __future__ import annotations

import re
from fractions import Fraction

from picogen_core.abc.reading.notes import Note
from picogen_core.abc.reading.voices import SEMITONES
from picogen_core.errors import BadInput

# A stem, a beam, a tie or an articulation may stand between the letters and the accidental, and
# among the letters.
_OTHER = r"[^\sa-gA-G#\-n]*"
_PITCH = re.compile(rf"(([a-gA-G])(?:{_OTHER}\2)*)(?:{_OTHER}(#{{1,3}}|-{{1,3}}|n))?")
_LENGTH = re.compile(r"(\d+)(?:%(\d+))?(\.*)")
_MAX_DIGITS, _MAX_DOTS = 4, 8
_SHARPS = "fcgdaeb"
_NAMES = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
_KEYS = dict(zip(range(-7, 8), _NAMES, strict=True))
_SIGNS = (
    (";", "!fermata!"), ("'", "."), ("`", "!wedge!"), ("^", "!>!"), ("~", "!tenuto!"),
    ("O", ""), ("T", "T"), ("t", "T"), ("M", "P"), ("m", "P"), ("W", "M"), ("w", "M"),
    ("S", "!turn!"), ("$", "!invertedturn!"), (":", "!arpeggio!"), ("u", "v"), ("v", "u"),
)  # fmt: skip


def key_of(signs: str) -> str:
    """Return `*k[f#c#]` as `D`; a signature of no key as `none ^f _b`."""
    found = re.findall(r"([a-g])([#\-n]+)", signs)
    sharps = [letter for letter, sign in found if sign == "#"]
    flats = [letter for letter, sign in found if sign == "-"]
    if not flats and "".join(sharps) == _SHARPS[: len(sharps)]:
        return _KEYS[len(sharps)]
    if not sharps and "".join(flats) == _SHARPS[::-1][: len(flats)]:
        return _KEYS[-len(flats)]
    return "none" + "".join(f" ^{s}" for s in sharps) + "".join(f" _{f}" for f in flats)


def duration_of(token: str) -> Fraction | None:
    """Return the quarters of a note token. Raises `BadInput` for an impossible length."""
    found = _LENGTH.search(token)
    if found is None:
        return None
    over, under, dots = found.groups()
    if max(len(over), len(under or "")) > _MAX_DIGITS or len(dots) > _MAX_DOTS:
        raise BadInput(f"{found.group()[:20]!r} is no length of a note")
    if set(over) == {"0"}:
        length = Fraction(4 * 2 ** len(over)) / int(under or 1)
    else:
        length = Fraction(4 * int(under or 1), int(over))
    return length * (2 - Fraction(1, 2 ** len(dots)))


def note_of(token: str, onset: Fraction, duration: Fraction) -> Note | None:
    found = _PITCH.search(token)
    if found is None:
        return None
    count, sign = found.group(1).count(found.group(2)), found.group(3) or ""
    octave = 3 + count if found.group(2).islower() else 4 - count
    letter = "CDEFGAB".index(found.group(2).upper())
    alter = sign.count("#") - sign.count("-")
    pitch = 12 * (octave + 1) + SEMITONES[letter] + alter
    if not 0 <= pitch <= 127:
        return None
    tied = "[" in token or "_" in token
    return Note(pitch, 7 * octave + letter, onset, duration, -1, tied=tied)


def marks_of(token: str) -> tuple[str, str]:
    """Return the marks before and after a note or chord."""
    before = "(" * token.count("(")
    before += "".join(mark for sign, mark in _SIGNS if sign in token and mark)
    return before, ")" * token.count(")")


def grace_of(token: str) -> str:
    """Return a grace note's text."""
    tones = []
    for part in token.split():
        if note := note_of(part, Fraction(0), Fraction(1)):
            octave, letter = divmod(note.step, 7)
            alter = (note.pitch or 0) - 12 * (octave + 1) - SEMITONES[letter]
            name = "CDEFGAB"[letter]
            sign = {1: "^", -1: "_", 2: "^^", -2: "__"}.get(alter, "=")
            marks = "'" * (octave - 5) if octave >= 5 else "," * (4 - octave)
            tones.append(sign + (name.lower() if octave >= 5 else name) + marks)
    return tones[0] if len(tones) == 1 else f"[{''.join(tones)}]" if tones else ""


def barline_of(token: str) -> str:
    """Return `=:|!` as `:|`."""
    closes, opens = ":|" in token or ":!" in token, "|:" in token or "!:" in token
    if closes and opens:
        return "::"
    if closes:
        return ":|"
    if opens:
        return "|:"
    return "|]" if token.startswith("==") or "|!" in token else "||" if "||" in token else "|"


def joined_barlines(first: str, second: str) -> str:
    """Return two barlines with nothing between them as one."""
    if ":|" in (first, second) and "|:" in (first, second):
        return "::"
    return max(first, second, key=["|", "||", "|]", "|:", ":|", "::"].index)
