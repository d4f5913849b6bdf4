"""One lexer for the music part of ABC. Every character of the text is in exactly one token.

Old files use `!` for a line break and `+CE+` for a chord. Text between two `!` or `+` is a
decoration if ABC knows its name or if it cannot be music (ABC 2.1, 4.14 and 10).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

# Possessive quantifiers (`*+`) and the bound on a field keep hostile text linear: without them an
# unclosed chord `[C11C11…` takes exponential time.
LENGTH = r"\d*+/*+\d*+"
PITCH = r"(?:\^\^|\^/|\^|__|_/|_|=)?[A-Ga-g][,']*"
_TONE = rf"(?:{PITCH}|[zx]){LENGTH}"

_NAMES = (
    r"[0-9]|f{1,4}|p{1,4}|m[fp]|s?fz|s?fp?|[DF]\.[CS]\.?[\w.]*|dacapo|da(?:coda|capo)\w*|fine|"
    r"accent|fade|[<>^/-]+|[<>]?\(|[<>]?\)|\+|gmark|cre?sc|dacs|bead"
)
# No decoration: a note at least, and nothing but music.
_MUSIC = r"(?=[^!+\n|]*[A-Ga-g])[A-Ga-gzxZ0-9,'/<>\[\]()^_=~ \t\"-]+"
_LOOSE = r'"[^"\n]*"|![^!\n|]*!|\{[^{}\n|]*\}|[^\[\]"!{}|\n%]'

# The order matters: the first alternative that matches wins.
_KINDS = {
    "comment": r"%[^\n]*",
    "field": r"\[[A-Za-z]:[^\]\n]{0,500}+\]",
    "chord": rf"\[(?:\s*+(?:[.~HLMOPSTuv]|![^!\n]*!)*+(?:{_TONE})\s*+\.?-?)++\s*+\]{LENGTH}"
    rf"|\[(?![\d|:])(?=(?:{_LOOSE}){{0,300}}?[A-Ga-gxz])(?:{_LOOSE}){{1,300}}+\]{LENGTH}"
    rf"|\+(?!(?:{_NAMES})\+)(?:{PITCH}{LENGTH}\.?-?\s*+){{2,12}}+\+{LENGTH}",
    "grace": r"\{[^{}\n|]*\}",
    "quote": r'"[^"\n]*"',
    "decoration": rf"!(?:(?:{_NAMES})|(?!{_MUSIC}!)[^!\n|]*)!"
    rf"|\+(?:(?:{_NAMES})|(?!{_MUSIC}\+)[^+\n|]{{1,20}})\+",
    "tuplet": r"\(\d+(?::\d*){0,2}",
    "bar": r"\.?(?=:*\[?\||::)(?:\[\|\]?|\|\]?|:)+(?:\[?\d+(?:[,\-.]\d+)*)?",
    "ending": r"\[\d+(?:[,\-.]\d+)*|\[(?=\")",
    "note": rf"{PITCH}{LENGTH}",
    "rest": rf"[zxZX]{LENGTH}",
    "spacer": rf"y{LENGTH}",
    "broken": r"<+|>+",
    "slur": r"\.?\(|\)",
    "tie": r"\.?-",
    "short": r"[.~HLMOPSTuvJRkVNIKQUWXYZ]",
    "overlay": r"&+",
    "continuation": r"\\(?=[ \t]*(?:%[^\n]*)?(?:\n|$))",
    "beam": r"`+",
    "break": r"[$!]",
    "space": r"[ \t]+",
    "newline": r"\r\n|\n|\r",
    "bad": r".",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{regex})" for kind, regex in _KINDS.items()), re.S)
_LENGTH_PARTS = re.compile(r"(\d*)(/*)(\d*)")

SOUNDING = frozenset({"note", "chord"})
TIMED = frozenset({"note", "chord", "rest"})


class Token(NamedTuple):
    """A piece of music text: its kind, its characters and where they start."""

    kind: str
    text: str
    start: int


def lex(text: str) -> Iterator[Token]:
    """Yield the tokens of a body, a line or a bar; their texts joined are `text` itself."""
    for match in _TOKEN.finditer(text):
        yield Token(match.lastgroup or "bad", match.group(), match.start())


def parse_length(text: str) -> Fraction:
    """Return a note length as a multiple of the unit length: `3/2`, `/`, `//`, `4`; "" is 1.

    Raises:
        ValueError: a zero, or more digits or slashes than any music has.
    """
    match = _LENGTH_PARTS.fullmatch(text)
    if match is None or len(text) > 12:
        raise ValueError(f"{text[:20]!r} is not a note length")
    over, slashes, under = match.groups()
    numerator = int(over or 1)
    denominator = int(under) if under else 2 ** len(slashes)
    if under and len(slashes) > 1:
        denominator = int(under) * 2 ** (len(slashes) - 1)
    if not numerator or not denominator:
        raise ValueError(f"{text!r} is not a note length")
    return Fraction(numerator, denominator)


def format_length(length: Fraction) -> str:
    """Return the shortest ABC for a multiple of the unit length: 1 is "", 1/2 is "/"."""
    if length.denominator == 1:
        return "" if length == 1 else str(length.numerator)
    numerator = "" if length.numerator == 1 else str(length.numerator)
    return f"{numerator}/" if length == Fraction(1, 2) else f"{numerator}/{length.denominator}"
