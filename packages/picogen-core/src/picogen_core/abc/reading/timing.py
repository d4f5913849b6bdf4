"""Lengths of bars, counted as in the converter to MusicXML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from picogen_core.abc.reading.chords import split_chord
from picogen_core.abc.reading.lexer import LENGTH, TIMED, Token, lex, parse_length

_TONE = re.compile(rf"(?:[A-Ga-g][,']*|[zx])({LENGTH})")
_INTO = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
MAX_TUPLET = 64
_TUPLET = re.compile(r"\((\d+)(?::(\d*))?(?::(\d*))?")


@dataclass(frozen=True)
class Tuplet:
    """A tuplet: `notes` notes, each with `into` / `count` of its length."""

    count: int
    into: int
    notes: int


@lru_cache(maxsize=512)
def read_tuplet(text: str, compound: bool = False) -> Tuplet:
    """Return the tuplet of a sign: `(3` is 3:2:3.

    Without `into` it is 3 for 2, 4 and 8 notes, 2 for 3 and 6 notes. For others it is 3 in compound
    meters and else 2 (ABC 2.1, 4.13).

    Raises:
        ValueError: no tuplet that music has.
    """
    match = _TUPLET.fullmatch(text)
    if match is None or len(text) > 12:
        raise ValueError(f"{text[:20]!r} is not a tuplet")
    count = int(match.group(1))
    into = int(match.group(2) or 0) or _INTO.get(count, 3 if compound else 2)
    notes = int(match.group(3) or 0) or count
    least = 1 if match.group(2) else 2
    if not least <= count <= MAX_TUPLET or into > MAX_TUPLET or notes > MAX_TUPLET:
        raise ValueError(f"{text!r} is not a tuplet")
    return Tuplet(count, into, notes)


def spell_out(text: str) -> str:
    """Return a tuplet sign of a compound meter in full: `(5` and `(5::5` as `(5:3:5`."""
    try:
        tuplet = read_tuplet(text, compound=True)
    except ValueError:
        return text
    plain = tuplet == read_tuplet(text)
    return text if plain else f"({tuplet.count}:{tuplet.into}:{tuplet.notes}"


def split_length(token: Token) -> tuple[str, str]:
    """Return a note, rest, chord or spacer as (text without length, spelt length)."""
    end = len(token.text)
    while end and token.text[end - 1] in "0123456789/":
        end -= 1
    return token.text[:end], token.text[end:]


def token_length(token: Token) -> Fraction:
    """Return the length of a timed token in unit lengths; a chord's times its first tone's.

    Raises:
        ValueError: a length that no music has.
    """
    if token.kind != "chord":
        return parse_length(split_length(token)[1])
    inside, spelt = split_chord(token.text)
    tone = _TONE.search(inside)
    return parse_length(spelt) * (parse_length(tone.group(1)) if tone else 1)


def event_lengths(tokens: Sequence[Token]) -> list[tuple[int, Fraction]]:
    """Return (index, length) of each timed token of a bar, after tuplets and broken rhythms.

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
    """Return the length of a bar's longest overlay in unit lengths; None if it is unknown."""
    layers = split_overlays(list(lex(tokens) if isinstance(tokens, str) else tokens))
    try:
        return max(
            sum((length for _, length in event_lengths(layer)), Fraction(0)) for layer in layers
        )
    except ValueError:
        return None


def split_overlays(tokens: Sequence[Token]) -> list[list[Token]]:
    """Return the simultaneous layers of a bar: the tokens before, between and after its `&`."""
    layers: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == "overlay":
            layers.append([])
        else:
            layers[-1].append(token)
    return layers
