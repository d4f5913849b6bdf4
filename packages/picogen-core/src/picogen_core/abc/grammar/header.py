"""The header, line by line, in NotaGen's order: tags, %%score, L:, Q:, M:, K:, V:."""

from __future__ import annotations

import re
from typing import Any

from picogen_core.abc.grammar.charsets import NEWLINE, PRINTABLE, bits
from picogen_core.abc.grammar.fields import EVERYTHING, ORDER, FieldChoices, header_spellings
from picogen_core.abc.grammar.lengths import Spellings

MAX_VOICES, MAX_TAG, MAX_NAME, MAX_DEPTH = 16, 60, 40, 3
TAGS = 3  # period, composer, instrumentation

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_SCORE = "%%score "
_NAME = ' nm="'
_FIELD = re.compile(r"([A-Z]):\s*(\S*)")


class HeaderGrammar:
    """Where the header stands. `lines` are the whole ones, `line` the one being written.

    voices: names that V: lines declare; `scored`: how many voices %%score names, 0 without it.
    stack:  groups of a %%score that are open; `lost`: the line is none that the grammar knows.
    """

    __slots__ = ("choices", "line", "lost", "scored", "stack", "tags", "values", "voices")

    def __init__(self, choices: FieldChoices = EVERYTHING) -> None:
        self.choices = choices
        self.line = ""
        self.lost = False
        self.tags: list[str] = []
        self.values: dict[str, str] = {}
        self.voices: list[str] = []
        self.scored = 0
        self.stack = ""

    def state(self) -> tuple[Any, ...]:
        """All that is to come in this line depends on."""
        known = len(self.tags), self._tagged(), "".join(self.values), len(self.voices)
        return self.line, self.lost, self.stack, self.scored, known

    def restore(self, state: tuple[Any, ...]) -> None:
        """Stand where `state` was taken, in the same line."""
        self.line, self.lost, self.stack, self.scored, _ = state

    def is_whole(self) -> bool:
        """Whether the body may begin: a key, and all voices that the score names."""
        return not self.line and "K" in self.values and len(self.voices) >= max(1, self.scored)

    def wanted(self) -> int:
        """Characters that keep the header in order; `[` for the body is in it."""
        line = self.line
        if self.lost:
            return PRINTABLE | NEWLINE
        if line.startswith(_SCORE):
            return self._score()
        if line.startswith("%"):
            return self._tag()
        if line.startswith("V:") and _NAME[:1] in line[3:]:
            return self._voice()
        following, stops = self._fields().get(line, (0, None))
        wanted = following | (NEWLINE if stops is not None else 0)
        if not line:
            wanted |= self._percent() | (bits("[") if self.is_whole() else 0)
        return wanted

    def _percent(self) -> int:
        if self.values:
            return 0
        return bits("%") if not self.scored else 0

    def _tagged(self) -> bool:
        """Whether tags have begun and not ended."""
        return bool(self.tags) and self.tags[-1] != "%end"

    def _tag(self) -> int:
        line = self.line
        if self._tagged() and len(self.tags) >= TAGS:
            return bits("%end\n"[len(line)])
        if self.tags and not self._tagged():  # after %end there is but the score
            return bits(_SCORE[len(line)])
        if line == "%":
            text = PRINTABLE & ~bits("% ")
            return text if self.tags else text | bits("%")
        if line.startswith("%%"):
            return bits(_SCORE[len(line)])
        return (PRINTABLE & ~bits("%") if len(line) < MAX_TAG else 0) | NEWLINE

    def _score(self) -> int:
        """`%%score [ ( 1 2 ) | 3 ]`: groups nest, voices are numbered in order."""
        words = self.line[len(_SCORE) :].split(" ")
        last = words[-1]
        before = words[-2] if len(words) > 1 else ""
        if last:
            number = str(self.scored + 1)
            if last.isdigit() and last != number and number.startswith(last):
                return bits(number[len(last)])
            whole = (last.isdigit() or last in ")]}") and not self.stack
            seen = self.scored + last.isdigit()
            more = self.stack or not whole or seen < MAX_VOICES
            return (bits(" ") if more else 0) | (NEWLINE if whole else 0)
        ended = before.isdigit() or (before != "" and before in ")]}")
        more = self.scored < MAX_VOICES
        wanted = bits(str(self.scored + 1)[0]) if more else 0
        if more and len(self.stack) < MAX_DEPTH and "(" not in self.stack:
            wanted |= bits("([{")
        if ended and self.stack:
            wanted |= bits(_PAIRS[self.stack[-1]])
        if ended and more and "(" not in self.stack:
            wanted |= bits("|")
        return wanted

    def _fields(self) -> Spellings:
        if self._tagged():
            return {}
        return header_spellings(self.choices, *self._where())

    def _where(self) -> tuple[str, int, int]:
        return "".join(self.values), len(self.voices), self.scored or MAX_VOICES

    def _voice(self) -> int:
        """Behind the clef of a V: line: nothing more, or the name."""
        line = self.line
        start = line.find(_NAME[0], line.find(" ") + 1)
        if start < 0:
            following, stops = self._fields().get(line, (0, None))
            return following | (NEWLINE | bits(" ") if stops is not None else 0)
        name = line[start:]
        if len(name) < len(_NAME):
            return bits(_NAME[len(name)])
        if name.endswith('"') and len(name) > len(_NAME):
            return NEWLINE
        room = len(name) < len(_NAME) + MAX_NAME
        if name.endswith("\\"):
            return bits("nt")
        return (PRINTABLE & ~bits('"%[]|!') | bits("\t") if room else 0) | bits('"')

    def closing(self) -> str:
        """The next character of a short way to the body: of fields the most usual values."""
        wanted = self.wanted() or bits("[")  # behind a prompt that no header begins with
        if wanted >> ord("[") & 1 and not self.line:
            return "["
        if not self.line.startswith("%"):
            for line in self.choices.header_lines(*self._where()):
                if line.startswith(self.line) and line != self.line:
                    return line[len(self.line)]
        order = "\n" if self.line.startswith("%%") else "\nend"
        for character in order + '")]}':
            if wanted >> ord(character) & 1:
                return character
        return chr((wanted & -wanted).bit_length() - 1)

    def push(self, character: str) -> None:
        """Take a character of the header."""
        self.lost = self.lost or not self.wanted() >> ord(character) & 1
        if character == "\n":
            self._end_line()
            return
        if self.line.startswith(_SCORE):
            self._push_score(character)
        self.line += character

    def _push_score(self, character: str) -> None:
        last = self.line[len(_SCORE) :].split(" ")[-1]
        if character in _PAIRS:
            self.stack += character
        elif character in _PAIRS.values():
            self.stack = self.stack[:-1]
        elif character == " " and last.isdigit():
            self.scored += 1

    def _end_line(self) -> None:
        line, self.line, self.lost = self.line, "", False
        if line.startswith(_SCORE.strip()):
            self.scored = len(re.findall(r"[^\s()\[\]{}|]+", line[len(_SCORE) :]))
            self.stack = ""
        elif line.startswith("%"):
            self.tags.append(line)
        elif found := _FIELD.match(line):
            letter, value = found.groups()
            if letter == "V":
                self.voices.append(value)
            if letter in ORDER:
                self.values.setdefault(letter, line[2:].strip())
