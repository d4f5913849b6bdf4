"""How long work tells of itself. The core never prints; the command line passes a `Reporter`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class Reporter(Protocol):
    """Receives stages of long work. `total` is in `unit`s; None if it is not known."""

    def start(self, title: str, total: float | None, unit: str) -> None:
        """A new stage begins; the one before is over."""

    def advance(self, done: float, values: Mapping[str, str] | None = None) -> None:
        """So much of the stage is done, with figures to show beside it."""

    def finish(self) -> None:
        """The stage is over."""

    def message(self, text: str) -> None:
        """One line that should be read."""


class Quiet:
    """Says nothing."""

    def start(self, title: str, total: float | None, unit: str) -> None: ...

    def advance(self, done: float, values: Mapping[str, str] | None = None) -> None: ...

    def finish(self) -> None: ...

    def message(self, text: str) -> None: ...
