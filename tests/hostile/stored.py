"""Folders that PiCo-Gen itself writes, one file of them damaged, and everything that reads them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from picogen_core import PicogenError
from picogen_core.comparison.runs import read_run
from picogen_core.data.prepare import prepare
from picogen_core.data.prepared.index import open_data
from picogen_core.data.prepared.info import describe
from picogen_core.data.types import SourcePiece
from picogen_core.model.checkpoint import load_model
from picogen_core.model.config import ModelConfig
from picogen_core.model.files.folder import read_config
from picogen_core.model.files.notagen import read_notagen, write_notagen
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.training.config import TrainConfig
from picogen_core.training.loop import run_training

from tests.hostile.arena import Outcome
from tests.hostile.forks import forked
from tests.hostile.mutants import mutant

_VALUES = (
    "0", "-1", "1e999", "null", "true", '"x"', "[]", "{}", "9" * 30, "1" + "0" * 9, "[" * 5000,
)  # fmt: skip


def make_stored(folder: Path) -> None:
    """data/, a prepared folder; runs/run/, a run of two steps; small.pth, a NotaGen file."""
    tune = "X:{}\nM:4/4\nL:1/4\nK:C\n{}|]\n"
    rng = random.Random(0)
    pieces = [
        SourcePiece(f"p{i}", tune.format(i, "|".join("".join(rng.choices("CDEFGABc", k=4))
        for _ in range(6))), "made up", "CC0") for i in range(12)
    ]  # fmt: skip
    prepare(pieces, folder / "data", eval_ratio=0.3)
    run_training(settings(folder))
    torch.manual_seed(0)
    config = ModelConfig(
        d_model=64, max_patches=16, backbone="gpt2", head="char-transformer",
        backbone_options={"layers": 1, "heads": 1, "max_patches": 16},
        head_options={"layers": 1, "heads": 1},
    )  # fmt: skip
    write_notagen(folder / "small.pth", GenericStudent(config))


def settings(folder: Path) -> TrainConfig:
    """The run's."""
    return TrainConfig(
        exp_name="run", output_dir=folder / "runs", data=folder / "data", d_model=16,
        max_patches=16, max_steps=2, samples=0, backbone={"name": "llama", "layers": 1, "heads": 2},
        head={"name": "char-gru", "width": 16},
    )  # fmt: skip


def damage(file: Path, rng: random.Random) -> None:
    """Bytes anywhere; in a text sometimes one value, in numbers sometimes the header."""
    data = file.read_bytes()
    if file.suffix in (".json", ".jsonl", ".toml") and rng.random() < 0.6:
        marks = [i for i, byte in enumerate(data) if byte in b":="]
        start = rng.choice(marks) + 1 if marks else 0
        end = min(
            (e for e in (data.find(m, start) for m in (b",", b"\n", b"}")) if e >= 0), default=0
        )
        file.write_bytes(data[:start] + rng.choice(_VALUES).encode() + data[max(start, end) :])
    elif rng.random() < 0.4:
        head = rng.randint(1, 400)
        file.write_bytes(mutant(data[:head], rng) + data[head:])
    else:
        file.write_bytes(mutant(data, rng))


READERS: dict[str, tuple[str, list[Callable[[Path], object]]]] = {
    "data": ("prepared data", [lambda f: describe(open_data(f / "data"))]),
    "runs/run/last": (
        "checkpoints",
        [
            lambda f: load_model(f / "runs" / "run" / "last"),
            lambda f: locate(f / "runs" / "run" / "last").config,
            lambda f: locate(f / "runs" / "run" / "last").arrays(),
            lambda f: read_config(f / "runs" / "run" / "last"),
            lambda f: locate(f / "runs" / "run" / "last").manifest(),
            lambda f: run_training(settings(f).model_copy(update={"max_steps": 3}), resume="auto"),
        ],
    ),
    "runs/run": (
        "run folders",
        [
            lambda f: read_run(f / "runs" / "run", "run"),
            lambda f: run_training(settings(f).model_copy(update={"max_steps": 3}), resume="auto"),
        ],
    ),
    "": ("NotaGen .pth", [lambda f: read_notagen(f / "small.pth")]),
}
"""What reads the files of each folder below the stored one, and what these are."""


def attack(stored: Path, room: Path, rng: random.Random) -> tuple[str, Outcome]:
    """Damage one file in a copy and let all readers have it, in a fork: what kind of file it was,
    and what they did."""
    shutil.rmtree(room, ignore_errors=True)
    shutil.copytree(stored, room)
    place = rng.choice(list(READERS))
    kind, readers = READERS[place]
    file = rng.choice([file for file in sorted((room / place).iterdir()) if file.is_file()])
    damage(file, rng)

    def read() -> None:
        for reader in readers:
            try:
                reader(room)
            except PicogenError:
                continue

    return kind, forked(read, 300)
