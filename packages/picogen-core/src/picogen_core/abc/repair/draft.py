"""The text under repair: header lines, then lines of voices, each voice a list of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from picogen_core.abc.interleaved.rests import split_line
from picogen_core.abc.reading.lexer import Token, lex

Log = list[str]
"""A repair appends one detail for each thing it mends."""


@dataclass
class RepairDraft:
    """header: lines; lines: voice -> tokens, in the order of the text."""

    header: list[str] = field(default_factory=list)
    lines: list[dict[str, list[Token]]] = field(default_factory=list)

    def voices(self) -> list[str]:
        """Voices as the header defines them, then those that only the body has."""
        defined = [line[2:].split()[0] for line in self.header if line.startswith("V:")]
        used = [voice for line in self.lines for voice in line]
        return list(dict.fromkeys([*defined, *used]))

    def field(self, start: str, default: str = "") -> str:
        """What follows `start` in the first header line that begins so."""
        return next((s[len(start) :].strip() for s in self.header if s.startswith(start)), default)

    def segments(self) -> Iterator[tuple[dict[str, list[Token]], str]]:
        """(line, voice) for each voice of each line."""
        for line in self.lines:
            for voice in list(line):
                yield line, voice

    def text(self) -> str:
        """The text as it stands."""
        body = ["".join(f"[V:{v}]{spell(t)}" for v, t in line.items()) for line in self.lines]
        return "\n".join([*self.header, *body]) + "\n"


def read_line(line: str) -> dict[str, list[Token]]:
    """A body line as voice -> tokens; of a voice named twice the first stays."""
    voices: dict[str, list[Token]] = {}
    for voice, text in split_line(line):
        voices.setdefault(voice, list(lex(text)))
    return voices


def spell(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)
