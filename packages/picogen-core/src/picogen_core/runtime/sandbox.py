"""Untrusted work in separate processes: a worker that forks for each request, under limits.

The parent has a `Worker`, which sends `python -m MODULE` one JSON object per line. The module calls
`serve`, and for each request `in_fork`. So a request that crashes, hangs or exhausts memory ends
alone, and the libraries are imported once. Without fork, the request runs in the worker, and the
parent kills that when time is up.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picogen_core.errors import reason
from picogen_core.runtime.closing import Closing
from picogen_core.runtime.processes import end_with

Reply = dict[str, Any]
START_SECONDS = 60  # importing the libraries on a busy machine
_CHUNK = 1 << 20
_PARENT = "PICOGEN_PARENT"
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT) if os.name != "nt" else ()


@dataclass(frozen=True)
class WorkerLimits:
    """Limits of one request.

    wall_seconds: time without CPU use. Where the system does not report that, the whole time.
    """

    cpu_seconds: int
    wall_seconds: float
    memory_bytes: int

    def apply(self) -> None:
        """Cap CPU time and memory of this process, if the system can."""
        try:
            import resource
        except ImportError:  # Windows: the wall clock alone limits it
            return
        caps = (
            (resource.RLIMIT_CPU, self.cpu_seconds),
            (resource.RLIMIT_AS, self.memory_bytes),
            (resource.RLIMIT_CORE, 0),
        )
        for kind, value in caps:
            # The soft limit of CPU time sends SIGXCPU. The hard one sends SIGKILL, like the system
            # when memory runs out, so the soft limit comes first.
            hard = value + 5 if kind == resource.RLIMIT_CPU else value
            with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
                resource.setrlimit(kind, (value, hard))


class Worker(Closing):
    """The parent's side of one worker process, which starts with the first request.

    It is not thread-safe.
    """

    def __init__(self, module: str) -> None:
        self.module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The worker's process id while it runs, else None."""
        return self._process.pid if self._process else None

    def request(self, request: Mapping[str, Any], seconds: float) -> Reply:
        """Send one request and return the reply; after a crash, retry once in a new worker.

        Raises:
            TimeoutError: no CPU use for `seconds`, or longer if the worker had to start first.
            ChildProcessError: the worker died twice, or is closed.
        """
        for last in (False, True):
            if self._closed:
                break
            line, expired = self._exchange(json.dumps(request).encode() + b"\n", seconds)
            if line:
                reply = dict(json.loads(line))
                if reply.get("passing") and not last:
                    continue
                return reply
            self._end()
            if expired:
                raise TimeoutError
        raise ChildProcessError

    def _exchange(self, request: bytes, seconds: float) -> tuple[bytes, bool]:
        """Return the reply's line, empty if the worker died, and whether it timed out."""
        process = self._process = self._process or self._start()
        if self._closed:  # meanwhile
            self._end()
            return b"", False
        assert process.stdin and process.stdout
        expired, answered = threading.Event(), threading.Event()

        def watch() -> None:
            before = -1
            while not answered.wait(seconds + START_SECONDS):
                now = cpu_ticks(process.pid)
                if now is None or now == before:
                    expired.set()
                    process.kill()
                    return
                before = now

        threading.Thread(target=watch, daemon=True).start()
        line = b""
        with contextlib.suppress(OSError):
            process.stdin.write(request)
            process.stdin.flush()
            line = process.stdout.readline()
        answered.set()
        return (line if line.endswith(b"\n") else b""), expired.is_set()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", self.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUTF8": "1", _PARENT: str(os.getpid())},
            start_new_session=True,  # so that it ends with its forks, and Ctrl-C goes to the parent
        )

    def close(self) -> None:
        """End the worker, also during a request of another thread."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        _kill_group(process.pid)
        process.kill()
        process.wait()


def _kill_group(pid: int) -> None:
    """Kill the leader of a process group and its forks."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


def serve(answer: Callable[[Mapping[str, Any]], Reply]) -> None:
    """Run the worker's loop until stdin closes.

    Other output is kept off the replies' stream. If the parent is killed, the worker and its fork
    end too.
    """
    parent = int(os.environ.get(_PARENT, os.getppid() if hasattr(os, "getppid") else 0))
    own_group = hasattr(os, "getpgrp") and os.getpgrp() == os.getpid()
    end_with(parent, lambda: _kill_group(os.getpid()) if own_group else None)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def in_fork(work: Callable[[], Reply], limits: WorkerLimits) -> Reply:
    """Run `work` in a fork under `limits`; its failure does not affect this process."""
    if not hasattr(os, "fork"):
        return work()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _answer_and_exit(work, limits, reader, writer)
    os.close(writer)
    answer = _read_all(reader, child, limits.wall_seconds)
    os.close(reader)
    if answer is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if answer is None:
        why = f"it stood still for {limits.wall_seconds} s, as on a machine that is out of memory"
        return {"error": why, "passing": True}
    with contextlib.suppress(ValueError):
        return dict(json.loads(answer))
    return _died(status, limits)


def _answer_and_exit(
    work: Callable[[], Reply], limits: WorkerLimits, reader: int, writer: int
) -> None:
    """Run the fork to its end; never return into the worker's loop."""
    try:
        os.close(reader)
        limits.apply()
        try:
            reply = json.dumps(work()).encode()
        except Exception as error:
            reply = json.dumps({"error": reason(error)}).encode()
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(reply)
    finally:
        os._exit(0)


def _read_all(reader: int, child: int, seconds: float) -> bytes | None:
    """Return the bytes of the pipe until it is closed, or None if the child timed out."""
    answer, before = bytearray(), -1
    while True:
        ready, _, _ = select.select([reader], [], [], seconds)
        if not ready:
            now = cpu_ticks(child)
            if now is None or now == before:
                return None
            before = now
            continue
        chunk = os.read(reader, _CHUNK)
        if not chunk:
            return bytes(answer)
        answer += chunk


def cpu_ticks(pid: int) -> int | None:
    """Return the CPU ticks of a process and its children; None if the system has no figure."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        children = Path(f"/proc/{pid}/task/{pid}/children")
        below = children.read_text().split() if children.is_file() else []
    except (OSError, IndexError):
        return None
    own = sum(map(int, fields[11:15]))  # user and system time, its own and of children that ended
    return own + sum(cpu_ticks(int(child)) or 0 for child in below)


def _died(status: int, limits: WorkerLimits) -> Reply:
    """Return the error of a missing reply; `passing` if the request may not be the cause."""
    if not os.WIFSIGNALED(status):
        return {"error": "the converter ended without an answer"}
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU:
        return {"error": f"it needs more than {limits.cpu_seconds} s of CPU time"}
    name = signal.Signals(number).name
    if number in _FROM_OUTSIDE:
        why = f"the converter was killed ({name}), perhaps for want of memory. Try again"
        return {"error": why, "passing": True}
    return {"error": f"the converter crashed ({name})"}
