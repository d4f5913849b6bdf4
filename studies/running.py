"""The command line of a study made of cells: what they cost, those that are left, and its page."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from cells import Cell, Study, write
from step_costs import measure

MEASURING = 1.5
"""CPU minutes that 200 pieces take to be written and measured, for the sum that is printed."""
Plan = Callable[[Study], Sequence[Cell]]


def print_plan(study: Study, cells: Sequence[Cell]) -> None:
    """A line for each cell with its cost, and the sum of those that have not run."""
    total = 0.0
    print("cell                                 steps  CPU minutes")
    for cell in cells:
        minutes = (cell.minutes + MEASURING * cell.pieces) * study.scale
        done = study.found(cell.name) is not None
        total += 0 if done else minutes
        print(f"{cell.name:34} {study.steps(cell) or '?':>7}  {minutes:8.1f}"
              f"{'  finished' if done else ''}")  # fmt: skip
        print(f"    picogen {shlex.join(study.words(cell))}")
    print(f"to run: {total / 60:.1f} CPU hours", flush=True)


def run_cells(study: Study, plan: Plan, wanted: Callable[[Cell], bool]) -> None:
    """One cell after the other, the plan made anew after each: what one finds, others begin from.

    Raises:
        SystemExit: a cell's learning rate or cost is not known and is no cell that is wanted.
    """
    while left := [c for c in plan(study) if wanted(c) and study.found(c.name) is None]:
        cell = left[0]
        if cell.lr is None:
            sys.exit(f"{cell.name}: its learning rate is not known yet. Run the rates first.")
        begun = time.process_time()
        row = study.run(cell)
        if "failed" in row:
            print(f"{cell.name}: {row['failed']}", flush=True)
            continue
        bits = sum(row["test"]["nats"]) / sum(row["test"]["characters"]) / np.log(2)
        print(f"{cell.name}: {bits:.4f} bits per character of test tunes, {row['steps']} steps, "
              f"{time.process_time() - begun:.0f} CPU s", flush=True)  # fmt: skip


def main(
    about: str,
    default: str,
    costs: Mapping[str, tuple[str, ...]],
    parts: Mapping[str, Plan],
    report: Callable[[Study, Path], None],
    arguments: Sequence[str] | None = None,
    starts: Mapping[str, Path] | None = None,
) -> None:
    """The command line of a study.

    costs:  what is measured before any cell runs: a command by key.
    starts: of some of them, a checkpoint whose weights they are measured with.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("--out", type=Path, default=Path(default))
    parser.add_argument("--data", type=Path, help="prepared folder; left out, the default tunes")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--only", nargs="+", help="names of cells")
    parser.add_argument("--dry-run", action="store_true", help="print the cells and their cost")
    parser.add_argument("--scale", type=float, default=1.0, help="times all minutes")
    parser.add_argument("--rounds", type=int, default=12, help="batches to measure a step with")
    parser.add_argument("--page", type=Path, help="that `report` writes; left out, docs/studies")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    study = Study(given.out, given.data, given.scale)
    if given.what == "report":
        report(study, given.page or Path(__file__).parents[1] / "docs/studies")
        return

    def plan(study: Study) -> list[Cell]:
        return [cell for part in given.parts for cell in parts[part](study)]

    def wanted(cell: Cell) -> bool:
        return given.only is None or cell.name in given.only

    missing = {key: command for key, command in costs.items() if key not in study.costs()}
    if missing and not given.dry_run:
        print(f"Measuring what a step costs: {', '.join(missing)}.", flush=True)
        found = measure(missing, study.out / "tunes", given.rounds, starts or {})
        write(study.out / "costs.json", study.costs() | found)
    print_plan(study, [cell for cell in plan(study) if wanted(cell)])
    if not given.dry_run:
        run_cells(study, plan, wanted)
