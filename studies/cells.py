"""Cells of a study: one `picogen` command each, a number of steps, and what was measured after it.

A cell trains, its bits per character are taken of every validation and test tune, and the pieces
that it writes are measured. All of that lies in `OUT/NAME/cell.json`; a cell that has one is not
run again, and a run that was interrupted goes on. The data is the default tunes: their held-out
part is the split `test`, by which nothing is chosen; whole clusters of the rest are validation.
"""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from picogen_core.training.step import Diverged
from splits import carve

PIECES = 200
METRICS = ("powerlaw", "musicality", "novelty", "validity")
SHOWN = (
    "rep", "beta", "interval_js", "powerlaw_distance", "self_similarity_1", "self_similarity_4",
    "distinct_bars_1", "meter_agreement", "copied_run", "longest_copied_run",
)  # fmt: skip
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


def read(file: Path) -> Any:
    return json.loads(file.read_text()) if file.is_file() else None


def write(file: Path, data: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".part")
    aside.write_text(json.dumps(data) + "\n")
    aside.rename(file)
