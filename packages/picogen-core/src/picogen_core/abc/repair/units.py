"""`[L:]` within the music: it changes what every later length of its voice means."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from picogen_core.abc.reading.lexer import TIMED, Token
from picogen_core.abc.reading.timing import bar_length
from picogen_core.abc.repair.draft import Log, RepairDraft


def drop_late_units(draft: RepairDraft, log: Log) -> None:
    """Take out an `[L:]` behind a note of its bar where other voices have to keep step with it."""
    for line, voice in draft.segments():
        kept, begun = [], False
        for token in line[voice]:
            begun = (begun or token.kind in TIMED) and token.kind != "bar"
            if begun and is_unit(token) and len(line) > 1:
                log.append(token.text)
            else:
                kept.append(token)
        line[voice] = kept


def drop_stray_units(draft: RepairDraft, log: Log) -> None:
    """Take out an `[L:]` without which more lines of its voice are as long as the others are."""
    header = Fraction(draft.field("L:"))
    for voice in draft.voices():
        places = [i for i, line in enumerate(draft.lines) if any(map(is_unit, line.get(voice, [])))]
        unit = header
        for here, after in pairwise([*places, len(draft.lines)]):
            tokens = draft.lines[here][voice]
            given = next(token for token in reversed(tokens) if is_unit(token))
            new = Fraction(given.text[3:-1])
            lines = draft.lines[here:after]
            if _matches(lines, voice, unit, header) > _matches(lines, voice, new, header):
                log.append(f"line {here + 1}, voice {voice}: {given.text}")
                tokens[:] = [token for token in tokens if not is_unit(token)]
            else:
                unit = new


def is_unit(token: Token) -> bool:
    return token.kind == "field" and token.text.startswith("[L:")


def _matches(
    lines: list[dict[str, list[Token]]], voice: str, unit: Fraction, header: Fraction
) -> int:
    """In how many lines the voice lasts as long as one that keeps the header's unit."""
    count = 0
    for line in lines:
        lasts = bar_length(line.get(voice, []))
        others = [t for name, t in line.items() if name != voice and not any(map(is_unit, t))]
        if lasts and others:
            count += lasts * unit in {(bar_length(t) or 0) * header for t in others}
    return count
