"""Standard streams that can be closed or full, and names of files that hold control codes."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

_KEPT = "\n\t\r"


def clean(text: str) -> str:
    """Return the text with control codes and marks of direction spelt out.

    A terminal would obey them, and the name of a file may hold any.
    """
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter in _KEPT or unicodedata.category(letter) not in ("Cc", "Cf")
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


class Stream:
    """A text stream. A terminal gets `clean` text; if `forgiving`, failed writes are dropped."""

    def __init__(self, stream: TextIO, forgiving: bool = False) -> None:
        self.plain = stream
        self._clean, self._forgiving = stream.isatty(), forgiving

    def write(self, text: str) -> int:
        """Write text; it goes on with the work where stderr is on a full disk."""
        if isinstance(text, str) and self._clean:
            text = clean(text)
        try:
            return self.plain.write(text)
        except BrokenPipeError:
            raise
        except OSError:
            if not self._forgiving:
                raise
            return len(text)

    def flush(self) -> None:
        """Flush, as `write`."""
        try:
            self.plain.flush()
        except BrokenPipeError:
            raise
        except OSError:
            if not self._forgiving:
                raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


def plain(stream: Any) -> Any:
    """Return the stream for text that may hold colours and movements of its own."""
    return getattr(stream, "plain", stream)


@contextmanager
def guarded() -> Iterator[None]:
    """Context in which stdout and stderr are open, and are `Stream` where that matters."""
    _open_closed()
    before = sys.stdout, sys.stderr
    guard: Any = Stream
    sys.stderr = guard(sys.stderr, forgiving=True)
    if sys.stdout.isatty():
        sys.stdout = guard(sys.stdout)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _open_closed() -> None:
    """Open closed streams on the null device, else the next file would take their place."""
    for handle in (0, 1, 2):
        try:
            os.fstat(handle)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
