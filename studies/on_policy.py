"""Does music that the student writes itself help it? Off-policy, on-policy and feedback compared.

    python studies/on_policy.py --data DATA [--teacher CKPT] [--epochs 1] [--seeds 2] [--out DIR]

The same student from the same seeds, as many steps of as many pieces: distillation from the data
alone (`off-policy`), with a quarter of the batches written by the student (`on-policy`), and with
rewards for pieces that it writes (`feedback`); and the data alone for three times as many steps,
about the time that writing takes. Then 64 pieces of each are measured against DATA.
Prints a line a run as it ends, and a Markdown table at the end; finished runs are not done again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from picogen_cli.defaults import shipped_teacher
from picogen_core.evaluation.scoring import ScoreRequest, score_folder
from picogen_core.evaluation.summaries import Value, with_interval
from picogen_core.generation.request.options import GenerateRequest, SamplingOptions
from picogen_core.generation.run import write_scores
from picogen_core.training.config import TrainConfig
from picogen_core.training.loop import run_training

PIECES, MAX_PATCHES, SAMPLE_PATCHES = 64, 160, 96
SAMPLING = SamplingOptions()
LOSSES: dict[str, Any] = {"logit-kd": {"weight": 1.0}, "hidden-mse": {"weight": 1.0}}
FEEDBACK = {"mode": "feedback", "weight": 0.3, "share": 0.1, "samples": 4}
ARMS: dict[str, dict[str, Any]] = {
    "off-policy": {"loss": LOSSES},
    "on-policy": {"loss": LOSSES, "on_policy": 0.25},
    "feedback": {"loss": LOSSES | {"physics": FEEDBACK}},
    "off-policy, 3 x": {"loss": LOSSES},
}
LONGER = {"off-policy, 3 x": 3}
"""About as much time as the arms that write music take, in more passes over the data."""
MEASURED = ("beta", "rep", "powerlaw_distance")


def run_arm(arm: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train, write, measure; or read what an earlier call has measured."""
    folder = options.out / f"{arm}-{seed}"
    found = folder / "study.json"
    if found.is_file():
        stored: dict[str, Any] = json.loads(found.read_text())
        return stored
    epochs = options.epochs * LONGER.get(arm, 1)
    config = TrainConfig(
        **ARMS[arm], exp_name=folder.name, output_dir=options.out, data=options.data, seed=seed,
        teacher_ckpt=options.teacher, cache_dir=options.out / "cache", d_model=128, lr=3e-3,
        max_patches=MAX_PATCHES, sample_patches=SAMPLE_PATCHES, batch_size=4,
        epochs=epochs, eval_every=epochs,
        backbone={"name": "rwkv", "layers": 2}, head={"name": "char-gru"},
    )  # fmt: skip
    result = run_training(config, force=True)
    manifest = json.loads((result.run_dir / "last" / "manifest.json").read_text())
    request = GenerateRequest(
        weights_path=result.run_dir,
        num_samples=PIECES,
        **SAMPLING.model_dump(),
        batch_size=PIECES,
        seed=seed,
        device="cpu",
    )
    scores = write_scores(request, folder / "scores")
    measured = score_folder(
        folder / "scores", ScoreRequest(metrics=["powerlaw"], seed=seed), options.data
    ).as_json()["metrics"]["powerlaw"]["values"]
    row = {
        "arm": arm,
        "seed": seed,
        "steps": result.steps,
        "seconds": result.seconds,
        "sampling": manifest["progress"]["own_text_seconds"],
        "complete": sum(bool(score.record["complete"]) for score in scores),
        "bits": asdict(result.bits_per_character),
        **{name: measured.get(name) for name in MEASURED},
    }
    found.write_text(json.dumps(row, indent=1) + "\n")
    return row


def show(value: dict[str, Any] | None) -> str:
    return "undefined" if value is None else with_interval(Value(**value))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("study-on-policy"))
    options = parser.parse_args()
    options.teacher = options.teacher or shipped_teacher()
    torch.set_num_threads(1)
    rows = []
    for seed in range(options.seeds):
        for arm in ARMS:
            rows.append(run_arm(arm, seed, options))
            print(json.dumps(rows[-1]), flush=True)
    print("| arm | seed | steps | s (sampling) | bits/char | distance | beta | rep | complete |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: list(ARMS).index(row["arm"])):
        cells = [row["arm"], row["seed"], row["steps"]]
        cells += [f"{row['seconds']:.0f} ({row['sampling'] / row['seconds']:.0%})"]
        cells += [show(row[name]) for name in ("bits", "powerlaw_distance", "beta", "rep")]
        print("| " + " | ".join(map(str, cells)) + f" | {row['complete']}/{PIECES} |")


if __name__ == "__main__":
    main()
