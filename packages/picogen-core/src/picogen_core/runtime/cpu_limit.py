"""A limit of CPU time for work within this process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from picogen_core.errors import Undefined

_AGAIN = 5.0  # seconds until the exception is raised again, if the work swallowed it


class TooLong(Undefined):
    """Work exceeded its CPU time."""


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise `TooLong` in the block once this process has used `seconds` of CPU time in it.

    Calls into native code end first, and other processes do not count. Without effect in a thread
    and on systems without such a clock.
    """
    if not hasattr(signal, "setitimer") or (
        threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    over = False

    def stop(number: int, frame: object) -> None:
        if not over:
            raise TooLong(f"it needs more than {seconds:g} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _AGAIN)
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
