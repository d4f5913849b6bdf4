"""Turns a person's prompt into the beginning that the model was trained on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from picogen_core.abc.counters import START, is_body_line, make_counter, strip_counters
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.patches import check_characters
from picogen_core.abc.reading.header import (
    Header,
    normal_key,
    normal_meter,
    normal_tempo,
    normal_unit,
    normal_voice,
)
from picogen_core.abc.reading.lexer import TIMED, lex
from picogen_core.errors import BadInput, ConfigError
from picogen_core.generation.request.headers import join_fields

TAGS_END = "%end"
TOTAL_BARS = 16  # the counter's total for a prompt with bars and no counter

_FIELD = re.compile(r"([A-Za-z]):\s*(.*)")


@dataclass(frozen=True)
class PlacedPrompt:
    """A prompt in the form of training.

    titles:  X:, T:, C: lines, which head the written file.
    text:    conditions the model.
    remarks: lines for the person.
    """

    titles: tuple[str, ...]
    text: str
    remarks: tuple[str, ...] = ()


def place_prompt(
    prompt: str, total: int | None = None, requested: Mapping[str, str] | None = None
) -> PlacedPrompt:
    """Return the prompt with its fields in the order of training headers.

    - The two characters `\\n` of a shell are a newline.
    - Absent L: and V: are filled in, M:4/4 before a K:, and %end after tags. Without a K: the model
      generates the rest of the header.
    - Music after the K: becomes the first bars, one line per bar as in training. A bar without its
      barline stays open. Several voices (`V:` lines in the music) must be whole bars.
    - With a `total` of bars the counters are set to it.
    - `requested` fields are inserted if they stand before a field of the prompt. The constraint
      forces the others.

    Raises:
        BadInput: a field cannot be read, or the music has a character outside ASCII.
        ConfigError: the prompt has `total` bars already, or contradicts `requested`.
    """
    lines = prompt.replace("\\n", "\n").replace("\r\n", "\n").split("\n")
    titles: list[str] = []
    values: dict[str, str] = {}
    header = Header(meter="")
    music: list[str] = []
    for line in lines:
        found = _FIELD.match(line)
        if music or line.startswith("[") or (not found and line.strip() and line[0] != "%"):
            music.append(line)
        elif line.startswith("%%score"):
            header.score = line[7:].strip()
        elif line.startswith("%"):
            header.tags.append(line)
        elif found and found.group(1) in "XTC":
            titles.append(line.strip())
        elif found and found.group(1) == "V":
            voice = normal_voice(found.group(2))
            header.voices[voice.source] = voice
        elif found:
            values[found.group(1)] = _normal(found.group(1), found.group(2))
    if header.tags and header.tags[-1] != TAGS_END and (values or header.score or music):
        header.tags.append(TAGS_END)
    values = join_fields(requested or {}, values, bool(music))
    header.unit, header.tempo = values.get("L"), values.get("Q")
    header.meter, header.key = values.get("M", "4/4"), values.get("K", "")
    text = _conditioning(header, values, music, total)
    check_characters(text)
    return PlacedPrompt(tuple(titles), text)


def _normal(letter: str, value: str) -> str:
    known = {"K": normal_key, "M": normal_meter, "L": normal_unit, "Q": normal_tempo}
    if letter not in known:
        raise BadInput(
            f"the prompt's {letter}: line does not belong to the model's headers. "
            "A prompt may have X: T: C: L: Q: M: K: V:, %%score and % tags, then music."
        )
    normal = known[letter](value)
    if normal is None:
        raise BadInput(f"the prompt's {letter}:{value.strip()[:30]} cannot be read.")
    return normal


def _conditioning(
    header: Header, values: dict[str, str], music: list[str], total: int | None
) -> str:
    lines = header.lines()
    while music and not music[-1].strip():
        music.pop()
    if "K" not in values and not music:
        given = [line for line in lines if not line.startswith(("K:", "V:"))]
        if "M" not in values:
            given = [line for line in given if not line.startswith("M:")]
        if not values and not header.score:
            given = [*header.tags]
        return "".join(line + "\n" for line in given)
    if "K" not in values:
        raise BadInput("the prompt has music and no key. Put a K: line before the music.")
    if any(line.startswith("V:") for line in music):
        return _several_voices(lines, music, total)
    return "".join(line + "\n" for line in lines) + count_bars(_bars(music), total)


def _several_voices(header: list[str], music: list[str], total: int | None) -> str:
    """Return voices that stand below each other as whole bars, all voices in a line."""
    lines = interleave("\n".join(["X:1", *header, *music, ""])).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("[V:"))
    head = "".join(line + "\n" for line in lines[:start])
    return head + count_bars([line + "\n" for line in lines[start:]], total)


def _bars(music: list[str]) -> list[str]:
    """Return one line per bar, as in training; a line that names its voices stays as it is."""
    bars: list[str] = []
    bar = ""
    for line in music:
        if is_body_line(line):
            bars += [f"{bar}\n"] if bar else []
            bars.append(line + "\n")
            bar = ""
            continue
        for token in lex(line.strip() + " "):
            if token.kind == "bad":
                raise BadInput(
                    f"the prompt's music has {token.text!r}, which is no ABC: {line[:40]}"
                )
            bar += token.text
            if token.kind == "bar" and TIMED & {kind.kind for kind in lex(bar)}:
                bars.append(bar.strip() + "\n")
                bar = ""
    if bar.strip():
        bars.append(bar.strip())
    elif bars and is_body_line(music[-1]):
        bars[-1] = bars[-1].removesuffix("\n")  # the person's last line stays open
    return bars


def count_bars(bars: list[str], total: int | None = None) -> str:
    """Return each line with the voice and counter of training, for `total` lines in all.

    Raises:
        ConfigError: no bar is left to generate.
    """
    if total is not None:
        bars = [strip_counters(bar) for bar in bars]
        if len(bars) > total or (len(bars) == total and bars[-1].endswith("\n")):
            raise ConfigError(
                f"the prompt has {len(bars)} bars, and --bars {total} counts them. Give more."
            )
    total = total or max(TOTAL_BARS, len(bars) + 8)
    marked = ""
    for i, bar in enumerate(bars):
        voiced = bar if is_body_line(bar) else f"[V:1]{bar}"
        marked += voiced if bar.startswith(START) else make_counter(i, total - 1 - i) + voiced
    return marked
