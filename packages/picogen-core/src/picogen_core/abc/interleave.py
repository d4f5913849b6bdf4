"""A tune as its source writes it -> NotaGen's interleaved form: one line a bar, all voices in it.

Bars are cut at the lexer's barlines, so no run of them (`|| |:`) shifts the count or loses text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from unidecode import unidecode

from picogen_core.abc.header import (
    Header,
    Voice,
    normal_key,
    normal_meter,
    normal_tempo,
    normal_unit,
    normal_voice,
)
from picogen_core.abc.lexer import TIMED, Token, lex
from picogen_core.errors import BadInput

MAX_ANNOTATION = 40

_FIELD = re.compile(r"([A-Za-z+]):\s*(.*)")
_BARLINE = re.compile(r"(\.?[|:\[\]]*?)(\[?\d[\d,.\-]*)?$")
_KEPT_SHORT = frozenset(".~HLMOPSTuv")
_DROPPED = frozenset({"comment", "spacer", "continuation", "beam", "break", "bad", "newline"})


@dataclass
class _VoiceBars:
    """The bars of one voice while they are being cut."""

    left: str = ""
    bars: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""
    barlines: list[str] = field(default_factory=list)
    timed: bool = False

    def add(self, token: Token, text: str) -> None:
        if token.kind == "bar" or (token.kind == "ending" and text[1:2].isdigit()):
            self.barlines.append(text)
        elif token.kind != "space":
            self._close()
            self.text += text
            self.timed |= token.kind in TIMED
        elif not self.barlines and self.text and not self.text.endswith(" "):
            self.text += text

    def _close(self) -> None:
        """End the bar at the barlines seen; without a note or rest it is no bar yet."""
        if not self.barlines:
            return
        if self.timed:
            self.bars.append((self.text.strip(), merge_barlines(self.barlines)))
            self.text, self.timed = "", False
        elif not self.bars:
            self.left = merge_barlines([self.left, *self.barlines] if self.left else self.barlines)
        else:
            text, right = self.bars[-1]
            self.bars[-1] = (text, merge_barlines([right, *self.barlines]))
        self.barlines = []

    def finish(self) -> None:
        self.barlines = self.barlines or ["|]"]
        self._close()


def interleave(tune: str) -> str:
    """Header lines in NotaGen's order, then a line `[V:1]…|[V:2]…|` for each bar.

    Every note is kept; titles, lyrics, comments and layout are not.

    Raises:
        BadInput: no key, no note, or voices with different numbers of bars.
    """
    header, body = _read_header(tune)
    voices = _cut_voices(header, body)
    if not any(TIMED & {t.kind for t in lex(text)} for v in voices.values() for text, _ in v.bars):
        raise BadInput("the tune has no note")
    counts = {name: len(voice.bars) for name, voice in voices.items()}
    if len(set(counts.values())) > 1:
        raise BadInput(f"its voices have different numbers of bars: {counts}")
    header.voices = {name: header.voices.get(name, Voice(name)) for name in voices}
    header.score = _renumber(header.score, list(voices))
    lines = header.lines()
    for i in range(next(iter(counts.values()))):
        cells = []
        for number, voice in enumerate(voices.values(), 1):
            text, right = voice.bars[i]
            cells.append(f"[V:{number}]{voice.left if i == 0 else ''}{text}{right}")
        lines.append("".join(cells))
    return "\n".join(lines) + "\n"


def merge_barlines(barlines: list[str]) -> str:
    """Adjacent barlines as one: `:|`, `|:` -> `::`; `||`, `|` -> `||`; an ending's number stays."""
    cores, ending = [], ""
    for barline in barlines:
        found = _BARLINE.match(barline)
        core, number = (found.group(1), found.group(2)) if found else (barline, None)
        ending = (number or "").lstrip("[") or ending
        if core.strip("["):
            cores.append(core)
    closes = any(core.startswith(":") for core in cores)
    opens = any(core.endswith(":") for core in cores)
    if closes and opens:
        return "::" + ending
    if closes:
        return ":|" + ending
    if opens:
        return "|:" + ending
    final = any(core.endswith("]") and core != "[|]" for core in cores)
    double = any("||" in core or core == "[|" for core in cores)
    return ("|]" if final and not ending else "||" if double or final else "|") + ending


