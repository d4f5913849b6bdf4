"""`picogen eval`: a folder of scores in numbers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from picogen_cli.options import Json, print_json, show
from picogen_cli.reporter import make_reporter


def evaluate(
    folder: Annotated[Path, typer.Argument(help="Folder or file of ABC or MusicXML.")],
    metric: Annotated[
        list[str] | None, typer.Option(help="Name of a metric; repeatable. Left out: all.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Folder of scores, prepared data, or index of the same genre."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure what a folder of scores is worth. No model is loaded."""
    from picogen_core.registry import registry
    from picogen_core.scoring import score_folder

    names = metric or [entry.name for entry in registry().all("metric")]
    with make_reporter() as reporter:
        report = score_folder(folder, names, reference, seed, reporter)
    if as_json:
        print_json(asdict(report))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("metric", "value [95 %]", "reference", "unit", "n", "better"):
        table.add_column(column)
    notes: list[str] = []
    for name, summary in report.metrics.items():
        for key, value in summary.values.items():
            against = "" if value.reference is None else f"{value.reference:.3f}"
            table.add_row(
                key if key.startswith(name) else f"{name}.{key}",
                show(value), against, value.unit, str(value.n), value.better or "",
            )  # fmt: skip
        notes += [f"{name}: {count} pieces unused: {why}" for why, count in summary.unused.items()]
        notes += [f"{name}: {note}" for note in summary.notes]
    Console().print(table)
    for line in [
        *notes,
        *_unreadable(report.unreadable),
        *_unreadable(report.reference_unreadable),
    ]:
        typer.echo(line, err=True)


def _unreadable(files: dict[str, Any]) -> list[str]:
    return [f"{name}: not read: {reason}" for name, reason in files.items()]
