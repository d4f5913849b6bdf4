"""What a head that remembers is worth, and what the backbone adds to it.

    nice python studies/heads.py --out DIR rates           # learning rates, one seed, 3 CPU minutes
    nice python studies/heads.py --out DIR tunes           # every cell of the table, 7 CPU minutes
    nice python studies/heads.py --out DIR variants        # char-memory with one thing changed
    nice python studies/heads.py --out DIR chorales        # four voices, stopped at the best loss
    python studies/heads.py --out DIR times                # all cells of tunes in turns; alone
    python studies/heads.py --out DIR report               # the tables and the picture

A cell is a run of `picogen train --preset tiny` with the parts and the rate that its name says, on
one thread. Cells that are finished are not run again; one that was interrupted goes on. The default
tunes are used; rates are chosen on validation tunes, carved from those that train, and 300 pieces
of each cell are measured, three times 100, at default sampling. `--cells NAME …` runs some alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import no_backbone
import torch
from cells import music, read, write
from picogen_cli.defaults import default_data
from picogen_cli.settings import resolve
from picogen_core.generation.decoding.decode import Limits
from picogen_core.generation.decoding.decode import write as write_pieces
from picogen_core.generation.engines.choose import choose, open_engine
from picogen_core.generation.request.options import PieceRequest
from picogen_core.generation.session import Session
from picogen_core.model.checkpoint import load_model
from picogen_core.model.locate import locate
from picogen_core.model.state_tree import named_leaves
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import registry
from picogen_core.runtime.progress import Quiet
from picogen_core.training.loop import run_training
from splits import carve

SECONDS, RATE_SECONDS = 420, 180
PIECES, SAMPLINGS = 100, 3
HEADS = ("char-gru", "char-memory", "char-transformer", "parallel")
BACKBONES = ("rwkv", "mamba", "llama", "qwen", "none")
RATES = (1.5e-3, 3e-3, 6e-3, 1.2e-2)
SHOWN = (
    "rep", "beta", "powerlaw_distance", "self_similarity_1", "self_similarity_2",
    "self_similarity_4", "self_similarity_8", "distinct_bars_1", "dissonance", "key_clarity",
    "copied_run", "longest_copied_run", "meter_agreement", "valid", "aligned",
)  # fmt: skip
VARIANTS = {
    "as it is": [],
    "keys and values 32 wide": ["head.channels=32"],
    "keys and values 128 wide": ["head.channels=128"],
    "four heads of 16": ["head.heads=4"],
    "MLP 128 wide": ["head.mlp=128"],
    "MLP 512 wide": ["head.mlp=512"],
    "two layers": ["head.layers=2"],
    "width 192": ["head.width=192"],
    "window 256": ["head.window=256"],
    "dropout 0.1": ["head.dropout=0.1"],
    "batches of 4": ["batch_size=4"],
}


@dataclass(frozen=True)
class Cell:
    """A run: parts, seed, rate, and settings beside the preset's."""

    name: str
    backbone: str = "rwkv"
    head: str = "char-memory"
    seed: int = 0
    lr: float | None = None
    sets: tuple[str, ...] = ()
    limits: dict[str, Any] = field(default_factory=lambda: {"max_cpu_seconds": SECONDS})


class Study:
    """A folder of cells."""

    def __init__(self, out: Path) -> None:
        self.out = out
        if "none" not in [entry.name for entry in registry().all("backbone")]:
            registry().include(no_backbone, "studies")
        self.tunes = default_data(Quiet())

    def rate(self, head: str) -> float:
        """The best of `RATES` for a head, by what the rates found."""
        found = {
            lr: row["bits"]
            for lr in RATES
            if (row := read(self.out / rate_name(head, lr) / "cell.json"))
        }
        if len(found) < len(RATES):
            sys.exit(f"The rates of {head} are not known yet: run `rates` first.")
        return min(found, key=found.__getitem__)

    def run(self, cell: Cell, data: Path, measure: bool = True) -> dict[str, Any]:
        """Train, write, measure; or read what an earlier call has found."""
        folder = self.out / cell.name
        file = folder / "cell.json"
        stored: dict[str, Any] | None = read(file)
        if stored is not None:
            return stored
        flags = {
            "exp_name": cell.name, "output_dir": self.out, "data": data, "seed": cell.seed,
            "lr": cell.lr or self.rate(cell.head), "device": "cpu", "backbone.name": cell.backbone,
            "head.name": cell.head, **cell.limits,
        }  # fmt: skip
        defaults = ["samples=0", *([] if cell.limits.get("eval_every") else ["eval_every=1000"])]
        config = resolve(None, flags, [*defaults, *cell.sets], preset="tiny")
        result = run_training(config, resume="auto")
        row = {
            "cell": cell.name, "backbone": cell.backbone, "head": cell.head, "seed": cell.seed,
            "lr": config.lr, "bits": result.bits_per_character.value,
            "bits_interval": asdict(result.bits_per_character), "steps": result.steps,
            "characters": result.characters, "cpu_seconds": result.cpu_seconds,
            "parameters": result.parameters, **state_bytes(load_model(result.run_dir / "best")),
        }  # fmt: skip
        if measure:
            row["music"] = self.measure(folder, data)
        write(file, row)
        return row

    def measure(self, folder: Path, data: Path, pieces: int = PIECES) -> list[dict[str, Any]]:
        """Values by name for each of the sampling seeds."""
        return [
            music(folder / "best", folder / f"scores-{seed}", data, pieces, seed, SHOWN)
            for seed in range(SAMPLINGS)
        ]


