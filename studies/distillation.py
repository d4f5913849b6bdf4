"""Does a student learn more in the same time, or in the same steps, with a teacher than alone?

    python studies/distillation.py --data DATA --out DIR [--length 350] [--seeds 1 2 3]
        [--arms NAME …] [--teacher CKPT] [--split test]

DATA is a prepared folder. Its held-out tunes become the split `test`, which nothing is chosen by;
200 of the training tunes, in whole clusters, become the validation split, and neither student nor
teacher reads them. The teacher is the demo's, trained for 110 CPU seconds, or a checkpoint.

Time is steps times what a step costs in comparison with one of training alone, as
benchmarks/teacher_cache.py has measured it for a teacher of the demo's size that is asked about
whole batches and not cached; --length is in steps of training alone. So a busy machine changes
nothing, and answers that this study does keep are of no advantage. Prints a line a run, then a
Markdown table with each arm's difference to training alone, paired by tune and seed; finished runs
are not done again.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from picogen_cli.commands.train import distill_losses
from picogen_core.data.prepared.index import open_data
from picogen_core.model.checkpoint import load_model
from picogen_core.training.config import TrainConfig
from picogen_core.training.evaluate import evaluate
from picogen_core.training.loop import run_training
from picogen_core.training.state import RunResult
from torch.optim.optimizer import register_optimizer_step_post_hook

TEACHER_SECONDS, VALIDATION, RESAMPLES = 110, 200, 2000
MAX_PATCHES = 160
TEACHER: dict[str, Any] = {
    "d_model": 128,
    "backbone": {
        "name": "gpt2",
        "layers": 4,
        "heads": 2,
        "max_patches": MAX_PATCHES,
        "dropout": 0.0,
    },
    "head": {"name": "char-transformer", "layers": 1, "heads": 2, "dropout": 0.0},
    "lr": 2e-3,
}
STUDENT: dict[str, Any] = {
    "d_model": 128,
    "backbone": {"name": "rwkv", "layers": 2},
    "head": {"name": "char-gru"},
}
DEFAULT = distill_losses()["loss"]


@dataclass(frozen=True)
class Arm:
    """Losses, learning rate, and what a step costs, in steps of training alone."""

    loss: dict[str, Any]
    lr: float
    cost: float = 1.0


HIDDEN = {"hidden-mse": {"weight": 1.0}}
ALONE = "alone"
ARMS = {
    ALONE: Arm({}, 5e-3),
    "hidden states, equal time": Arm(HIDDEN, 8e-3, 1.12),  # as the demo does
    "default losses, equal time": Arm(DEFAULT, 8e-3, 1.57),
    "hidden states, equal steps": Arm(HIDDEN, 8e-3),
    "default losses, equal steps": Arm(DEFAULT, 8e-3),
}


class StepClock:
    """In place of `time.monotonic`: a step of an optimizer takes `cost`, all else nothing."""

    def __init__(self) -> None:
        self.now, self.cost = 0.0, 1.0
        register_optimizer_step_post_hook(self._advance)

    def __call__(self) -> float:
        return self.now

    def _advance(self, *_: Any) -> None:
        self.now += self.cost


def carve(data: Path, folder: Path) -> None:
    """The same pieces under other splits: eval becomes test, and clusters of train eval."""
    if folder.is_dir():
        return
    rows = [json.loads(line) for line in (data / "index.jsonl").read_text().splitlines()]
    clusters = sorted({row["cluster"] for row in rows if row["split"] == "train"})
    sizes = {name: sum(row["cluster"] == name for row in rows) for name in clusters}
    chosen: set[int] = set()
    for name in np.random.default_rng(12345).permutation(clusters).tolist():
        if sum(sizes[each] for each in chosen) < VALIDATION:
            chosen.add(name)
    for row in rows:
        if row["split"] == "eval":
            row["split"] = "test"
        elif row["cluster"] in chosen:
            row["split"] = "eval"
    shutil.copytree(data, folder)
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def train(options: argparse.Namespace, name: str, **changes: Any) -> RunResult:
    """One run."""
    config = {
        "output_dir": options.out, "data": options.out / "data", "max_patches": MAX_PATCHES,
        "batch_size": 4, "epochs": 1000, "eval_every": 1000, "samples": 0, "exp_name": name,
        "cache_dir": options.out / "cache",
    }  # fmt: skip
    return run_training(TrainConfig(**config | changes), force=True)


def run_arm(name: str, seed: int, options: argparse.Namespace, clock: StepClock) -> dict[str, Any]:
    """Train and evaluate; or read what an earlier call has found."""
    folder = options.out / f"{name.replace(', ', '-').replace(' ', '-')}-{options.length}-{seed}"
    found = folder / "study.json"
    if not found.is_file():
        arm = ARMS[name]
        clock.cost = arm.cost
        settings = STUDENT | {"lr": arm.lr, "loss": arm.loss, "max_seconds": options.length}
        if arm.loss:
            settings["teacher_ckpt"] = options.teacher
        result = train(options, folder.name, seed=seed, **settings)
        model = load_model(result.run_dir / "last")
        data = open_data(options.out / "data")
        row = {"arm": name, "seed": seed, "steps": result.steps}
        for split in ("eval", "test"):
            score = evaluate(model, data.split(split), 16, MAX_PATCHES)
            row[split] = {"nats": score.nats, "n": score.characters}
        found.write_text(json.dumps(row) + "\n")
    stored: dict[str, Any] = json.loads(found.read_text())
    return stored


def bits(rows: list[dict[str, Any]], split: str, pieces: NDArray[np.int64]) -> NDArray[np.float64]:
    """[seeds, resamples] bits per character of the drawn `pieces` [resamples, K]."""
    nats, counts = (np.array([row[split][key] for row in rows]) for key in ("nats", "n"))
    found: NDArray[np.float64] = nats[:, pieces].sum(-1) / counts[:, pieces].sum(-1) / math.log(2)
    return found


def table(rows: list[dict[str, Any]], split: str) -> list[str]:
    """Markdown: means over seeds; intervals over seeds and tunes, both drawn anew."""
    lines = [
        "| arm | steps | bits/char by seed | mean | against alone [95 %] |",
        "|---|---|---|---|---|",
    ]
    by_arm = {name: [row for row in rows if row["arm"] == name] for name in ARMS}
    rng = np.random.default_rng(0)
    count = len(rows[0][split]["n"])
    drawn = rng.integers(count, size=(RESAMPLES, count))
    base = by_arm[ALONE]
    for name, mine in by_arm.items():
        if not mine:
            continue
        each = bits(mine, split, np.arange(count)[None])[:, 0]
        cells = [
            name,
            str(mine[0]["steps"]),
            ", ".join(f"{x:.3f}" for x in each),
            f"{each.mean():.3f}",
        ]
        if name != ALONE and len(base) == len(mine):
            seeds = rng.integers(len(mine), size=(len(mine), RESAMPLES))
            change = bits(mine, split, drawn) - bits(base, split, drawn)
            low, high = np.percentile(np.take_along_axis(change, seeds, 0).mean(0), [2.5, 97.5])
            middle = (each - bits(base, split, np.arange(count)[None])[:, 0]).mean()
            cells.append(f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]")
        lines.append("| " + " | ".join([*cells, ""][:5]) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("study-distillation"))
    parser.add_argument("--teacher", type=Path, help="left out, the demo's is trained first")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--length", type=int, default=350, help="in steps of training alone")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--split", choices=("eval", "test"), default="test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    carve(options.data, options.out / "data")
    if options.teacher is None:
        options.teacher = options.out / "teacher"
        if not (options.teacher / "best").is_dir():
            time.monotonic = time.process_time
            train(options, "teacher", **TEACHER, max_seconds=TEACHER_SECONDS)
    time.monotonic = clock = StepClock()
    rows = []
    for seed in options.seeds:
        for name in options.arms:
            rows.append(run_arm(name, seed, options, clock))
            print(name, seed, rows[-1]["steps"], flush=True)
    print("\n".join(table(rows, options.split)))


if __name__ == "__main__":
    main()
