"""Signal handling: Ctrl-C and SIGTERM end a run between two steps."""

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
"""Time after a signal in which further ones are ignored, so that the run ends in order."""


class Stopped(BaseException):
    """A signal stopped the run. `whole` is False if it interrupted a step or a save.

    It is not a `KeyboardInterrupt`, which libraries turn into exit code 130 for any signal.
    """

    def __init__(self, number: int, whole: bool = True) -> None:
        super().__init__(signal.Signals(number).name)
        self.number, self.whole = number, whole

    @property
    def exit_code(self) -> int:
        """The shell's exit code: 130 for Ctrl-C, 143 for SIGTERM and a closed terminal."""
        return 128 + self.number


class Signals:
    """A signal raises `Stopped`: at once, or at the end of the outermost `held` block.

    A second signal within such a block interrupts it. With `note_only` it only sets `requested`:
    the processes of a run then agree on where to stop.
    """

    def __init__(self, note_only: bool = False) -> None:
        self.requested: int | None = None
        self.note_only = note_only
        self._held = 0
        self.raised: tuple[int, float] | None = None

    def receive(self, number: int, frame: object = None) -> None:
        """Handle a signal."""
        number = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
        if self.note_only:
            self.requested = number
        elif not self._held:
            now = time.monotonic()
            if self.raised is None or now > self.raised[1] + GRACE_SECONDS:
                self.raised = (number, now)
                raise Stopped(number)
        elif self.requested is not None:
            raise Stopped(number, whole=False)
        else:
            self.requested = number

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay signals to the end of the block."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self.requested is not None and not self._held and not self.note_only:
            number, self.requested = self.requested, None
            raise Stopped(number)


@contextmanager
def catch_signals(note_only: bool = False) -> Iterator[Signals]:
    """Context that passes SIGINT and SIGTERM to `Signals`; only the main thread gets them."""
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
    """Context that raises a `Stopped` again if Python had to swallow it, as in a destructor."""
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
