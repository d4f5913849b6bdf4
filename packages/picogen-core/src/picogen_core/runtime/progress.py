"""Progress reporting for long-running work. The core never prints; the CLI passes a `Reporter`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class Reporter(Protocol):
    """Receiver of progress. `total` of a stage is in `unit`s; None if it is unknown."""

    def start(self, title: str, total: float | None, unit: str) -> None:
        """Begin a new stage and end the one before."""

    def advance(self, done: float, values: Mapping[str, str] | None = None) -> None:
        """Report how much of the stage is done, with figures to show beside it."""

    def finish(self) -> None:
        """End the stage."""

    def message(self, text: str) -> None:
        """Show one line to the user."""


class Quiet:
    """A `Reporter` without output."""

    def start(self, title: str, total: float | None, unit: str) -> None: ...

    def advance(self, done: float, values: Mapping[str, str] | None = None) -> None: ...

    def finish(self) -> None: ...

    def message(self, text: str) -> None: ...
