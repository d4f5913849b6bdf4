"""Slurs run across bars, so each voice is balanced over the whole piece."""

from __future__ import annotations

from collections.abc import Iterable

from picogen_core.abc.reading.lexer import SOUNDING
from picogen_core.abc.repair.draft import Log, RepairDraft

MAX_OPEN = 6  # MusicXML numbers the slurs that are open at once

_BEFORE_CLOSE = SOUNDING | {"tie", "grace", "broken"}


def balance_slurs(draft: RepairDraft, log: Log) -> None:
    """Take out slur ends that follow no note, and beginnings beyond six at once.

    Slurs that never end or never began stay: old tune books have them, and programs read them.
    """
    for voice in draft.voices():
        _balance(draft, voice, log, whole=False)


def close_slurs(draft: RepairDraft, voices: Iterable[str]) -> None:
    """Take out all halves of slurs in voices that were cut: the other half may have gone."""
    for voice in voices:
        _balance(draft, voice, [], whole=True)


def _balance(draft: RepairDraft, voice: str, log: Log, whole: bool) -> None:
    segments = [line[voice] for line in draft.lines if voice in line]
    dropped: set[tuple[int, int]] = set()
    still_open: list[tuple[int, int]] = []
    for s, tokens in enumerate(segments):
        before = None
        for t, token in enumerate(tokens):
            if token.kind == "slur" and token.text == ")":
                ends_note = before is not None and (
                    before.kind in _BEFORE_CLOSE or before.text == ")"
                )
                if ends_note and still_open:
                    still_open.pop()
                elif whole or not ends_note:
                    dropped.add((s, t))
                    continue
            elif token.kind == "slur":
                if len(still_open) < MAX_OPEN:
                    still_open.append((s, t))
                else:
                    dropped.add((s, t))
            if token.kind != "space":
                before = token
    if whole:
        dropped.update(still_open)
    for s, tokens in enumerate(segments):
        here = {t for at, t in dropped if at == s}
        if here:
            log.extend([f"voice {voice}"] * len(here))
            tokens[:] = [token for t, token in enumerate(tokens) if t not in here]
