"""Overlays of several bars, `(& a | b & c | d &)`, as overlays of each bar: `a & c | b & d`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from picogen_core.abc.reading.lexer import Token, lex


def spread_overlays(line: str) -> str:
    """Return a line of music without `(&` and `&)`; unchanged if its layers have unequal bars."""
    tokens = list(lex(line))
    marks = [
        (i, a.kind == "overlay")
        for i, (a, b) in enumerate(pairwise(tokens))
        if (a.text, b.text) in (("(", "&"), ("&", ")"))
    ]
    made, done = "", 0
    for (begin, closes), (end, ends) in pairwise(marks):
        if not closes and ends:
            made += _text(tokens[done:begin]) + _spread(tokens[begin + 2 : end])
            done = end + 2
    return made + _text(tokens[done:])


def _spread(tokens: Sequence[Token]) -> str:
    layers = [[""]]
    barlines = []
    for token in tokens:
        if token.kind == "overlay":
            layers.append([""])
        elif token.kind == "bar":
            layers[-1].append("")
            if len(layers) == 1:
                barlines.append(token.text)
        else:
            layers[-1][-1] += token.text
    if len({len(layer) for layer in layers}) > 1:
        return f"(&{_text(tokens)}&)"
    bars = [" & ".join(bar) for bar in zip(*layers, strict=True)]
    return "".join(a + b for a, b in zip(bars, [*barlines, ""], strict=True))


def _text(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens)
