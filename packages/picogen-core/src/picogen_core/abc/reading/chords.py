"""Chords in handwritten forms, `["^a"(CE]2` and the old `+CE+2`, to the form all programs read."""

from __future__ import annotations

import re

from picogen_core.abc.reading.lexer import LENGTH, PITCH

_PART = re.compile(
    rf'(?P<outside>"[^"\n]*"|\{{[^{{}}\n|]*\}}|\.?\()|(?P<close>\))'
    rf"|(?P<inside>![^!\n|]*!|[.~HLMOPSTuv](?!-)|(?:{PITCH}|[xz]){LENGTH}(?:\s*\.?-)?)|."
)
_NOT_TONES = re.compile(r'"[^"\n]*"|![^!\n|]*!|\{[^{}\n|]*\}')


def split_chord(text: str) -> tuple[str, str]:
    """Return (tones from the opening sign on, length); other elements become blanks in place."""
    inside, _, length = text.rpartition(text[0] if text[0] == "+" else "]")
    return _NOT_TONES.sub(lambda match: " " * len(match.group()), inside), length


def plain_chord(text: str) -> str:
    """Return the chord with only decorations and tones in its brackets; "" if it has no tone.

    Texts, grace notes and beginning slurs go before it, ending slurs after it.
    """
    body, _, length = text[1:].rpartition(text[0] if text[0] == "+" else "]")
    before, inside, after = "", "", ""
    for match in _PART.finditer(body):
        before += match.group("outside") or ""
        inside += match.group("inside") or ""
        after += match.group("close") or ""
    return f"{before}[{inside}]{length}{after}" if re.search(r"[A-Ga-gxz]", inside) else ""
