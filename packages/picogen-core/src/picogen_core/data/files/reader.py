"""The parent's side of the worker that reads score files: start, ask, time out, start again."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from picogen_core.data.files.limits import WALL_SECONDS
from picogen_core.errors import BadInput

_START_SECONDS = 60  # importing music21 on a busy machine


@dataclass(frozen=True)
class ReadFile:
    """A file as ABC; of a MIDI file also how many notes it has and how many the grid moved."""

    abc: str
    notes: int | None = None
    moved: int | None = None


class FileReader:
    """One worker process, started with the first file. Not for two threads at once.

    with FileReader() as reader:
        abc = reader.read(Path("bwv66.6.mxl")).abc
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> FileReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self, path: Path) -> ReadFile:
        """One file; a worker that died meanwhile is replaced and asked once more.

        Raises:
            BadInput: the reason, in one line.
        """
        request = json.dumps({"path": str(path.resolve())}).encode() + b"\n"
        fresh = self._process is None
        line = self._exchange(request)
        if not line:
            self.close()
            line = b"" if fresh else self._exchange(request)
        if not line:
            self.close()
            raise BadInput("the converter crashed or took too long")
        reply = json.loads(line)
        if "error" in reply:
            raise BadInput(str(reply["error"]))
        return ReadFile(reply["abc"], reply.get("notes"), reply.get("moved"))

    def _exchange(self, request: bytes) -> bytes:
        """The answer's line, or nothing if the worker died or time ran out."""
        process = self._process = self._process or _start()
        assert process.stdin and process.stdout
        timer = threading.Timer(WALL_SECONDS + _START_SECONDS, process.kill)
        timer.daemon = True
        timer.start()
        line = b""
        with contextlib.suppress(OSError):
            process.stdin.write(request)
            process.stdin.flush()
            line = process.stdout.readline()
        timer.cancel()
        return line if line.endswith(b"\n") else b""

    def close(self) -> None:
        """End the worker."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.kill()
        process.wait()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "picogen_core.data.files.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
