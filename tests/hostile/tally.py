"""What was tried, by kind, and what went wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.hostile.arena import Outcome

COLUMNS = ("crash", "hang", "leak", "orphan", "lost", "memory", "undone")
"""Crash: a traceback or another exit code; lost: files that were lost or changed; undone: good
files of which nothing came."""


def columns_of(faults: Iterable[str]) -> Counter[str]:
    """The column of each fault, by how it begins."""
    found: Counter[str] = Counter()
    for fault in faults:
        found[next((name for name in COLUMNS if fault.startswith(name)), "crash")] += 1
    return found


@dataclass
class Tally:
    """Counts by kind: inputs, commands, faults by column, the most memory, and each fault once."""

    inputs: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    faults: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    peak: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, inputs: int, outcome: Outcome, *more: str) -> list[str]:
        """A command on so many inputs; `more` are faults beyond its own. All faults."""
        self.inputs[kind] += inputs
        self.commands[kind] += 1
        self.peak[kind] = max(self.peak[kind], outcome.peak)
        faults = [*outcome.faults(), *more]
        self.faults[kind] += columns_of(faults)
        for fault in faults:
            self.told[f"{kind}: {fault}"] += 1
        return faults

    @property
    def failed(self) -> int:
        """All faults."""
        return sum(self.told.values())

    def as_json(self) -> dict[str, Any]:
        """By kind, and the faults."""
        kinds = {
            kind: {
                "inputs": count,
                "commands": self.commands[kind],
                "peak_bytes": self.peak[kind],
                **{name: self.faults[kind][name] for name in COLUMNS},
            }
            for kind, count in self.inputs.items()
        }
        return {"kinds": kinds, "faults": dict(self.told)}

    def table(self) -> str:
        """A row for each kind."""
        head = ["kind", "inputs", "commands", *COLUMNS, "peak MB"]
        rows = [
            [kind, self.inputs[kind], self.commands[kind],
             *(self.faults[kind][name] for name in COLUMNS), round(self.peak[kind] / 1e6)]
            for kind in self.inputs
        ]  # fmt: skip
        lines = [f"{head[0]:<28}" + "".join(f"{cell!s:>10}" for cell in head[1:])]
        lines += [f"{row[0]:<28}" + "".join(f"{cell!s:>10}" for cell in row[1:]) for row in rows]
        return "\n".join(lines)
