"""Slurs run across bars, so each voice is balanced over the whole piece."""

from __future__ import annotations

from picogen_core.abc.lexer import SOUNDING
from picogen_core.abc.repair.draft import Draft, Log

MAX_OPEN = 6  # MusicXML numbers the slurs that are open at once

_BEFORE_CLOSE = SOUNDING | {"tie", "grace", "broken"}


def balance_slurs(draft: Draft, log: Log) -> None:
    """Take out slurs that never end or never began, and ends that follow no note."""
    for voice in draft.voices():
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
                    else:
                        dropped.add((s, t))
                        continue
                elif token.kind == "slur":
                    if len(still_open) < MAX_OPEN:
                        still_open.append((s, t))
                    else:
                        dropped.add((s, t))
                if token.kind != "space":
                    before = token
        dropped.update(still_open)
        for s, tokens in enumerate(segments):
            if any(at[0] == s for at in dropped):
                log.extend(f"voice {voice}" for at in dropped if at[0] == s)
                tokens[:] = [token for t, token in enumerate(tokens) if (s, t) not in dropped]