def _read_header(tune: str) -> tuple[Header, list[str]]:
    """The header, and the lines from the one after its K: on."""
    header = Header()
    lines = tune.splitlines()
    for i, line in enumerate(lines):
        if line.startswith("%%score"):
            header.score = line[7:].strip()
        found = _FIELD.match(line)
        if not found:
            continue
        letter, value = found.group(1), found.group(2).split("%")[0]
        if letter == "M":
            header.meter = normal_meter(value) or "none"
        elif letter == "L":
            header.unit = normal_unit(value) or header.unit
        elif letter == "Q":
            header.tempo = normal_tempo(value)
        elif letter == "V":
            voice = normal_voice(value)
            header.voices.setdefault(voice.source, voice)
        elif letter == "K":
            key = normal_key(value)
            if key is None:
                raise BadInput(f"its key {value.strip()[:20]!r} is not one that can be read")
            header.key = key
            return header, lines[i + 1 :]
    raise BadInput("it has no K: line, so no body")


def _cut_voices(header: Header, body: list[str]) -> dict[str, _VoiceBars]:
    voices: dict[str, _VoiceBars] = {}
    current = next(iter(header.voices), "1")
    for line in body:
        found = _FIELD.match(line)
        if found and found.group(1) == "V":
            voice = normal_voice(found.group(2))
            current = voice.source
            header.voices.setdefault(current, voice)
            continue
        if found:
            line = _inline(found.group(1), found.group(2))
        elif line.startswith("%"):
            if line.startswith("%%score"):
                header.score = line[7:].strip()
            continue
        for token in lex(line):
            if token.kind == "field" and token.text.startswith("[V:"):
                current = token.text[3:-1].split()[0] if token.text[3:-1].split() else "1"
                continue
            text = _clean(token)
            if text:
                voices.setdefault(current, _VoiceBars()).add(token, text)
        if current in voices:
            voices[current].add(Token("space", " ", 0), " ")
    for cut in voices.values():
        cut.finish()
    return {name: cut for name, cut in voices.items() if cut.bars}


def _inline(letter: str, value: str) -> str:
    """A field line of the body as an inline field, normalised; "" for those without a sound."""
    value = value.split("%")[0]
    normal = {"K": normal_key, "M": normal_meter, "L": normal_unit, "Q": normal_tempo}.get(letter)
    text = normal(value) if normal else None
    return f"[{letter}:{text}]" if text else ""


def _clean(token: Token) -> str:
    if token.kind in _DROPPED or (token.kind == "short" and token.text not in _KEPT_SHORT):
        return ""
    if token.kind == "field":
        return _inline(token.text[1], token.text[3:-1])
    if token.kind == "quote":
        text = unidecode(token.text)
        plain = len(text) <= MAX_ANNOTATION + 2 and not re.search(r"[|:\[\]\\]", text)
        return text if plain else ""
    if token.kind == "decoration":
        return "!" + unidecode(token.text[1:-1]) + "!"
    return " " if token.kind == "space" else token.text


def _renumber(score: str | None, names: list[str]) -> str | None:
    """%%score in terms of the new voice numbers, or None if it names other voices."""
    if not score:
        return None
    numbers = {name: str(i) for i, name in enumerate(names, 1)}
    words = re.findall(r"[()\[\]{}|]|[^\s()\[\]{}|]+", score)
    named = [word for word in words if word not in "()[]{}|"]
    if sorted(named) != sorted(numbers):
        return None
    return " ".join(numbers.get(word, word) for word in words)
