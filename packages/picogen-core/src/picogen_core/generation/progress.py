"""Progress of pieces: the counter `[r:i/n]` of a bar says how many bars are to follow."""

from __future__ import annotations

import time
from collections.abc import Sequence

from picogen_core.abc.counters import parse_counter
from picogen_core.generation.decoding.decode import Written
from picogen_core.generation.request.job import Job


class BatchProgress:
    """The share of a batch that is done. Each candidate is a part of its piece."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._began = time.monotonic()
        self._patches = 0
        self._written: dict[tuple[int, int], int] = {}
        self._shares: dict[tuple[int, int], float] = {}
        self._done = 0.0

    def add(self, one: Written) -> float:
        """Return how many pieces are done, parts of them included."""
        key = one.number, one.candidate
        job = self._jobs[one.number]
        if one.text:
            self._patches += 1
            self._written[key] = self._written.get(key, 0) + 1
        before = self._shares.get(key, 0.0)
        done, to_come = parse_counter(one.text) or (0, 0)
        bars = done / (done + to_come + 1)
        length = self._written.get(key, 0) / job.limits.max_patches
        share = 1.0 if one.draft else max(before, bars, length)
        self._shares[key] = share
        self._done += (share - before) / job.request.candidates
        return self._done

    def figures(self, finished: int, total: int) -> dict[str, str]:
        """Return the figures beside the bar."""
        rate = self._patches / max(time.monotonic() - self._began, 1e-9)
        return {
            "pieces": f"{finished} of {total}",
            "patches": f"{self._patches}, {rate:.1f}/s",
        }
