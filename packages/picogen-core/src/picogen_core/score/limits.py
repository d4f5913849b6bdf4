"""Limits of texts for the converters, and of converters on the machine."""

from __future__ import annotations

import re

from picogen_core.errors import PicogenError
from picogen_core.runtime.sandbox import WorkerLimits

MAX_TEXT = 384 * 1024  # a repaired text has grown by the rests that it left out
MAX_LINE = 8 * 1024
MAX_BAR_RESTS = 64  # `Z99999999`, 9 characters, takes over a minute and 450 MB
MAX_XML = 32 * 1024 * 1024
CPU_SECONDS = 10
STILL_SECONDS = 600  # without any CPU time: a busy machine is not that slow
_ABC_A_SECOND, _XML_A_SECOND = 1024, 100_000  # a tenth of what real scores reach on one core
MEMORY_BYTES = 2 << 30

_FIELD_LINE = re.compile(r"[A-Za-z]:|%")
_BAR_REST = re.compile(r'"[^"\n]*"|[ZX]\s*(\d+)')


class ConversionError(PicogenError):
    """A score that could not be converted; the message has the reason in one line."""


def safe_abc(abc: str) -> str:
    """Return the text for abc2xml, without the lines that make it open files.

    Raises:
        ConversionError: it is too long, or rests too long.
    """
    if len(abc) > MAX_TEXT:
        raise ConversionError(f"the text has {len(abc):,} characters; at most {MAX_TEXT:,}")
    lines = []
    for line in abc.splitlines():
        start = line.strip()
        if len(line) > MAX_LINE:
            raise ConversionError(f"a line has {len(line):,} characters; at most {MAX_LINE:,}")
        if start.startswith(("%", "I:")) and not start.startswith("%%score"):
            continue
        lines.append("".join(c for c in line if c >= " " and c != "\x7f"))
    text = "\n".join(line for line in lines if line.strip()) + "\n"
    text = re.sub(r"\[\s*I\s*:[^\]\n]*\]?", "", text)
    refuse_long_rests(text)
    return text


def refuse_long_rests(abc: str) -> None:
    """Raise `ConversionError` for a `Z` of over 64 bars in a line of music."""
    for line in abc.splitlines():
        for rest in _BAR_REST.finditer(line) if not _FIELD_LINE.match(line) else ():
            bars = rest.group(1) or "0"  # text in quotes
            if len(bars) > 2 or int(bars) > MAX_BAR_RESTS:
                raise ConversionError(f"{rest.group()[:12]!r} rests over {MAX_BAR_RESTS} bars")


def limits_for(op: str, size: int) -> WorkerLimits:
    """Return limits far above the needs of a score of this size, so that load has no effect."""
    extra = size // (_ABC_A_SECOND if op == "musicxml" else _XML_A_SECOND)
    return WorkerLimits(CPU_SECONDS + extra, STILL_SECONDS, MEMORY_BYTES)
