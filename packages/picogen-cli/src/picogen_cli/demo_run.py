"""The stages of the demo, each the work of a command."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from picogen_core import BadInput, Value
from picogen_core.data.prepared.index import open_data
from picogen_core.data.prepared.store import Dataset
from picogen_core.evaluation.references import dataset_scores, open_reference
from picogen_core.evaluation.scoring import ScoreReport, ScoreRequest, score_folder, score_pieces
from picogen_core.evaluation.summaries import with_interval
from picogen_core.generation.request.options import GenerateRequest
from picogen_core.generation.run import write_scores
from picogen_core.html.page import build_page as build_composer
from picogen_core.html.student import read_student
from picogen_core.model.checkpoint import load_model
from picogen_core.report.build import build_page
from picogen_core.report.sections import PageRequest
from picogen_core.runtime.cache import cache_dir
from picogen_core.runtime.progress import Reporter
from picogen_core.training.config import TrainConfig
from picogen_core.training.evaluate import bigram_likelihood, evaluate
from picogen_core.training.loop import run_training
from rich.console import Console
from rich.table import Table

from picogen_cli.converting import convert_scores
from picogen_cli.defaults import SHIPPED, default_data, shipped_teacher
from picogen_cli.streams import plain

TUNES = 8  # of the shipped student, engraved
MAX_PATCHES = 160
FORMATS = ("musicxml", "svg", "midi")
STUDENT: dict[str, Any] = {
    "d_model": 128,
    "max_patches": MAX_PATCHES,
    "batch_size": 8,
    "lr": 6e-3,
    "backbone": {"name": "rwkv", "layers": 2},
    "head": {"name": "char-memory"},
}
# In so short a run the teacher hardly reads a tune twice. So its outputs are not cached, and only
# its hidden states, which cost little, are used.
DISTILLED: dict[str, Any] = {"loss": {"hidden-mse": {"weight": 1.0}}, "cache_limit": "0"}
METRICS = ("validity", "powerlaw", "musicality")
OPTIONS = {"validity": {"convert": False}}  # the page converts the eight tunes anyway
SHOWN = (
    "meter_agreement", "powerlaw_distance", "self_similarity_4", "distinct_bars_1", "rep", "beta",
)  # fmt: skip


def run_demo(
    folder: Path, train_seconds: float, samples: int, seed: int, reporter: Reporter
) -> dict[str, Any]:
    """Run all stages in `folder`. Return the measurements, which demo.json holds too."""
    begun = time.monotonic()
    scores = folder / "scores"
    written = _write(Path(SHIPPED), scores, TUNES, seed, reporter)
    outcomes = convert_scores(written, FORMATS, folder / "engraved", reporter)

    data = default_data(reporter)
    train, held_out = (open_data(data).split(name) for name in ("train", "eval"))
    teacher = shipped_teacher()
    common: dict[str, Any] = {
        **STUDENT, "output_dir": folder / "models", "data": data, "seed": seed, "epochs": 1000,
        "max_seconds": train_seconds, "eval_every": 1000, "samples": 0,
    }  # fmt: skip
    fresh = {
        "fresh, distilled": TrainConfig(
            **common, **DISTILLED, exp_name="distilled", teacher_ckpt=teacher
        ),
        "fresh, alone": TrainConfig(**common, exp_name="alone"),
    }
    runs = {name: run_training(config, reporter=reporter) for name, config in fresh.items()}

    measured = ScoreRequest(METRICS, OPTIONS, seed, cache=cache_dir() / "metrics.sqlite")
    models: dict[str, Path] = {"shipped student": Path(SHIPPED)}
    models |= {name: run.run_dir for name, run in runs.items()}
    music: dict[str, ScoreReport] = {}
    for name, path in models.items():
        pieces = folder / "measured" / path.name
        _write(path, pieces, samples, seed, reporter)
        try:
            music[name] = score_folder(pieces, measured, open_reference(data), reporter)
        except BadInput as error:  # a student of a few seconds may write no music at all
            reporter.message(f"{name}: {error}")
    music["held-out tunes"] = score_pieces(
        dataset_scores(held_out), measured, open_reference(data), reporter
    )

    # The shipped student comes first: what half a minute of training brings is heard beside it.
    composing = folder / "page.html"
    students = [read_student(models[name]) for name in ("shipped student", "fresh, distilled")]
    composing.write_bytes(build_composer(students).data)

    page = folder / "report.html"
    eight = score_folder(scores, measured, open_reference(data), reporter)
    request = PageRequest(
        f"eight tunes of {SHIPPED}", f"picogen eval {scores} --report {page.name}", TUNES
    )
    page.write_bytes(build_page(eight, request, reporter=reporter).html)
    report = {
        "folder": str(folder),
        "seconds": round(time.monotonic() - begun, 1),
        "tunes": len(train) + len(held_out),
        "bits_per_character": _bits(models | {"shipped teacher": teacher}, train, held_out, seed),
        "models": {
            name: {"parameters": run.parameters, "epochs": run.epochs, "seconds": run.seconds}
            for name, run in runs.items()
        },
        "engraved": outcomes,
        "report": str(page),
        "page": str(composing),
        "music": {name: result.as_json() for name, result in music.items()},
    }
    (folder / "demo.json").write_text(json.dumps(report, indent=1, default=str) + "\n")
    return report


def _write(weights: Path, folder: Path, count: int, seed: int, reporter: Reporter) -> list[Any]:
    request = GenerateRequest(weights_path=weights, num_samples=count, seed=seed, device="cpu")
    return [score for score in write_scores(request, folder, reporter) if score.abc]


def _bits(
    models: dict[str, Path], train: Dataset, held_out: Dataset, seed: int
) -> dict[str, dict[str, Any]]:
    """Return bits per character of a character bigram and of each model, with intervals."""
    rows = {"character bigram": asdict(bigram_likelihood(train, held_out, MAX_PATCHES).value(seed))}
    for name, path in models.items():
        rows[name] = asdict(evaluate(load_model(path), held_out, 16, MAX_PATCHES).value(seed))
    return rows


def print_table(report: dict[str, Any]) -> None:
    """Print likelihoods, measurements of the music, and where it lies."""
    console = Console(file=plain(sys.stdout))
    bits = report["bits_per_character"]
    count = next(iter(bits.values()))["n"]
    table = Table(title=f"{count} held-out tunes: bits per character (lower is better)", box=None)
    for column in ("model", "bits [95 %]", "parameters", "epochs"):
        table.add_column(column, justify="left" if column == "model" else "right", no_wrap=True)
    for name, value in bits.items():
        run = report["models"].get(name)
        facts = (f"{run['parameters']:,}", f"{run['epochs']:.1f}") if run else ()
        table.add_row(name, with_interval(Value(**value)), *facts)
    console.print(table)
    music = Table(title="Music, against the training tunes", box=None)
    music.add_column("")
    sides = {}
    for name, result in report["music"].items():
        music.add_column(name, justify="right")
        metrics = result["metrics"].values()
        sides[name] = {key: value for one in metrics for key, value in one["values"].items()}
    for key in SHOWN:
        cells = [
            with_interval(Value(**side[key])) if key in side else "" for side in sides.values()
        ]
        music.add_row(key, *cells)
    console.print(music)
    folder = Path(report["folder"])
    engraved = sum("files" in outcome for outcome in report["engraved"].values())
    typer.echo(
        f"{engraved} tunes of the shipped student in {folder / 'scores'}, engraved in "
        f"{folder / 'engraved'}. Open {report['report']} to see and hear them; figures in "
        f"{folder / 'demo.json'}. {report['seconds']:.0f} s.\n"
        f"Open {report['page']} in a browser: the fresh student and the shipped one compose there."
    )
