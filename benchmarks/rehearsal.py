"""NotaGen at full size, end to end: a file as published, imported, distilled from, written with.

    OMP_NUM_THREADS=1 python benchmarks/rehearsal.py --folder /tmp

A file of random weights in the format and shape of the large checkpoint (515,738,880 parameters
and their Adam moments, 6.19 GB; the moments are zeros, which nothing reads) is made in a temporary
folder, imported in both precisions, read again from the cache, used as the teacher of two training
steps, and made to write 16 bars of 4 patches. Each stage is a process of its own. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

NAME = "weights_notagen_pretrain-finetune-RL3_p_size_16_p_layers_c_layers_6_20_h_size_1280.pth"
PROMPT = "L:1/8\nM:4/4\nK:C\nV:1 treble\n"
BARS, PATCHES_A_BAR = 16, 4
TUNE = "X:{0}\nM:4/4\nL:1/8\nK:{1}\nCDEF GABc|cBAG FEDC|{2}4 E4|G2E2 C4|CEGc ecGE|D4 G,4|C8|]\n"

Facts = dict[str, object]


def make(folder: Path) -> Facts:
    """The file, as NotaGen's trainer writes it."""
    import numpy as np
    import torch
    from notagen_reference import NotaGenReference

    torch.manual_seed(0)
    model = NotaGenReference(1280, 20, 6, 1024)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4).state_dict()
    for number, parameter in enumerate(model.parameters()):
        moments = (torch.from_numpy(np.zeros(parameter.shape, np.float32)) for _ in range(2))
        first, second = moments
        optimizer["state"][number] = {"step": torch.tensor(1.0)}
        optimizer["state"][number] |= {"exp_avg": first, "exp_avg_sq": second}
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer,
            "lr_sched": {"last_epoch": 1, "lr_lambdas": [{}]},
            "epoch": 1,
            "best_epoch": 1,
            "min_eval_loss": 1.0,
        },
        folder / NAME,
    )
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "file_bytes": (folder / NAME).stat().st_size,
    }


def import_fp32(folder: Path) -> Facts:
    return _import(folder, "fp32")


def import_fp16(folder: Path) -> Facts:
    return _import(folder, "fp16")


def _import(folder: Path, storage: str) -> Facts:
    from picogen_core.model.files.imported import import_teacher

    cached = import_teacher(folder / NAME, "fp16" if storage == "fp16" else "fp32")
    return {"cache_bytes": sum(file.stat().st_size for file in cached.iterdir())}


def load_from_cache(folder: Path) -> Facts:
    """As every later run starts; all numbers are read once."""
    from picogen_core.model.checkpoint import load_model

    begun = time.perf_counter()
    model = load_model(folder / NAME)
    seconds = time.perf_counter() - begun
    total = sum(float(parameter.detach().sum()) for parameter in model.parameters())
    return {"load_model_seconds": round(seconds, 2), "finite": total == total}


def distil(folder: Path) -> Facts:
    """Two steps of a small student, a piece each, with all three losses of `picogen distill`."""
    from picogen_core.data.prepare import prepare
    from picogen_core.data.types import SourcePiece
    from picogen_core.training.config import TrainConfig
    from picogen_core.training.loop import run_training

    pieces = [
        SourcePiece(f"p{i}", TUNE.format(i, "CDFG"[i], "cdef"[i]), "made up", "CC0")
        for i in range(3)
    ]
    for name, some in (("train", pieces[:2]), ("eval", pieces[2:])):
        prepare(some, folder / name, eval_ratio=0.0, keys="original")
    losses = {
        "logit-kd": {"weight": 1.0},
        "hidden-mse": {"weight": 1.0},
        "physics": {"weight": 0.3},
    }
    result = run_training(
        TrainConfig(
            exp_name="student", output_dir=folder, data=folder / "train",
            eval_data=folder / "eval", teacher_ckpt=folder / NAME, max_patches=64, epochs=1,
            batch_size=1, d_model=128, backbone={"name": "rwkv", "layers": 2}, loss=losses,
        )
    )  # fmt: skip
    return {
        "steps": result.steps,
        "seconds_a_step": round(result.seconds / result.steps, 2),
        "student_parameters": result.parameters,
    }


def write(folder: Path) -> Facts:
    """Random weights close a piece at any patch and spell no bars, so pieces are begun again until
    as many patches are written as 16 bars have."""
    from picogen_core.generation.decoding.decode import generate
    from picogen_core.generation.request.options import SamplingOptions
    from picogen_core.model.checkpoint import load_model

    model = load_model(folder / NAME)
    wanted, written, pieces = BARS * PATCHES_A_BAR, 0, 0
    begun = time.perf_counter()
    while written < wanted:
        pieces += 1
        draft = generate(
            model, PROMPT, seed=0, numbers=[pieces], max_patches=5 + wanted - written,
            sampling=SamplingOptions(),
        )[0]  # fmt: skip
        written += len(draft.codes)
    seconds = time.perf_counter() - begun
    return {
        "patches": written,
        "pieces": pieces,
        "generate_seconds": round(seconds, 1),
        "seconds_a_patch": round(seconds / written, 3),
    }


STAGES: dict[str, Callable[[Path], Facts]] = {
    stage.__name__: stage
    for stage in (make, import_fp32, import_fp16, load_from_cache, distil, write)
}


def run_stage(name: str, folder: Path) -> None:
    begun = time.perf_counter()
    facts = STAGES[name](folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024
    print(
        json.dumps(
            {
                "seconds": round(time.perf_counter() - begun, 1),
                "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
                "peak_gb": round(used.ru_maxrss * unit / 1e9, 2),
                **facts,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, help="Where 10 GB are free for the time of the run.")
    parser.add_argument("--stage", choices=list(STAGES), help="One stage, in the folder itself.")
    given = parser.parse_args()
    if given.stage:
        run_stage(given.stage, given.folder)
        return
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="picogen-rehearsal-") as folder:
        report: dict[str, Facts] = {}
        for stage in STAGES:
            done = subprocess.run(
                [sys.executable, __file__, "--stage", stage, "--folder", folder],
                env={**os.environ, "PICOGEN_CACHE": str(Path(folder) / "cache")},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            report[stage] = json.loads(done.stdout.splitlines()[-1])
            print(f"{stage}: {json.dumps(report[stage])}", file=sys.stderr, flush=True)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
