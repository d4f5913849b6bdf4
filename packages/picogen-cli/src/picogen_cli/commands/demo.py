"""`picogen demo`: tunes from the shipped student, then a fresh one, beside real music."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from picogen_core.plugins.options import MAX_SEED

from picogen_cli.options import Json, print_json
from picogen_cli.reporter import make_reporter


def demo(
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "-o", help="A new folder; left out, picogen-demo/ and the time."
        ),
    ] = None,
    train_seconds: Annotated[
        float, typer.Option(min=1, max=1e9, help="Training time of each of the two fresh students.")
    ] = 30.0,
    samples: Annotated[
        int, typer.Option(min=20, max=100_000, help="Pieces of each student that are measured.")
    ] = 32,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Seed of everything that is drawn.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Write tunes with the shipped student, distil and train fresh ones, measure all."""
    from picogen_core.runtime.files import output_folder

    from picogen_cli.demo_run import print_table, run_demo

    folder = output_dir or Path("picogen-demo") / time.strftime("%Y%m%d-%H%M%S")
    with output_folder(folder, force=False), make_reporter() as reporter:
        report = run_demo(folder, train_seconds, samples, seed, reporter)
    if as_json:
        print_json(report)
    else:
        print_table(report)
