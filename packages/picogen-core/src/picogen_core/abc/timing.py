"""How long a bar lasts, counted as the converter to MusicXML counts it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from picogen_core.abc.lexer import LENGTH, TIMED, Token, lex, parse_length

_TONE = re.compile(rf"(?:[A-Ga-g][,']*|[zx])({LENGTH})")
_TUPLET = re.compile(r"\((\d+)(?::(\d*))?(?::(\d*))?")


@dataclass(frozen=True)
class Tuplet:
    """`notes` notes, each at `into` / `count` of its length."""

    count: int
    into: int
    notes: int


def read_tuplet(text: str) -> Tuplet:
    """`(3` is 3:2:3; where `into` is missing it is 3 for 2, 4 and 8 notes and 2 for the others.

    Raises:
        ValueError: no tuplet that music has.
    """
    match = _TUPLET.fullmatch(text)
    if match is None or len(text) > 12:
        raise ValueError(f"{text[:20]!r} is not a tuplet")
    count = int(match.group(1))
    into = int(match.group(2) or 0) or (3 if count in (2, 4, 8) else 2)
    notes = int(match.group(3) or 0) or count
    if not 2 <= count <= 64 or into > 64 or notes > 64:
        raise ValueError(f"{text!r} is not a tuplet")
    return Tuplet(count, into, notes)


def split_length(token: Token) -> tuple[str, str]:
    """A note, rest, chord or spacer as (what it is, its length as spelt)."""
    end = len(token.text)
    while end and token.text[end - 1] in "0123456789/":
        end -= 1
    return token.text[:end], token.text[end:]


def token_length(token: Token) -> Fraction:
    """The length of a timed token in unit lengths; a chord's is its own times its first tone's.

    Raises:
        ValueError: a length that no music has.
    """
    stem, spelt = split_length(token)
    length = parse_length(spelt)
    if token.kind == "chord":
        tone = _TONE.search(re.sub(r"![^!]*!", "", stem))
        length *= parse_length(tone.group(1)) if tone else 1
    return length


def event_lengths(tokens: Sequence[Token]) -> list[tuple[int, Fraction]]:
    """(index, length) of each timed token of a bar, after tuplets and broken rhythms.

    A tuplet within a tuplet replaces it, as in the converter. Lengths are in unit lengths.

    Raises:
        ValueError: a length or tuplet that no music has, or a rest of whole bars (`Z`).
    """
    events: list[tuple[int, Fraction]] = []
    ratio, left = Fraction(1), 0
    after_broken = Fraction(1)
    for i, token in enumerate(tokens):
        if token.kind == "tuplet":
            tuplet = read_tuplet(token.text)
            ratio, left = Fraction(tuplet.into, tuplet.count), tuplet.notes
        elif token.kind == "broken" and events:
            short = Fraction(1, 2 ** len(token.text))
            before, after_broken = 2 - short, short
            if token.text[0] == "<":
                before, after_broken = after_broken, before
            events[-1] = events[-1][0], events[-1][1] * before
        elif token.kind in TIMED:
            if token.text[0] in "ZX":
                raise ValueError(f"{token.text!r} lasts whole bars")
            length = token_length(token) * after_broken
            if left:
                length, left = length * ratio, left - 1
            events.append((i, length))
            after_broken = Fraction(1)
    return events


def bar_length(tokens: Iterable[Token] | str) -> Fraction | None:
    """The length of a bar in unit lengths, or None if it cannot be told."""
    try:
        listed = list(lex(tokens) if isinstance(tokens, str) else tokens)
        return sum((length for _, length in event_lengths(listed)), Fraction(0))
    except ValueError:
        return None
