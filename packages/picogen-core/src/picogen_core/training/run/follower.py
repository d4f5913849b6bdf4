"""The part that all trackers share: rows of metrics.jsonl, one after the other, until the run ends.

`tracking` describes stdin and stdout.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from picogen_core.training.run.tracking import PATIENCE

POLL_SECONDS = 0.5
Show = Callable[[str], None]


class Log(ABC):
    """A tracker's log of one run."""

    @abstractmethod
    def row(self, row: dict[str, Any], samples: dict[str, str] | None) -> None:
        """Take a row of metrics.jsonl, and the ABC of its samples by name; None if it has none."""

    @abstractmethod
    def close(self, done: bool) -> None:
        """Finish; the run is `done`, or failed."""


def follow(name: str, begin: Callable[[Path, Show], Log]) -> int:
    """Follow the run in `sys.argv` until it is over, or until the tracker takes too long.

    Returns the exit code.
    """
    run_dir, offset = Path(sys.argv[1]), int(sys.argv[2])
    voice = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # the tracker's own output is not for the user

    def show(text: str) -> None:
        voice.write(" ".join(text.split()) + "\n")

    over = threading.Event()
    words: list[str] = []
    threading.Thread(target=_listen, args=[over, words], daemon=True).start()
    try:
        kept = begin(run_dir, show)
        with (run_dir / "metrics.jsonl").open("rb") as log:
            log.seek(offset)
            _follow(log, over, lambda row: kept.row(row, _samples(run_dir, row)))
        kept.close(words == ["done"])
    except Exception as error:
        show(f"{name} failed ({error!r}); the run continues, and metrics.jsonl has all rows.")
        return 1
    return 0


def _listen(over: threading.Event, words: list[str]) -> None:
    words.append(sys.stdin.readline().strip())
    over.set()
    # The run may be dead, so a hanging process must end itself.
    timer = threading.Timer(2 * PATIENCE, os._exit, [1])
    timer.daemon = True
    timer.start()


def _follow(log: Any, over: threading.Event, use: Callable[[dict[str, Any]], None]) -> None:
    rest = b""
    while True:
        last = over.is_set()  # before reading: all rows were written when the run ended
        *lines, rest = (rest + log.read()).split(b"\n")
        for line in lines:
            use(json.loads(line))
        if last:
            return
        over.wait(POLL_SECONDS)


def _samples(run_dir: Path, row: dict[str, Any]) -> dict[str, str] | None:
    """Return the samples that a row names, and take their folder out of it."""
    folder = row.pop("samples", None)
    if folder is None:
        return None
    return {text.stem: text.read_text() for text in sorted((run_dir / folder).glob("*.abc"))}
