"""Repairs of the text before it is cut into tokens."""

from __future__ import annotations

import re
from itertools import pairwise

from picogen_core.abc.counters import take_counters
from picogen_core.abc.interleaved.rests import VOICE_MARK, split_line
from picogen_core.abc.repair.draft import Log

MAX_LINE = 4096
MAX_VOICES = 64

_BROKEN_MARK = re.compile(r"^V:\s*(\w{1,8})\s*\]|\[V:?\s*(\d{1,3})(?!\w)\s*:?\]?", re.M)
_BAR_END = re.compile(r"(?:\||\|\]|:)\s*(?:\[?\d[\d,\-]*)?\s*$")
_DECORATED_TONE = (
    r"(?:[.~HLMOPSTuv]|![^!\n]*+!)*+"
    r"(?:(?:\^\^|\^/|\^|__|_/|_|=)?+[A-Ga-g][,']*+|[zx])\d*+/*+\d*+"
)
# Possessive throughout, so that a bracket which never closes costs linear time.
_BRACKETED = re.compile(
    rf'"[^"\n]*+"|\[(?:\s*+{_DECORATED_TONE}\s*+\.?+-?+)++\s*+\]'
    r"|\[[A-Za-z]:[^\]\n]*+\]|\[\|\]?|\|\]|\[(?=[1-9\"])|(?P<stray>[\[\]])"
)


def drop_illegal_characters(text: str, log: Log) -> str:
    """Take out what is not printable ASCII; titles and composers may be in any script."""

    def legal(character: str, credit: bool) -> bool:
        return " " <= character <= "~" or character == "\t" or (credit and character.isprintable())

    lines = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        credit = line[:2] in ("T:", "C:")
        log.extend(f"{c!r}" for c in line if not legal(c, credit))
        lines.append("".join(c for c in line if legal(c, credit)))
    return "\n".join(lines)


def strip_training_marks(text: str, log: Log) -> str:
    """Take out `[r:i/n]`, which marks the place in the piece for the model."""
    text, taken = take_counters(text)
    log.extend(taken)
    return text


def drop_directives(text: str, log: Log) -> str:
    """Drop every `%` line but `%%score`, and every `I:` line: some make programs open files."""
    kept = []
    for line in text.split("\n"):
        start = line.lstrip()
        if start.startswith(("%", "I:")) and not re.match(r"%%score\s", line):
            log.append(line[:40])
        else:
            kept.append(line)
    return "\n".join(kept)


def mend_voice_marks(text: str, log: Log) -> str:
    """Spell `[V1]`, `[V:1` and `V:1]` as `[V:1]`."""

    def mended(match: re.Match[str]) -> str:
        mark = f"[V:{match.group(1) or match.group(2)}]"
        if match.group() != mark:
            log.append(match.group())
        return mark

    return _BROKEN_MARK.sub(mended, text)


def split_body(text: str) -> tuple[list[str], list[str]]:
    """Header lines and body lines; the body starts at the first line that starts with `[V:`."""
    lines = text.split("\n")
    start = next((i for i, s in enumerate(lines) if VOICE_MARK.match(s.lstrip())), len(lines))
    return [s for s in lines[:start] if s.strip()], lines[start:]


def join_broken_lines(body: list[str], log: Log) -> list[str]:
    """Join a line that starts with no voice to the one before it, or drop it after a barline."""
    joined: list[str] = []
    for line in body:
        if VOICE_MARK.match(line.lstrip()):
            joined.append(line)
        elif line.strip():
            log.append(line[:40])
            mark = VOICE_MARK.search(line)
            if joined and not _BAR_END.search(joined[-1]) and not re.match(r"[A-Za-z]:", line):
                joined[-1] += " " + line
            elif mark:
                joined.append(line[mark.start() :])
    return joined


def drop_long_lines(body: list[str], log: Log) -> list[str]:
    """Drop lines over 4,096 characters: no bar is that long."""
    log.extend(f"{len(line)} characters" for line in body if len(line) > MAX_LINE)
    return [line for line in body if len(line) <= MAX_LINE]


def drop_cut_off_line(body: list[str], log: Log) -> list[str]:
    """Drop a last line that stops before its barline, where the writer ran out of room.

    For texts without a line end at their end; the only line is never dropped.
    """
    if len(body) < 2 or _BAR_END.search(body[-1]) or not _BAR_END.search(body[-2]):
        return body
    log.append(body[-1][-40:])
    return body[:-1]


def split_joined_lines(body: list[str], log: Log) -> list[str]:
    """Begin a new line where all voices of a line begin again: a line end was lost."""
    lines = []
    widest = max((len(dict(split_line(line))) for line in body), default=0)
    for line in body:
        marks = list(VOICE_MARK.finditer(line))
        names = [mark.group(1) for mark in marks]
        starts = [0]
        for i, name in enumerate(names):
            width = i - starts[-1]
            if i and name == names[0] and (width == widest or len(set(names)) == width > 1):
                starts.append(i)
        log.extend(line[marks[i].start() :][:40] for i in starts[1:])
        edges = [marks[i].start() for i in starts] + [len(line)]
        lines += [line[a:b] for a, b in pairwise(edges)]
    return lines


def drop_stray_brackets(body: list[str], log: Log) -> list[str]:
    """Take out `[` and `]` that belong to no chord, field, barline or ending."""
    return [_without_stray_brackets(line, log) for line in body]


def _without_stray_brackets(line: str, log: Log) -> str:
    marks = "".join(match.group() for match in VOICE_MARK.finditer(line))
    if line.count("[") == line.count("]") == marks.count("[") and VOICE_MARK.match(line):
        return line
    parts = []
    for voice, text in split_line(line):
        kept, last = [], 0
        for match in _BRACKETED.finditer(text):
            if match.lastgroup == "stray":
                log.append(text[match.start() :][:20])
                kept.append(text[last : match.start()])
                last = match.end()
        parts.append(f"[V:{voice}]" + "".join(kept) + text[last:])
    return "".join(parts)


def drop_surplus_voices(lines: list[str], log: Log) -> list[str]:
    """Keep the first 64 voices."""
    names = list(dict.fromkeys(voice for line in lines for voice, _ in split_line(line)))
    if len(names) <= MAX_VOICES:
        return lines
    kept = set(names[:MAX_VOICES])
    log.extend(names[MAX_VOICES:])
    return [
        "".join(f"[V:{voice}]{text}" for voice, text in split_line(line) if voice in kept)
        for line in lines
    ]
