"""The five stages of the demo. Each is what a command of its own does; nothing here is special."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from picogen_core import Value
from picogen_core.cache import cache_dir
from picogen_core.data.index import open_data
from picogen_core.data.prepare import prepare
from picogen_core.data.store import Dataset
from picogen_core.generation.options import SamplingOptions
from picogen_core.generation.run import GenerateRequest, write_scores
from picogen_core.model.checkpoint import load_model
from picogen_core.model.notagen import write_notagen
from picogen_core.progress import Reporter
from picogen_core.references import Reference, dataset_scores
from picogen_core.scoring import ScoreRequest, score_folder, score_pieces
from picogen_core.training.config import TrainConfig
from picogen_core.training.evaluate import bigram_likelihood, evaluate
from picogen_core.training.loop import run_training
from rich.console import Console
from rich.table import Table

from picogen_cli.converting import convert_scores
from picogen_cli.options import show
from picogen_cli.sources import open_sources

SOURCE = "music21:oneills"
MAX_PATCHES = 160
ENGRAVED = 8
SHARES = {"teacher": 0.5, "distilled": 0.25, "alone": 0.25}  # of the training time
SAMPLING = SamplingOptions(temperature=1.0, top_k=40, top_p=0.9)
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
ALONE: dict[str, Any] = {"lr": 5e-3}
# In an epoch or two the teacher is hardly asked twice about a tune, so nothing is kept of what it
# says, and only what costs little is asked of it. Figures: docs/studies/distillation.md.
DISTILLED: dict[str, Any] = {
    "loss": {"hidden-mse": {"weight": 1.0}},
    "cache_limit": "0",
    "lr": 8e-3,
}


def run_demo(
    folder: Path, train_seconds: float, samples: int, seed: int, reporter: Reporter
) -> dict[str, Any]:
    """All five stages into `folder`; what they measured, as it also lies in demo.json."""
    begun = time.monotonic()
    data = folder / "data"
    prepare(open_sources([SOURCE]), data, seed=seed, reporter=reporter)
    train, held_out = (open_data(data).split(name) for name in ("train", "eval"))

    common: dict[str, Any] = {
        "output_dir": folder / "models",
        "data": data,
        "max_patches": MAX_PATCHES,
        "batch_size": 4,
        "seed": seed,
        "epochs": 1000,
        "eval_every": 1000,  # once, when the time is over
        "samples": 0,  # the demo writes and measures its own
    }
    seconds = {name: share * train_seconds for name, share in SHARES.items()}
    teacher = run_training(
        TrainConfig(**common, **TEACHER, exp_name="teacher", max_seconds=seconds["teacher"]),
        reporter=reporter,
    )
    teacher_ckpt = folder / "models" / "teacher" / _notagen_name()
    write_notagen(teacher_ckpt, load_model(teacher.run_dir))
    distilled = run_training(
        TrainConfig(
            **common, **STUDENT, **DISTILLED, exp_name="rwkv-distilled",
            teacher_ckpt=teacher_ckpt, max_seconds=seconds["distilled"],
        ),
        reporter=reporter,
    )  # fmt: skip
    alone = run_training(
        TrainConfig(
            **common, **STUDENT, **ALONE, exp_name="rwkv-alone", max_seconds=seconds["alone"]
        ),
        reporter=reporter,
    )

    scores_dir = folder / "scores"
    request = GenerateRequest(
        weights_path=distilled.run_dir,
        count=samples,
        sampling=SAMPLING,
        batch_size=samples,
        seed=seed,
    )
    scores = [score for score in write_scores(request, scores_dir, reporter) if score.abc]
    chosen = [score for score in scores if score.record["complete"]][:ENGRAVED]
    outcomes = convert_scores(chosen, ("musicxml", "svg"), folder / "engraved", reporter)

    measured = ScoreRequest(metrics=["powerlaw"], seed=seed, cache=cache_dir() / "metrics.sqlite")
    tunes = Reference("training tunes", dataset_scores(train))
    music = {
        "generated": score_folder(scores_dir, measured, data, reporter),
        "held-out": score_pieces(dataset_scores(held_out), measured, tunes, reporter),
    }
    models = {"student, no teacher": alone.run_dir, "student, distilled": distilled.run_dir}
    models["teacher"] = teacher_ckpt
    report = {
        "folder": str(folder),
        "seconds": round(time.monotonic() - begun, 1),
        "tunes": len(train) + len(held_out),
        "bits_per_character": _bits(models, train, held_out, seed),
        "bits_per_character_of_music": _bits(models, train, held_out, seed, music_only=True),
        "models": {
            name: {"parameters": run.parameters, "epochs": run.epochs, "seconds": run.seconds}
            for name, run in (
                ("student, no teacher", alone),
                ("student, distilled", distilled),
                ("teacher", teacher),
            )
        },
        "sampling": SAMPLING.model_dump(),
        "written": len(scores),
        "asked": samples,
        "complete": sum(bool(score.record["complete"]) for score in scores),
        "engraved": outcomes,
        "music": {name: result.as_json() for name, result in music.items()},
    }
    (folder / "demo.json").write_text(json.dumps(report, indent=1, default=str) + "\n")
    return report


def _bits(
    models: dict[str, Path], train: Dataset, held_out: Dataset, seed: int, music_only: bool = False
) -> dict[str, Any]:
    """Of the bigram and of each model, with intervals, on all characters or on the ABC alone."""
    bigram = bigram_likelihood(train, held_out, MAX_PATCHES, music_only)
    rows = {"character bigram": asdict(bigram.value(seed))}
    for name, path in models.items():
        score = evaluate(load_model(path), held_out, 16, MAX_PATCHES, music_only)
        rows[name] = asdict(score.value(seed))
    return rows


def print_table(report: dict[str, Any]) -> None:
    """The end of the demo: who predicts best, how the music measures, where it lies."""
    console = Console()
    bits = report["bits_per_character"]
    count = next(iter(bits.values()))["n"]
    table = Table(title=f"{count} held-out tunes: bits per character (lower is better)", box=None)
    for column in ("model", "all [95 %]", "music alone", "parameters", "epochs"):
        table.add_column(column, justify="left" if column == "model" else "right", no_wrap=True)
    for name, value in bits.items():
        run = report["models"].get(name)
        facts = (f"{run['parameters']:,}", f"{run['epochs']:.1f}") if run else ()
        music_bits = report["bits_per_character_of_music"][name]["value"]
        table.add_row(name, show(Value(**value)), f"{music_bits:.3f}", *facts)
    console.print(table)
    sampling = ", ".join(f"{name} {value}" for name, value in report["sampling"].items())
    music = Table(title=f"Music, against the training tunes ({sampling})", box=None)
    rows = {
        name: result["metrics"]["powerlaw"]["values"] for name, result in report["music"].items()
    }
    for column in ("", *rows):
        music.add_column(column, justify="left" if not column else "right")
    for key in ("beta", "rep", "powerlaw_distance"):
        cells = [
            f"{show(Value(**v[key]))} n={v[key]['n']}" if key in v else "" for v in rows.values()
        ]
        music.add_row(key, *cells)
    console.print(music)
    engraved = [outcome for outcome in report["engraved"].values() if "files" in outcome]
    folder = Path(report["folder"])
    typer.echo(
        f"{report['written']} of {report['asked']} pieces written ({report['complete']} closed by "
        f"the model) in {folder / 'scores'}; {len(engraved)} of {len(report['engraved'])} as "
        f"MusicXML and SVG in {folder / 'engraved'}; figures in {folder / 'demo.json'}. "
        f"{report['seconds']:.0f} s."
    )


def _notagen_name() -> str:
    """As NotaGen's trainer names its files."""
    backbone, head = TEACHER["backbone"], TEACHER["head"]
    return (
        f"weights_notagen_pretrain_p_size_16_p_length_{MAX_PATCHES}_p_layers_{backbone['layers']}"
        f"_c_layers_{head['layers']}_h_size_{TEACHER['d_model']}.pth"
    )
