"""A call in a fork of this process: no start to wait for, and nothing that it does stays."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable

from picogen_core.runtime.processes import end_with

from tests.hostile.arena import MARK, Outcome, kill, wait_for_end


def forked(call: Callable[[], object], seconds: float) -> Outcome:
    """What the call did; it is killed after so many seconds. The peak is of the one process, of it
    and those that it waited for, that had most.

    An exception that leaves the call is printed with its traceback and ends with code 99.
    """
    begun, mark, timed_out = time.monotonic(), f"{os.getpid()}-{time.monotonic_ns()}", False
    parent = os.getpid()
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.setsid()
            os.environ[MARK] = mark
            end_with(parent)
            _call(call, said.fileno())
        pause = 0.001
        while True:
            done, status, usage = os.wait4(child, os.WNOHANG)
            if done:
                break
            if time.monotonic() - begun > seconds:
                timed_out = True
                os.killpg(child, signal.SIGKILL)
                _, status, usage = os.wait4(child, 0)
                break
            pause = min(pause * 1.2, 0.1)
            time.sleep(pause)
        orphans = tuple(wait_for_end(mark))
        kill(orphans)
        said.seek(0)
        text = said.read().decode(errors="replace")
    code, spent = os.waitstatus_to_exitcode(status), time.monotonic() - begun
    return Outcome(code, "", text, spent, usage.ru_maxrss << 10, timed_out, orphans)


def _call(call: Callable[[], object], handle: int) -> None:
    code = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout = open(1, "w", errors="replace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", errors="replace", closefd=False)  # noqa: SIM115
        try:
            call()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
