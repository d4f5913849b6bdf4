"""Cells of a study: one `picogen` command each, a number of steps, and what was measured after it.

A cell trains, its bits per character are taken of every validation and test tune, and the pieces
that it writes are measured. All of that lies in `OUT/NAME/cell.json`; a cell that has one is not
run again, and a run that was interrupted goes on. The data is the default tunes: their held-out
part is the split `test`, by which nothing is chosen; whole clusters of the rest are validation.
"""

from __future__ import annotations

import argparse
import io
import json
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from picogen_cli.commands.train import distill_losses
from picogen_cli.defaults import default_data
from picogen_cli.main import app
from picogen_cli.settings import resolve
from picogen_core.data.crops import fixed_crops
from picogen_core.data.prepared.index import open_data
from picogen_core.model.checkpoint import load_model
from picogen_core.runtime.progress import Quiet
from picogen_core.training.config import TrainConfig
from picogen_core.training.evaluate import evaluate
from picogen_core.training.loop import Diverged

VALIDATION = 0.05
"""Of the training tunes, in whole clusters."""
PIECES = 200
METRICS = ("powerlaw", "musicality", "novelty", "validity")
SHOWN = (
    "rep", "beta", "interval_js", "powerlaw_distance", "self_similarity_1", "self_similarity_4",
    "distinct_bars_1", "meter_agreement", "copied_run", "longest_copied_run",
)  # fmt: skip
MEASURING = 1.5
"""CPU minutes that 200 pieces take to be written and measured, for the sum that is printed."""
OPTIONS = {
    "--backbone": "backbone.name", "--head": "head.name", "--lr": "lr",
    "--alpha-kd": "loss.logit-kd.weight", "--beta-phy": "loss.physics.weight",
    "--physics": "loss.physics.mode",
}  # fmt: skip
"""What a cell's command may say beside `--preset` and `--set`."""
PARTS_OF_DATA = {"tunes": 1.0, "tunes-10": 0.1}


@dataclass(frozen=True)
class Cell:
    """A command without its length, rate and seed; `minutes` of what a step costs by `cost`.

    `lr` is None where it is not known yet; `pieces` says whether music is written too.
    """

    name: str
    command: tuple[str, ...]
    cost: str
    minutes: float
    lr: float | None
    seed: int = 0
    data: str = "tunes"
    pieces: bool = True


