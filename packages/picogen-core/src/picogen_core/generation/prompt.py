"""A person's prompt -> the beginning that the model was trained to see."""

from __future__ import annotations

import re
from dataclasses import dataclass

from picogen_core.abc.header import (
    Header,
    normal_key,
    normal_meter,
    normal_tempo,
    normal_unit,
    normal_voice,
)
from picogen_core.abc.patches import check_characters
from picogen_core.errors import BadInput

TOTAL_BARS = 16  # what the counter promises when a prompt brings bars and no counter

_FIELD = re.compile(r"([A-Za-z]):\s*(.*)")


@dataclass(frozen=True)
class PlacedPrompt:
    """`titles` (X:, T:, C: lines) head the written file; `text` conditions the model."""

    titles: tuple[str, ...]
    text: str


def place_prompt(prompt: str) -> PlacedPrompt:
    """Put the fields of a prompt where training headers have them.

    A shell's two characters `\\n` are a newline. Absent L: and V: are filled in, and M:4/4 before a
    K:; without a K: the model writes the rest of the header itself. Music after the K: is the
    beginning of the first bars; its last line stays open.

    Raises:
        BadInput: a field that cannot be read, or a character outside ASCII in the music.
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
    header.unit, header.tempo = values.get("L"), values.get("Q")
    header.meter, header.key = values.get("M", "4/4"), values.get("K", "")
    text = _conditioning(header, values, music)
    check_characters(text)
    return PlacedPrompt(tuple(titles), text)


def _normal(letter: str, value: str) -> str:
    known = {"K": normal_key, "M": normal_meter, "L": normal_unit, "Q": normal_tempo}
    if letter not in known:
        raise BadInput(
            f"the prompt's {letter}: line is no part of the model's headers. "
            "A prompt may have X: T: C: L: Q: M: K: V:, %%score and % tags, then music."
        )
    normal = known[letter](value)
    if normal is None:
        raise BadInput(f"the prompt's {letter}:{value.strip()[:30]} cannot be read.")
    return normal


def _conditioning(header: Header, values: dict[str, str], music: list[str]) -> str:
    lines = header.lines()
    if "K" not in values and not music:
        given = [line for line in lines if not line.startswith(("K:", "V:"))]
        if "M" not in values:
            given = [line for line in given if not line.startswith("M:")]
        if not values and not header.score:
            given = [*header.tags]
        return "".join(line + "\n" for line in given)
    if "K" not in values:
        lines = ["K:C" if line == "K:" else line for line in lines]
    while music and not music[-1]:
        music.pop()
    return "".join(line + "\n" for line in lines) + _bars(music)


def _bars(music: list[str]) -> str:
    """Body lines with voice and counter; the last one stays open."""
    marked = []
    total = max(TOTAL_BARS, len(music) + 8)
    for i, line in enumerate(music):
        if not line.startswith(("[V:", "[r:")):
            line = "[V:1]" + line.strip()
        marked.append(line if line.startswith("[r:") else f"[r:{i}/{total - 1 - i}]{line}")
    return "\n".join(marked)
