"""Make the teacher that ships with picogen-cli from a run: half precision, no training state.

    picogen train --backbone gpt2 --head char-transformer --exp-name teacher --epochs 6 \
        --lr 1.5e-3 --batch-size 4 --seed 0 --set d_model=192 --set max_patches=256 \
        --set backbone.layers=4 --set backbone.heads=3 --set backbone.max_patches=256 \
        --set head.layers=1 --set head.heads=3
    python studies/ship_teacher.py checkpoints/teacher packages/picogen-cli/src/picogen_cli/teacher
"""

import json
import sys
from pathlib import Path

import torch
from picogen_cli.defaults import default_data
from picogen_core.data.index import open_data
from picogen_core.model.checkpoint import find_checkpoint, load_model, save_checkpoint
from picogen_core.model.config import MANIFEST
from picogen_core.progress import Quiet
from picogen_core.training.evaluate import bigram_likelihood, evaluate


def main(run: Path, target: Path) -> None:
    manifest = json.loads((find_checkpoint(run) / MANIFEST).read_text())
    kept = ("picogen", "progress", "components", "parameters", "seed")
    manifest = {name: manifest[name] for name in kept}
    manifest["data"] = "O'Neill, Ryan and Aird from music21, split train, original keys"
    save_checkpoint(target, load_model(run).half(), manifest)
    data = open_data(default_data(Quiet()))
    held_out = data.split("eval")
    torch.set_num_threads(1)
    for name, score in (
        ("character bigram", bigram_likelihood(data.split("train"), held_out, 256)),
        ("run, fp32", evaluate(load_model(run), held_out, 16, 256)),
        ("shipped, fp16 weights", evaluate(load_model(target), held_out, 16, 256)),
    ):
        value = score.value()
        print(f"{name}: {value.value:.4f} [{value.low:.4f}, {value.high:.4f}], n = {value.n}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
