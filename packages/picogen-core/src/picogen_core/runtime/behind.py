"""A process that goes on after this one, unless this one is stopped or killed."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

_GO_ON = b"."
_PATIENCE = 2.0  # seconds for a process to end of itself
_started: list[subprocess.Popen[bytes]] = []


def start_behind(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start it. Raises `OSError` if there can be no further process."""
    process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, env=dict(environment),
    )  # fmt: skip
    if not _started:
        atexit.register(_let_go)
    _started.append(process)


def end_behind() -> None:
    """End what was started, as after a signal."""
    for process in _started:
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _started.clear()


def _let_go() -> None:
    """Let it go on: this process ends of itself."""
    for process in _started:
        with suppress(OSError):
            assert process.stdin
            process.stdin.write(_GO_ON)
            process.stdin.flush()
        process.returncode = process.returncode or 0  # no warning that it still runs


def end_unless_let_go(last: Callable[[], None]) -> None:
    """In that process: once its parent is gone without letting it go, call `last` and end."""

    def watch() -> None:
        if sys.stdin.buffer.read(1) != _GO_ON:
            last()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