def rate_name(head: str, lr: float) -> str:
    return f"rate-{head}-{lr:g}"


def cell_name(backbone: str, head: str, seed: int) -> str:
    return f"{backbone}-{head}-{seed}"


def state_bytes(model: GenericStudent) -> dict[str, int]:
    """Of what one piece of 64 and of 1,024 patches keeps: backbone's state and head's memory."""
    found = {}
    for patches in (64, 1024):
        trees = model.initial_state(1, patches), model.initial_memory(1, patches)
        leaves = [leaf for tree in trees for leaf in named_leaves(tree, "").values()]
        found[f"state_bytes_{patches}"] = sum(leaf.nbytes for leaf in leaves)
    return found


def rates(study: Study) -> list[Cell]:
    return [
        Cell(rate_name(head, lr), head=head, lr=lr, limits={"max_cpu_seconds": RATE_SECONDS})
        for head in HEADS
        for lr in RATES
    ]


def tunes(study: Study) -> list[Cell]:
    pairs = [(b, h, 0) for h in HEADS[:2] for b in BACKBONES]
    pairs += [("rwkv", h, 0) for h in HEADS[2:]]
    pairs += [(b, h, s) for s in (1, 2) for b in ("rwkv", "llama") for h in HEADS[:2]]
    return [Cell(cell_name(b, h, s), b, h, s) for b, h, s in pairs]


def variants(study: Study) -> list[Cell]:
    return [
        Cell(f"variant-{name.replace(' ', '-')}", sets=tuple(sets))
        for name, sets in VARIANTS.items()
    ]


def chorales(study: Study) -> list[Cell]:
    limits = {"max_cpu_seconds": 1500, "eval_every": 1}
    return [
        Cell(f"chorales-{head}", head=head, sets=("max_patches=256", "batch_size=4"), limits=limits)
        for head in HEADS[:2]
    ]


def times(study: Study, rounds: int = 40) -> None:
    """CPU milliseconds per patch, one piece at a time, all cells of seed 0 taking turns."""
    cells = [cell for cell in tunes(study) if cell.seed == 0]
    writers = {cell.name: Writer(study.out / cell.name / "best") for cell in cells}
    spent: dict[str, list[float]] = {name: [] for name in writers}
    for turn in range(rounds):
        for name, writer in writers.items():
            spent[name].append(writer.milliseconds(turn))
    found = {name: statistics.median(values[2:]) for name, values in spent.items()}
    write(study.out / "times.json", found)


class Writer:
    """A checkpoint that writes one piece after the other."""

    def __init__(self, checkpoint: Path) -> None:
        reporter = Quiet()
        opened = locate(checkpoint, reporter)
        choice = choose(opened.config, "auto", "cpu", 1, reporter)
        self.engine = open_engine(opened, choice, 1, opened.config.max_patches, reporter)
        self.session = Session(checkpoint)

    def milliseconds(self, seed: int) -> float:
        job = self.session.prepare(PieceRequest(seed=seed))
        begun, patches = time.process_time(), 0
        from picogen_core.generation.decoding.piece import PieceWriter

        start = PieceWriter(1, job.prompt.text, seed, job.guides)
        for _ in write_pieces(self.engine, [start], job.request.sampling, Limits(64)):
            patches += 1
        return 1000 * (time.process_time() - begun) / patches


PARTS = {"rates": rates, "tunes": tunes, "variants": variants, "chorales": chorales}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=[*PARTS, "times", "report"])
    parser.add_argument("--out", type=Path, default=Path("study-heads"))
    parser.add_argument("--cells", nargs="+", help="names of cells; left out, all of the part")
    parser.add_argument("--bach", type=Path, help="prepared chorales: picogen data music21:bach")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    study = Study(options.out)
    if options.part == "times":
        times(study)
        return
    if options.part == "report":
        from heads_report import report

        report(options.out)
        return
    data = study.tunes
    if options.part == "rates":
        data = options.out / "validation"
        carve(study.tunes, data)
    if options.part == "chorales":
        data = options.bach or sys.exit("--bach DIR: prepare it with picogen data music21:bach.")
    cells = PARTS[options.part](study)
    cells = [cell for cell in cells if options.cells is None or cell.name in options.cells]
    print(
        f"{len(cells)} cells, about {len(cells) * (SECONDS + 60) / 3600:.1f} CPU hours", flush=True
    )
    for cell in cells:
        begun = time.process_time()
        row = study.run(cell, data, measure=options.part != "rates")
        print(f"{cell.name}: {row['bits']:.4f} bits per character, {row['steps']} steps, "
              f"{row['parameters']:,} parameters; {time.process_time() - begun:.0f} CPU s",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
