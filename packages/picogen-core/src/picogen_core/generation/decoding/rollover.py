"""Sliding context: the patches of a piece that are read again at the end of the context.

As in NotaGen, these are the header, prompt lines included, and the last half of the body's lines.
The first rollover fixes the number of lines. The patches stay as they were generated.
"""

from __future__ import annotations

from collections.abc import Sequence

from picogen_core.abc.counters import BODY_CODES

_NEWLINE = ord("\n")


class Rollover:
    """The sliding context of one piece."""

    def __init__(self, context: int) -> None:
        self.context, self._lines = context, 0

    def keep(self, rows: Sequence[bytes]) -> list[bytes]:
        """Return the patches to read again, fewer than the context; [] if that is impossible.

        If too few of the lines fit, fewer lines are kept; of a single line that is too long, its
        end.
        """
        body = next((i for i, row in enumerate(rows) if row.startswith(BODY_CODES)), None)
        if body is None:
            return []
        room = self.context - 1 - body
        starts = [i for i in range(body, len(rows)) if i == body or _NEWLINE in rows[i - 1]]
        self._lines = self._lines or max(1, len(starts) // 2)
        fitting = [i for i in starts[-self._lines :] if len(rows) - i <= room]
        first = fitting[0] if fitting else len(rows) - room // 2
        return [*rows[:body], *rows[max(first, body) :]] if room >= 2 else []
