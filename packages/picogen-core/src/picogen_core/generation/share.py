"""How far pieces are: the counter of a bar, `[r:i/n]`, tells how many are to follow."""

from __future__ import annotations

import time

from picogen_core.abc.counters import parse_counter
from picogen_core.generation.session import Event


class Progress:
    """Of pieces that are written side by side, each with so many candidates."""

    def __init__(self, candidates: int) -> None:
        self._candidates = candidates
        self._began = time.monotonic()
        self._patches = 0
        self._written: dict[tuple[str, int], int] = {}
        self._shares: dict[tuple[str, int], float] = {}
        self._done = 0.0

    def add(self, event: Event) -> float:
        """How many pieces are written, parts of them included."""
        key = event.job.name, event.candidate
        if event.text:
            self._patches += 1
            self._written[key] = self._written.get(key, 0) + 1
        before = self._shares.get(key, 0.0)
        done, to_come = parse_counter(event.text) or (0, 0)
        bars = done / (done + to_come + 1)
        length = self._written.get(key, 0) / event.job.limits.max_patches
        share = 1.0 if event.over else max(before, bars, length)
        self._shares[key] = share
        self._done += (share - before) / self._candidates
        return self._done

    def told(self, finished: int, total: int) -> dict[str, str]:
        """The figures beside it."""
        rate = self._patches / max(time.monotonic() - self._began, 1e-9)
        return {
            "pieces": f"{finished} of {total}",
            "patches": f"{self._patches}, {rate:.1f}/s",
        }
