"""One of several processes of a run, started by torchrun with `-m` and the folder ROOM.

ROOM is the launcher's folder and holds the request. Each process writes its events to a file there,
one JSON list per line. A list begins with the name of a `Reporter` method, followed by its
arguments, or with `result`, `fault` (class, text, traceback) or `crash` (seconds, text, traceback).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from picogen_core.errors import PicogenError
from picogen_core.runtime.progress import Quiet
from picogen_core.runtime.signals import Signals, Stopped, catch_signals
from picogen_core.training.config import TrainConfig
from picogen_core.training.processes import LostProcess
from picogen_core.training.run.folder import Resume
from picogen_core.training.state import RunResult

REQUEST, RESULT = "request.json", TypeAdapter(RunResult)


class Request(BaseModel):
    """The launcher's request to every process."""

    config: TrainConfig
    resume: Resume
    force: bool


class Events:
    """A `Reporter` that writes lines for the launcher."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def send(self, name: str, *arguments: Any) -> None:
        """Write one event."""
        with self._lock:
            self._file.write(json.dumps([name, *arguments]) + "\n")

    def start(self, title: str, total: float | None, unit: str) -> None:
        self.send("start", title, total, unit)

    def advance(self, done: float, values: Mapping[str, str] | None = None) -> None:
        self.send("advance", done, dict(values or {}))

    def finish(self) -> None:
        self.send("finish")

    def message(self, text: str) -> None:
        self.send("message", text)


def main(room: Path) -> int:
    """Return the exit code: 0 done or stopped, 1 a crash, 2 an error that the user can fix."""
    rank = int(os.environ["RANK"])
    events = Events(room / f"{rank}.jsonl")
    events.send("pid", os.getpid())
    request = Request.model_validate_json((room / REQUEST).read_text())
    with catch_signals(note_only=True) as signals:
        if rank == 0:
            threading.Thread(target=_obey, args=[signals], daemon=True).start()
        try:
            _train(request, events, rank, signals)
        except Stopped:
            return 0
        except LostProcess as error:  # whatever ended the other process came first
            events.send("crash", time.time(), str(error), traceback.format_exc())
            return 1
        except PicogenError as error:
            events.send("fault", type(error).__name__, str(error), traceback.format_exc())
            return 2
        except Exception as error:
            events.send("crash", time.time(), repr(error), traceback.format_exc())
            return 1
    return 0


def _train(request: Request, events: Events, rank: int, signals: Signals) -> None:
    from picogen_core.training.loop import train_in_process
    from picogen_core.training.processes import join

    processes = join(request.config.device)
    reporter = Quiet() if rank else events
    result = train_in_process(
        request.config, request.resume, request.force, reporter, processes, signals
    )
    if result is not None:
        events.send("result", RESULT.dump_json(result).decode())
    processes.leave()


def _obey(signals: Signals) -> None:
    """Apply signals that the launcher sends as lines on stdin; its death counts as SIGTERM."""
    for line in sys.stdin:
        signals.receive(int(line))
    signals.receive(signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
