"""Prepared data under other splits: test, validation, and a share of what is left to train on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

VALIDATION = 0.05
"""Of the training tunes, in whole clusters."""


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
