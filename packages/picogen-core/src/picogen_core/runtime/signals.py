"""Ctrl-C and SIGTERM end a run between two steps, not within one."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CAUGHT = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
GRACE_SECONDS = 3.0
"""After a signal, in which further ones do not disturb what ends in order."""


class Stopped(BaseException):
    """A signal asked the run to stop. `whole` is False if a step or a save was cut in two.

    No `KeyboardInterrupt`, which libraries turn into exit code 130 whatever the signal was.
    """

    def __init__(self, number: int, whole: bool = True) -> None:
        super().__init__(signal.Signals(number).name)
        self.number, self.whole = number, whole

    @property
    def exit_code(self) -> int:
        """As shells count: 130 for Ctrl-C, 143 for SIGTERM and for a terminal that was closed."""
        return 128 + self.number


class Signals:
    """A signal raises `Stopped`: at once, or at the end of the outermost block that is `held`.

    A second signal within such a block cuts it. With `note_only`, for processes that have to agree
    on where to stop, a signal does no more than set `asked`.
    """

    def __init__(self, note_only: bool = False) -> None:
        self.asked: int | None = None
        self.note_only = note_only
        self._held = 0
        self.raised: tuple[int, float] | None = None

    def receive(self, number: int, frame: object = None) -> None:
        """The signal handler."""
        number = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
        if self.note_only:
            self.asked = number
        elif not self._held:
            now = time.monotonic()
            if self.raised is None or now > self.raised[1] + GRACE_SECONDS:
                self.raised = (number, now)
                raise Stopped(number)
        elif self.asked is not None:
            raise Stopped(number, whole=False)
        else:
            self.asked = number

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the block come to its end before a signal counts."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self.asked is not None and not self._held and not self.note_only:
            number, self.asked = self.asked, None
            raise Stopped(number)


@contextmanager
def catch_signals(note_only: bool = False) -> Iterator[Signals]:
    """SIGINT and SIGTERM go to the `Signals`; threads other than the main one get none."""
    signals = Signals(note_only)
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {
        number: signal.signal(number, signals.receive)
        for number in CAUGHT
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN  # nohup
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def nothing_swallowed(signals: Signals) -> Iterator[None]:
    """Within the block a `Stopped` that Python cannot raise, as in a destructor, is raised again at
    the next place where it can."""
    before = sys.unraisablehook

    def hook(found: Any) -> None:
        if isinstance(found.exc_value, Stopped):
            signals.raised = None
            _thread.interrupt_main(signal.Signals(found.exc_value.number))
        else:
            before(found)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
