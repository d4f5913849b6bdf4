"""The compiled engine beside ONNX Runtime, patch by patch, from the same weights.

    OMP_NUM_THREADS=1 python benchmarks/onnx_runtime.py

The demo's student: RWKV-7, 128 wide, 2 layers, head char-gru. Random weights, one piece, one
thread.
A patch is one step of the backbone and 12 of the head, without sampling. Both sides read the same
characters, and their logits are compared. CPU time, in turns, median of the rounds; prints JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import measure
import numpy as np
import torch
from picogen_core.abc.patches import EOS, PATCH_SIZE, VOCABULARY
from picogen_core.generation.engines.choose import EngineChoice, open_engine
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.locate import locate
from picogen_core.model.state_tree import named_leaves
from picogen_core.model.student import GenericStudent
from picogen_core.onnx.check import OnnxSession
from picogen_core.onnx.graphs import BACKBONE, BEGIN, STATE, STEP
from picogen_core.onnx.write import export_onnx
from picogen_core.runtime.progress import Quiet

CHARACTERS, PATCHES = 12, 100
STUDENT = ModelConfig(
    d_model=128,
    max_patches=512,
    backbone="rwkv",
    backbone_options={"layers": 2},
    head="char-gru",
)

Write = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = GenericStudent(STUDENT).eval()
    rng = np.random.default_rng(0)
    patches = rng.integers(EOS + 1, VOCABULARY, (PATCHES, PATCH_SIZE))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_checkpoint(folder / "student", model, {})
        (folder / "onnx").mkdir()
        export_onnx(model, folder / "onnx")
        sides = {
            "numba": compiled(folder / "student"),
            "onnxruntime": runtime(model, folder / "onnx"),
        }
        first, second = (side(patches) for side in sides.values())
        times = measure.in_turns({key: lambda s=s: s(patches) for key, s in sides.items()}, rounds)
    each = {key: [1000 * s / PATCHES for s in found.cpu] for key, found in times.items()}
    ratios = sorted(b / a for a, b in zip(*each.values(), strict=True))
    print(
        json.dumps(
            {
                "ms_per_patch": {key: round(statistics.median(s), 4) for key, s in each.items()},
                "ratio": round(statistics.median(ratios), 2),
                "ratio_from_to": [round(ratios[0], 2), round(ratios[-1], 2)],
                "largest_difference": float(np.abs(first - second).max()),
            },
            indent=1,
        )
    )


def compiled(checkpoint: Path) -> Write:
    """Write the patches with kernels; the logits of the last character of each."""
    engine = open_engine(locate(checkpoint), EngineChoice("numba", "cpu"), 1, PATCHES + 1, Quiet())
    slot = np.zeros(1, np.int64)

    def write(patches: np.ndarray) -> np.ndarray:
        engine.read(0, patches[:1].astype(np.uint8))
        found = []
        for patch in patches[1:]:
            logits = engine.begin(slot)
            for j in range(CHARACTERS - 1):
                logits = engine.step(slot, patch[j : j + 1])
            found.append(logits[0].copy())
            engine.advance(slot, patch[None].astype(np.uint8))
        return np.array(found)

    return write


def runtime(model: GenericStudent, folder: Path) -> Write:
    """The same with ONNX Runtime."""
    backbone, begin, step = (OnnxSession(folder / file) for file in (BACKBONE, BEGIN, STEP))
    start = named_leaves(model.initial_state(1, STUDENT.max_patches), STATE)

    def write(patches: np.ndarray) -> np.ndarray:
        state = {name: leaf.numpy() for name, leaf in start.items()}
        hidden, state = backbone(state, patch=patches[:1])
        found = []
        for patch in patches[1:]:
            logits, inner = begin({}, hidden=hidden)
            for j in range(CHARACTERS - 1):
                logits, inner = step(inner, chars=patch[j : j + 1])
            found.append(logits[0])
            hidden, state = backbone(state, patch=patch[None])
        return np.array(found)

    return write


if __name__ == "__main__":
    main()
