"""Progress on stderr: a bar with ETA and rate in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from picogen_cli.streams import clean, plain

PLAIN_SECONDS = 10.0


@contextmanager
def make_reporter() -> Iterator[TerminalReporter | PlainReporter]:
    """Yield the reporter that fits stderr."""
    if not sys.stderr.isatty():
        yield PlainReporter()
        return
    live = TerminalReporter()
    with live.bars:
        yield live


class _Stages(Progress):
    """One bar per stage, and the figures of the last stage below them."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.tasks and self.tasks[-1].fields["values"]:
            yield Text("  " + self.tasks[-1].fields["values"], style="dim")


class TerminalReporter:
    """Reporter with one live line per stage."""

    def __init__(self) -> None:
        self.bars = _Stages(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=Console(file=plain(sys.stderr)),
        )
        self._task: TaskID | None = None
        self._unit, self._begun = "", 0.0

    def start(self, title: str, total: float | None, unit: str) -> None:
        self.finish()
        self._unit, self._begun = unit, time.monotonic()
        self._task = self.bars.add_task(title, total=total, values="")

    def advance(self, done: float, values: Mapping[str, str] | None = None) -> None:
        if self._task is not None:
            if done and not self.bars.tasks[-1].completed:
                # The work of an earlier run is no part of this run's rate.
                self.bars.reset(self._task, completed=done)  # type: ignore[arg-type]
            shown = _figures(values, done, self._unit, self._begun)
            self.bars.update(self._task, completed=done, values=shown)

    def finish(self) -> None:
        if self._task is not None:
            task = self.bars.tasks[-1]
            self.bars.update(self._task, completed=task.total or task.completed)
            self._task = None

    def message(self, text: str) -> None:
        self.bars.console.print(clean(text), highlight=False, markup=False)


class PlainReporter:
    """Reporter with a line at the start and end of a stage, and every ten seconds."""

    def __init__(self) -> None:
        self._title, self._unit = "", ""
        self._total: float | None = None
        self._begun = self._reported = 0.0
        self._first: tuple[float, float] | None = None  # when, and how much was done then
        self._last: tuple[float, Mapping[str, str] | None] | None = None

    def start(self, title: str, total: float | None, unit: str) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._begun = self._reported = time.monotonic()
        self._first = self._last = None
        self.message(f"{title} …")

    def advance(self, done: float, values: Mapping[str, str] | None = None) -> None:
        self._first = self._first or (time.monotonic(), done)
        self._last = (done, values)
        if time.monotonic() - self._reported > PLAIN_SECONDS:
            self._report(done, values)

    def _report(self, done: float, values: Mapping[str, str] | None) -> None:
        now = time.monotonic()
        self._reported = now
        share = ""
        if self._total and self._first and done > self._first[1]:
            begun, before = self._first
            left = (now - begun) * (self._total - done) / (done - before)
            share = f" {100 * done / self._total:.0f} %, ETA {_clock(left)}"
        self.message(
            f"{self._title}:{share} {_figures(values, done, self._unit, self._begun)}".rstrip()
        )

    def finish(self) -> None:
        if self._last is not None:
            values = _figures(self._last[1], self._last[0], self._unit, self._begun)
            elapsed = _clock(time.monotonic() - self._begun)
            self.message(f"{self._title}: done in {elapsed} {values}".rstrip())
            self._last = None

    def message(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _figures(values: Mapping[str, str] | None, done: float, unit: str, begun: float) -> str:
    figures = [f"{name} {value}" for name, value in (values or {}).items()]
    seconds = time.monotonic() - begun
    if unit != "run" and done and seconds > 0:
        figures.insert(0, f"{done:g} {unit}, {done / seconds:.1f}/s")
    return "  ".join(figures)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
