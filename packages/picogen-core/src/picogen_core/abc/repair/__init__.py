"""Repair of a model's ABC to ABC that every program reads, with a list of repairs.

Each repair is a function whose docstring describes it; a clean piece comes back unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from picogen_core.abc.reading.lexer import TIMED
from picogen_core.abc.repair import header, lines
from picogen_core.abc.repair.align import align_bars, complete_rests, drop_leading_barlines
from picogen_core.abc.repair.draft import Log, RepairDraft, read_line
from picogen_core.abc.repair.slurs import balance_slurs
from picogen_core.abc.repair.tokens import TOKEN_REPAIRS
from picogen_core.abc.repair.units import drop_late_units, drop_stray_units
from picogen_core.errors import BadInput

MAX_TEXT = 256 * 1024  # Beethoven's opus 132 has 145,000 characters
_PASSES = 4

_TEXT_REPAIRS = (
    lines.drop_illegal_characters,
    lines.strip_training_marks,
    lines.drop_directives,
    lines.mend_voice_marks,
)
_BODY_REPAIRS = (
    lines.drop_long_lines,
    lines.join_broken_lines,
    lines.split_joined_lines,
    lines.drop_surplus_voices,
    lines.drop_stray_brackets,
)
_DRAFT_REPAIRS = (
    balance_slurs,
    header.mend_header,
    header.rename_stray_voices,
    header.define_voices,
    header.mend_score_line,
    header.complete_header,
    drop_leading_barlines,
    drop_late_units,
    drop_stray_units,
    complete_rests,
    align_bars,
)

STEPS: tuple[Callable[..., object], ...] = (
    *_TEXT_REPAIRS,
    *_BODY_REPAIRS,
    lines.drop_cut_off_line,
    *TOKEN_REPAIRS,
    *_DRAFT_REPAIRS,
)
"""All repairs in their order; a `Repair` has its function's name in words."""


@dataclass(frozen=True)
class Repair:
    """A kind of repair, its count, and its first details."""

    name: str
    count: int
    detail: str


@dataclass(frozen=True)
class Repaired:
    """The repaired text, and the repairs in order."""

    text: str
    repairs: tuple[Repair, ...]


def repair(text: str) -> Repaired:
    """Return repaired NotaGen interleaved ABC.

    Raises:
        BadInput: over 256 KiB, or no voice with a note or rest: music is never invented.
    """
    if len(text) > MAX_TEXT:
        raise BadInput(
            f"the text has {len(text):,} characters; at most {MAX_TEXT:,} are read. Cut it."
        )
    logs: dict[str, Log] = {}
    for _ in range(_PASSES):
        before, text = text, _mend_once(text, logs)
        if text == before:
            break
    return Repaired(
        text,
        tuple(
            Repair(name.replace("_", " "), len(log), log[0]) for name, log in logs.items() if log
        ),
    )


def _mend_once(text: str, logs: dict[str, Log]) -> str:
    """Apply all repairs in order once. A removal can join its neighbours into a new fault."""
    draft = _cut(text, logs)
    for mend in TOKEN_REPAIRS:
        for line, voice in draft.segments():
            line[voice] = mend(line[voice], _log(logs, mend))
    if not any(token.kind in TIMED for line, voice in draft.segments() for token in line[voice]):
        raise BadInput("the text has no music: no line [V:1]… with a note or rest in it.")
    for step in _DRAFT_REPAIRS:
        step(draft, _log(logs, step))
    return draft.text()


def _cut(text: str, logs: dict[str, Log]) -> RepairDraft:
    """Return the draft of tokens after the repairs of characters and lines."""
    ended = text.endswith("\n")
    for mend in _TEXT_REPAIRS:
        text = mend(text, _log(logs, mend))
    head, body = lines.split_body(text)
    for mend_body in _BODY_REPAIRS:
        body = mend_body(body, _log(logs, mend_body))
    if not ended:
        body = lines.drop_cut_off_line(body, _log(logs, lines.drop_cut_off_line))
    return RepairDraft(head, [read_line(line) for line in body])


def _log(logs: dict[str, Log], mend: Callable[..., object]) -> Log:
    return logs.setdefault(mend.__name__, [])
