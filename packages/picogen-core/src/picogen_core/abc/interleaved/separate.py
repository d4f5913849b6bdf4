"""The interleaved form back to one text per voice."""

from __future__ import annotations

from picogen_core.abc.counters import strip_counters
from picogen_core.abc.interleaved.rests import split_line
from picogen_core.abc.patches import split_body


def separate(text: str) -> str:
    """Return the header, then each voice under its `V:` line, bars in the order of the lines.

    A voice left out of a line is not given its rest: complete the lines first.
    """
    header, body = split_body(strip_counters(text))
    voices: dict[str, list[str]] = {}
    for line in body.splitlines():
        for name, cell in split_line(line):
            voices.setdefault(name, []).append(cell)
    parts = [f"V:{name}\n" + "\n".join(cells) + "\n" for name, cells in voices.items()]
    return header + "".join(parts)
