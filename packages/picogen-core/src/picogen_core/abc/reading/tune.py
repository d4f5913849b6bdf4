"""The lines of one tune, sorted into fields and music, for all readers of ABC.

Text blocks, comments, layout and lyrics are left out, and macros are expanded. Directives that
change notes become fields, in any place (ABC 2.1, 2.2.2, 9 and 11).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from picogen_core.abc.counters import is_body_line, parse_counter
from picogen_core.abc.pitch.microtones import MICROTONE, plain_microtones
from picogen_core.abc.reading.macros import Macros
from picogen_core.abc.reading.overlays import spread_overlays

SCORE = "%"
"""The letter of `%%score` and `%%staves`."""

REWRITTEN = -(10**9)
"""The start of a line whose characters do not stand in the text."""

_LINE = re.compile(r"[^\r\n]+")
_FIELD = re.compile(r"(?![A-Ga-gxz]:[|:])([A-Za-z+]):[ \t]*(.*)")
_DIRECTIVE = re.compile(r"(?:%%|I:)[ \t]*([\w-]+)[ \t]*(.*)")
_VOICE = re.compile(r"\[V:[ \t]*([^\s\]]+)")
_NOTED = frozenset("KLMQV")


class Line(NamedTuple):
    """letter: of a field, `SCORE`, or "" for music; start: the place of text[0] in the tune."""

    letter: str
    text: str
    start: int


def read_lines(tune: str) -> Iterator[Line]:
    """Yield the fields K L M Q V, the `%%score`, directives that change notes, and the music."""
    macros, breaks = Macros(), False
    in_block = False  # %%begintext … %%endtext
    for match in _LINE.finditer(tune):
        line, start = match.group(), match.start()
        if line[0] == "%" or in_block:
            in_block = line.startswith("%%begin") or (in_block and not line.startswith("%%end"))
            if in_block or not line.startswith("%%"):
                continue
        elif line[1:2] != ":" or not (field := _FIELD.match(line)):
            if breaks and "!" in line:
                line = line.replace("!", " ")
            if macros or "[m:" in line:
                line, start = macros.expand(line), REWRITTEN
            if MICROTONE.search(line):
                line, start = plain_microtones(line), REWRITTEN
            if "(&" in line:
                line, start = spread_overlays(line), REWRITTEN
            yield Line("", line, start)
            continue
        elif (letter := field.group(1)) != "I":
            if letter == "m":
                macros.add(field.group(2).split("%", 1)[0])
            elif letter in _NOTED:
                yield Line(letter, field.group(2), start + field.start(2))
            continue
        if directive := _DIRECTIVE.match(line):
            name, value = directive.groups()
            if name in ("score", "staves"):
                yield Line(SCORE, value.split("%", 1)[0].strip(), start)
            elif name == "propagate-accidentals":
                yield Line("I", f"{name} {value}", start)
            elif name == "linebreak":
                breaks = "!" in value.split("%", 1)[0]


def is_interleaved(text: str) -> bool:
    """Return whether a line of the text holds the same bars of several voices, as in NotaGen.

    That is the case if a line has a counter `[r:` or names two voices. If each line names one
    voice, it is the standard's layout: each voice continues after its last line (ABC 2.1, 7).
    """
    lines = [line for line in text.splitlines() if is_body_line(line)]
    return any(parse_counter(line) or len(set(_VOICE.findall(line))) > 1 for line in lines)


def names_one_voice(text: str) -> bool:
    """Return whether each line of music from the first `[V:` on names the same voice."""
    lines = [line for line in text.splitlines() if line.strip()]
    first = next((i for i, line in enumerate(lines) if line.startswith("[V:")), len(lines))
    music = [line for line in lines[first:] if line[0] != "%" and not _FIELD.match(line)]
    names = {found and found.group(1) for found in map(_VOICE.match, music)}
    return len(names) == 1 and None not in names
