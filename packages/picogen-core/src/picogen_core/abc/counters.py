"""The counter `[r:i/n]` that heads each line of a body: i bars are done, n are to come."""

from __future__ import annotations

import re

START = "[r:"
BODY_STARTS = (START, "[V:")
"""What a line of a body may begin with; no line of a header does."""
BODY_CODES = (b"[r:", b"[V:")
"""The same as character codes."""
FIRST = "0/"
"""What follows the first counter's `START`: no bar is done."""

_COUNTER = re.compile(r"\[r:(\d{1,6})/(\d{1,6})\]")
_ANY = re.compile(r"\[r:[^\]\n]*\]")  # the counter, and remarks that stand in its place
_BROKEN = re.compile(r"\[r:[^\]\[\n]*\]?")


def make_counter(done: int, to_come: int | str) -> str:
    """`[r:done/to_come]`."""
    return f"{START}{done}/{to_come}]"


def parse_counter(line: str) -> tuple[int, int] | None:
    """(bars done, bars to come) of the counter that heads a line; None without one.

    `[r:` and other text is a remark, as the standard has it.
    """
    found = _COUNTER.match(line)
    return (int(found.group(1)), int(found.group(2))) if found else None


def strip_counters(text: str) -> str:
    """The text without counters."""
    return _ANY.sub("", text) if START in text else text


def take_counters(text: str) -> tuple[str, list[str]]:
    """The text without counters, and what was taken out; a model may leave one open."""
    return _BROKEN.sub("", text), _BROKEN.findall(text)


def is_body_line(line: str) -> bool:
    """Whether the line belongs to an interleaved body: it begins with a counter or a voice."""
    return line.startswith(BODY_STARTS)
