"""Ship a run with picogen-backbones: half precision, no training state, and its card.

    python studies/ship_weights.py checkpoints/tunes --data tunes --name tunes \
        --command "picogen distill …" --title "…"

The card has the data, the command, the curve, bits per character and what 300 pieces of the shipped
weights measure, beside held-out tunes against the same training tunes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from heads import Writer
from picogen_core import Value
from picogen_core.data.prepared.index import open_data
from picogen_core.evaluation.references import dataset_scores, open_reference
from picogen_core.evaluation.scoring import ScoreRequest, score_folder, score_pieces
from picogen_core.evaluation.summaries import with_interval
from picogen_core.generation.request.options import GenerateRequest
from picogen_core.generation.run import write_scores
from picogen_core.model.checkpoint import load_model, save_checkpoint
from picogen_core.model.config import MANIFEST
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.runtime.cache import cache_dir
from picogen_core.runtime.progress import Quiet
from picogen_core.training.evaluate import evaluate

TARGET = Path(__file__).parents[1] / "packages/picogen-backbones/src/picogen_backbones/weights"
KEPT = ("picogen", "progress", "components", "parameters", "seed", "tags", "headers")
METRICS = ("validity", "powerlaw", "musicality", "novelty")
SHOWN = (
    "meter_agreement", "pieces_in_meter", "valid", "repairs", "powerlaw_distance", "beta", "rep",
    "self_similarity_1", "self_similarity_4", "self_similarity_8", "distinct_bars_1",
    "key_clarity", "copied_run", "longest_copied_run",
)  # fmt: skip
PIECES, ROUNDS, MAX_PATCHES = 300, 30, 160
CARD = """# {title}

| | |
|---|---|
| parameters | {parameters:,}, stored as fp16 ({megabytes:.1f} MB); backbone `{backbone}`, head `{head}`, width {width}, {max_patches} patches |
| data | O'Neill's Music of Ireland, Ryan's Mammoth Collection, Aird's Airs as music21 carries them: {train:,} tunes to train on, {held_out} held out, split by cluster of near-duplicates |
| seed | {seed} |
| training | {steps:,} steps of {batch} pieces, {characters:.1f} million characters, {minutes:.0f} CPU minutes on one thread, fp32, commit `{commit}` |
| held-out bits per character | {bits} with the shipped weights; {full} before they were rounded |
| milliseconds per patch | {milliseconds:.2f}, one piece at a time, one CPU thread, median of {rounds} pieces |
| SHA-256 | `{digest}` |
| licence | MIT, as PiCo-Gen. The tunes are from old books in the public domain. Their transcribers are named in music21's files, which state no licence. No tune is shipped. |

Made with:

```sh
{command}
```

Held-out bits per character after so many million characters: {curve}.

{pieces} pieces of seed 0, default sampling, no grammar, beside the held-out tunes; both against
the training tunes, with 95 % intervals:

| | pieces | held-out tunes |
|---|---|---|
{rows}

It may write bars from tunes it has read. Do not take what it writes for new without a look into
the books.
"""  # noqa: E501


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="in the original keys")
    parser.add_argument("--name", required=True)
    parser.add_argument("--title", required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("--commit", required=True, help="of the code that trained")
    parser.add_argument("--pieces", type=int, default=PIECES)
    given = parser.parse_args()
    torch.set_num_threads(1)
    target = TARGET / given.name
    model = ship(given.run, target)
    facts = measure(given.run, target, given.data, given.pieces)
    print(json.dumps(facts, indent=1, default=str))
    text = CARD.format(
        title=given.title, command=given.command, commit=given.commit, pieces=given.pieces,
        rounds=ROUNDS, **about(model), **facts,
    )  # fmt: skip
    (target / "MODEL_CARD.md").write_text(text)


def ship(run: Path, target: Path) -> GenericStudent:
    """Write the best checkpoint without what only training needs."""
    manifest = locate(run).manifest()
    trained = load_model(run)
    config = trained.config.model_copy(update={"teacher_width": None})
    model = GenericStudent(config)
    needed = model.state_dict().keys()
    model.load_state_dict({k: v for k, v in trained.state_dict().items() if k in needed})
    save_checkpoint(
        target, model.half(), {name: manifest[name] for name in KEPT if name in manifest}
    )
    return model


def about(model: GenericStudent) -> dict[str, Any]:
    config = model.config
    return {
        "parameters": sum(p.numel() for p in model.parameters()), "backbone": config.backbone,
        "head": config.head, "width": config.d_model, "max_patches": config.max_patches,
    }  # fmt: skip


def measure(run: Path, target: Path, data: Path, pieces: int) -> dict[str, Any]:
    """All figures of the card."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    curve = [(line["characters"], line["eval_bits"]) for line in lines if "eval_bits" in line]
    manifest = json.loads((run / MANIFEST).read_text())
    train, held_out = (open_data(data).split(name) for name in ("train", "eval"))
    bits, full = (
        shown(evaluate(load_model(path), held_out, 16, MAX_PATCHES).value())
        for path in (target, run)
    )
    batch = tomllib.loads((run / "config.toml").read_text())["batch_size"]
    writer = Writer(target)
    spent = sorted(writer.milliseconds(turn) for turn in range(ROUNDS))
    return {
        "train": len(train), "held_out": len(held_out), "seed": manifest["seed"],
        "steps": lines[-1]["step"], "characters": lines[-1]["characters"] / 1e6,
        "minutes": lines[-1]["cpu_seconds"] / 60, "batch": batch,
        "bits": bits, "full": full, "milliseconds": spent[ROUNDS // 2],
        "digest": locate(target).digest(),
        "megabytes": (target / "model.safetensors").stat().st_size / 1e6,
        "curve": ", ".join(f"{at / 1e6:.1f}: {value:.3f}" for at, value in curve),
        "rows": rows(target, data, pieces),
    }  # fmt: skip


def rows(target: Path, data: Path, pieces: int) -> str:
    """The table of measures."""
    request = ScoreRequest(METRICS, cache=cache_dir() / "metrics.sqlite")
    with tempfile.TemporaryDirectory() as folder:
        write_scores(
            GenerateRequest(weights_path=target, num_samples=pieces, device="cpu"),
            Path(folder),
            Quiet(),
        )
        written = score_folder(Path(folder), request, open_reference(data))
    real = score_pieces(
        dataset_scores(open_data(data).split("eval")), request, open_reference(data)
    )
    sides = [
        {name: value for metric in side.metrics.values() for name, value in metric.values.items()}
        for side in (written, real)
    ]
    return "\n".join(
        f"| `{name}` | " + " | ".join(_cell(side, name) for side in sides) + " |"
        for name in SHOWN
        if name in sides[0]
    )


def _cell(side: Mapping[str, Value], name: str) -> str:
    return shown(side[name]) if name in side else ""


def shown(value: Value) -> str:
    """With its interval, if it has one, and its unit."""
    text = with_interval(value)
    return text if value.unit in ("1", "bit/character") else f"{text} {value.unit}"


if __name__ == "__main__":
    main()
