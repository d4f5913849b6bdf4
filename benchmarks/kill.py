"""Kills a training run again and again and compares its end with the undisturbed run.

    python benchmarks/kill.py --kills 20 --seed 0

SIGKILL comes at random moments: every second time at any moment of a step, else as soon as a
checkpoint is being written, after a random delay within that. The model is tiny and has dropout.
Prints JSON: at which step each kill came, whether a checkpoint was being written, and whether the
weights, and every row of the log but its clock, are those of the undisturbed run; and whether the
rows up to each checkpoint kept their clock, so that no step before it was done again. Exit code 1
if not.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from picogen_core.data.prepare import prepare
from picogen_core.data.types import SourcePiece
from picogen_core.model.checkpoint import load_model
from picogen_core.training.config import TrainConfig
from picogen_core.training.loop import run_training
from picogen_core.training.run.resume import last_checkpoint

PIECES, EPOCHS, BATCH = 400, 4, 4
PATIENCE = 120.0


def make_data(folder: Path, rng: random.Random) -> Path:
    """Made-up tunes of 2 … 9 bars."""
    pieces = []
    for i in range(PIECES):
        bars = ["".join(rng.choices("CDEFGABc", k=4)) for _ in range(rng.randint(2, 9))]
        abc = f"X:{i}\nM:4/4\nL:1/4\nK:{rng.choice('CDFG')}\n" + "|".join(bars) + "|]\n"
        pieces.append(SourcePiece(f"p{i}", abc, "made up", "CC0"))
    prepare(pieces, folder, eval_ratio=0.05)
    return folder


def train(config: TrainConfig) -> None:
    torch.set_num_threads(1)
    run_training(config, resume="auto")


def is_saving(run_dir: Path) -> bool:
    return any(run_dir.glob("*.writing")) or any(run_dir.glob("*.before"))


def saved_progress(run_dir: Path) -> dict[str, Any]:
    folder = last_checkpoint(run_dir)
    if folder is None:
        return {"step": 0, "log_bytes": 0}
    progress: dict[str, Any] = json.loads((folder / "manifest.json").read_text())["progress"]
    return progress


def count_rows(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def kill_once(config: TrainConfig, while_saving: bool, rng: random.Random) -> dict[str, Any]:
    """Let the run go on for a while in a process of its own, then kill that."""
    process = multiprocessing.get_context("fork").Process(target=train, args=[config])
    log = config.run_dir / "metrics.jsonl"
    wanted = saved_progress(config.run_dir)["step"] + rng.randint(5, 12)
    process.start()
    deadline = time.monotonic() + PATIENCE
    while process.is_alive() and count_rows(log) < wanted and time.monotonic() < deadline:
        time.sleep(0.001)
    if while_saving:
        while process.is_alive() and not is_saving(config.run_dir):
            pass
        time.sleep(rng.uniform(0, 0.02))
    else:
        time.sleep(rng.uniform(0, 0.1))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, f"the run ended by itself: {process.exitcode}"
    saved = saved_progress(config.run_dir)
    return {
        "rows": count_rows(log),
        "saved_step": saved["step"],
        "while_saving": is_saving(config.run_dir),
        "log": log.read_bytes()[: saved["log_bytes"]],
    }


def rows(config: TrainConfig) -> list[dict[str, Any]]:
    lines = (config.run_dir / "metrics.jsonl").read_text().splitlines()
    clock = ("seconds", "waited")
    return [{k: v for k, v in json.loads(line).items() if k not in clock} for line in lines]


def same_weights(a: TrainConfig, b: TrainConfig, name: str) -> bool:
    one, other = (load_model(config.run_dir / name).state_dict() for config in (a, b))
    return all(torch.equal(one[key], other[key]) for key in one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    torch.set_num_threads(1)
    with TemporaryDirectory(prefix="picogen-kill-") as folder:
        whole = TrainConfig(
            exp_name="whole",
            output_dir=Path(folder),
            data=make_data(Path(folder) / "data", rng),
            d_model=32,
            max_patches=24,
            backbone={"name": "rwkv", "layers": 1, "head_size": 16},
            head={"name": "char-transformer", "layers": 1, "dropout": 0.2},
            batch_size=BATCH,
            epochs=EPOCHS,
            save_every=2,
        )
        run_training(whole)
        killed = whole.model_copy(update={"exp_name": "killed"})
        kills = [kill_once(killed, bool(i % 2), rng) for i in range(given.kills)]
        result = run_training(killed, resume="always")
        log = (killed.run_dir / "metrics.jsonl").read_bytes()
        report = {
            "kills": len(kills),
            "while_saving": sum(kill["while_saving"] for kill in kills),
            "steps": result.steps,
            "killed_in_row": [kill["rows"] for kill in kills],
            "went_on_from_step": [kill["saved_step"] for kill in kills],
            "nothing_was_done_twice": all(log.startswith(kill["log"]) for kill in kills),
            "last_is_bit_exact": same_weights(whole, killed, "last"),
            "best_is_bit_exact": same_weights(whole, killed, "best"),
            "log_is_the_same": rows(whole) == rows(killed),
            "left_over": sorted(p.name for p in killed.run_dir.glob("*.*ing")),
        }
    print(json.dumps(report, indent=1))
    sys.exit(0 if all(value for value in report.values() if isinstance(value, bool)) else 1)


if __name__ == "__main__":
    main()