class Study:
    """A folder of cells, the data they learn from, and what their steps cost."""

    def __init__(self, out: Path, source: Path | None = None, scale: float = 1.0) -> None:
        self.out, self.scale = out, scale
        source = source or default_data(Quiet())
        for name, share in PARTS_OF_DATA.items():
            carve(source, out / name, share)

    def costs(self) -> dict[str, dict[str, float]]:
        """`cold` and `warm` CPU seconds per step by key; empty before they were measured."""
        found: dict[str, dict[str, float]] = read(self.out / "costs.json") or {}
        return found

    def epoch(self, data: str) -> int:
        """Steps of an epoch of a part of the data."""
        train, config = open_data(self.out / data).split("train"), tiny()
        return -(-len(fixed_crops(train, config.max_patches)) // config.batch_size)

    def steps(self, cell: Cell) -> int | None:
        """Steps that fit into the cell's minutes: those of the first epoch have the teacher write
        its answers down, later ones read them."""
        cost = self.costs().get(cell.cost)
        if cost is None:
            return None
        seconds, epoch = 60 * cell.minutes * self.scale, self.epoch(cell.data)
        first = min(epoch, seconds / cost["cold"])
        return max(1, round(first + max(0.0, seconds - first * cost["cold"]) / cost["warm"]))

    def found(self, name: str) -> dict[str, Any] | None:
        """What a cell has measured, if it has run."""
        row: dict[str, Any] | None = read(self.out / name / "cell.json")
        return row

    def words(self, cell: Cell) -> list[str]:
        """The cell's command; `?` for what is not known yet."""
        steps = self.steps(cell)
        epochs = (steps or 0) / self.epoch(cell.data)
        every = max(1, int(epochs / 10))
        return [
            *cell.command, "--data", str(self.out / cell.data),
            "--max-steps", str(steps or "?"), "--lr", f"{cell.lr:g}" if cell.lr else "?",
            "--seed", str(cell.seed), "--set", "samples=0", "--set", f"eval_every={every}",
            "--exp-name", cell.name, "--output-dir", str(self.out),
        ]  # fmt: skip

    def run(self, cell: Cell) -> dict[str, Any]:
        """Train, evaluate, write, measure."""
        folder = self.out / cell.name
        words = self.words(cell)
        row = {"command": words, "seed": cell.seed, "lr": cell.lr, "minutes": cell.minutes}
        try:
            trained = picogen([*words, "--resume", "auto", "--device", "cpu", "--json"])
        except Diverged as error:  # at a rate that is too high; that is a result too
            write(folder / "cell.json", row | {"failed": str(error)})
            return row | {"failed": str(error)}
        row |= {
            **{key: trained[key] for key in ("steps", "epochs", "cpu_seconds", "parameters")},
            **self.likelihood(folder / "best"),
        }  # fmt: skip
        if cell.pieces:
            row["music"] = music(folder / "best", folder / "scores", self.out / "tunes", PIECES)
        write(folder / "cell.json", row)
        return row

    def likelihood(self, checkpoint: Path) -> dict[str, Any]:
        """Nats and characters of every validation and test tune."""
        model, data = load_model(checkpoint), open_data(self.out / "tunes")
        found = {}
        for name, split in (("validation", "eval"), ("test", "test")):
            score = evaluate(model, data.split(split), 16, tiny().max_patches)
            found[name] = {"nats": score.nats, "characters": score.characters}
        return found


def music(
    checkpoint: Path,
    scores: Path,
    reference: Path,
    count: int,
    seed: int = 0,
    shown: Sequence[str] = SHOWN,
) -> dict[str, Any]:
    """Write pieces and measure them: the values that are `shown`, each with its interval."""
    picogen(
        ["generate", "--weights-path", str(checkpoint), "--num-samples", str(count),
         "--seed", str(seed), "--output-dir", str(scores), "--force", "--json"]
    )  # fmt: skip
    named = [word for metric in METRICS for word in ("--metric", metric)]
    report = picogen(
        ["eval", str(scores), *named, "--reference", str(reference), "--seed", str(seed),
         "--jobs", "1", "--json"]
    )  # fmt: skip
    values = {k: v for m in report["metrics"].values() for k, v in m["values"].items()}
    return {name: values[name] for name in shown if name in values}


def picogen(words: Sequence[str]) -> Any:
    """What a command prints as JSON. Raises what the command raises; a signal stops the study.

    `picogen eval` ends with 1 where a metric is undefined; what it could measure is taken.
    """
    out = io.StringIO()
    with redirect_stdout(out):
        code = app(list(words), standalone_mode=False)
    if not out.getvalue():
        sys.exit(f"picogen {shlex.join(words)}: exit code {code}.")
    return json.loads(out.getvalue())


def configuration(command: Sequence[str], **changes: Any) -> TrainConfig:
    """What a cell's command resolves to, with `changes`."""
    flags: dict[str, Any] = {}
    sets, preset = [], None
    for option, value in zip(command[1::2], command[2::2], strict=True):
        if option == "--set":
            sets.append(value)
        elif option == "--preset":
            preset = value
        else:
            sets.append(f"{OPTIONS[option]}={value}")
    defaults = distill_losses() if command[0] == "distill" else {}
    return resolve(None, flags | changes, sets, defaults, preset)


def tiny() -> TrainConfig:
    """The preset that all cells begin from."""
    return configuration(("train", "--preset", "tiny"))


def carve(data: Path, folder: Path, share: float = 1.0) -> None:
    """The same pieces under other splits: eval becomes test, some clusters of train eval, and of
    the other clusters a share trains."""
    if folder.is_dir():
        return
    rows = [json.loads(line) for line in (data / "index.jsonl").read_text().splitlines()]
    sizes: dict[int, int] = {}
    for row in rows:
        if row["split"] == "train":
            sizes[row["cluster"]] = sizes.get(row["cluster"], 0) + 1
    order = np.random.default_rng(12345).permutation(sorted(sizes)).tolist()
    count = sum(sizes.values())
    validation = _first(order, sizes, VALIDATION * count)
    left = [name for name in order if name not in validation]
    kept = _first(left, sizes, share * (count - sum(sizes[name] for name in validation)))
    for row in rows:
        if row["split"] == "eval":
            row["split"] = "test"
        elif row["cluster"] in validation:
            row["split"] = "eval"
        elif row["cluster"] not in kept:
            row["split"] = "unused"
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(data, aside)
    (aside / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    aside.rename(folder)


def _first(order: Sequence[int], sizes: Mapping[int, int], pieces: float) -> set[int]:
    """The first clusters that together have so many pieces."""
    chosen: set[int] = set()
    total = 0
    for name in order:
        if total >= pieces:
            break
        chosen.add(name)
        total += sizes[name]
    return chosen


def read(file: Path) -> Any:
    return json.loads(file.read_text()) if file.is_file() else None


def write(file: Path, data: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".part")
    aside.write_text(json.dumps(data) + "\n")
    aside.rename(file)


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
        from step_costs import measure

        print(f"Measuring what a step costs: {', '.join(missing)}.", flush=True)
        found = measure(missing, study.out / "tunes", given.rounds, starts or {})
        write(study.out / "costs.json", study.costs() | found)
    print_plan(study, [cell for cell in plan(study) if wanted(cell)])
    if not given.dry_run:
        run_cells(study, plan, wanted)
