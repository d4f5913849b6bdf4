"""What each shard of `picogen convert` has done, in `OUTPUT/.shards/2-of-8.jsonl`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from picogen_core import BadInput
from picogen_core.runtime.reading import parse_json, read_text
from picogen_core.runtime.shards import Shard

FOLDER = ".shards"
_END = "end"
Outcome = dict[str, Any]
Order = tuple[int, int]
"""Files that cannot be read come before tunes; both by number."""


class ShardRecord:
    """Outcomes of a shard, by order. One that was interrupted keeps those that it had."""

    def __init__(self, output_dir: Path, shard: Shard) -> None:
        self._file = output_dir / FOLDER / f"{shard.number}-of-{shard.count}.jsonl"
        self._file.parent.mkdir(exist_ok=True)
        self.done, _ = _read(self._file)
        self._lines = self._file.open("w", encoding="utf-8")
        for order, outcome in self.done.items():
            self.add(order, outcome)

    def add(self, order: Order, outcome: Outcome) -> None:
        """Append an outcome."""
        self._lines.write(json.dumps([order, outcome]) + "\n")
        self._lines.flush()

    def finish(self) -> None:
        """Mark the shard as done."""
        self._lines.write(json.dumps(_END) + "\n")
        self._lines.close()


def merged(output_dir: Path) -> list[Outcome]:
    """Return the outcomes of all shards, in the order of one process.

    Raises:
        BadInput: there is none, or one of them is not done.
    """
    files = sorted((output_dir / FOLDER).glob("*-of-*.jsonl"))
    counts = {file.stem.partition("-of-")[2] for file in files}
    if len(counts) != 1 or not next(iter(counts)).isdecimal():
        why = f"shards of {', '.join(sorted(counts))}" if counts else "no shard"
        raise BadInput(f"{output_dir}: {why}. Run picogen convert with --shard 1/N … N/N first.")
    count = int(counts.pop())
    outcomes: dict[Order, Outcome] = {}
    for number in range(1, count + 1):
        found, whole = _read(output_dir / FOLDER / f"{number}-of-{count}.jsonl")
        if not whole:
            raise BadInput(f"{output_dir}: shard {number}/{count} is not done. Run it (again).")
        outcomes |= found
    shutil.rmtree(output_dir / FOLDER)
    return [outcome for _, outcome in sorted(outcomes.items())]


def _read(file: Path) -> tuple[dict[Order, Outcome], bool]:
    """Return the outcomes of a file, and whether it is whole; its last line may be cut."""
    done: dict[Order, Outcome] = {}
    try:
        lines = read_text(file, 1 << 32).splitlines()
    except (OSError, ValueError):
        return {}, False
    for line in lines:
        try:
            entry = parse_json(line)
            if entry == _END:
                return done, True
            (kind, number), outcome = entry
            done[int(kind), int(number)] = dict(outcome)
        except (ValueError, TypeError):
            break
    return done, False
