"""`picogen compare`: runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from picogen_core.plugins.options import MAX_SEED

from picogen_cli.options import Json, comma_list
from picogen_cli.reporter import make_reporter

if TYPE_CHECKING:
    from picogen_core.comparison.runs import Run
    from picogen_core.comparison.seeds import Group
    from picogen_core.runtime.progress import Reporter

    from picogen_cli.comparison import Comparison

METRICS = ("powerlaw", "validity", "novelty")
MEASURED = "Measurements"


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Run folders.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Measure bits per character on its held-out pieces; left out, as each run logged.",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            min=0,
            max=100_000,
            help="Let each run generate so many pieces, and measure them.",
            rich_help_panel=MEASURED,
        ),
    ] = 0,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            help="Existing scores of a run; once per run, in order.", rich_help_panel=MEASURED
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Metrics of the scores, comma-separated or repeated; left out, powerlaw, "
            "validity and novelty.",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Real music, as in picogen eval; left out, the data that all runs were trained "
            "on.",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    latency: Annotated[
        bool,
        typer.Option(
            "--latency/--no-latency",
            help="Measure how fast one piece is generated.",
            rich_help_panel=MEASURED,
        ),
    ] = True,
    curves: Annotated[
        Path | None, typer.Option(help="Also write the curves of loss into this SVG file.")
    ] = None,
    together: Annotated[
        bool,
        typer.Option(
            "--together/--apart",
            help="Pool runs that differ only in their seed, with an interval over seeds.",
        ),
    ] = True,
    form: Annotated[
        Literal["md", "csv", "json"], typer.Option("--format", help="md, csv or json.")
    ] = "md",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write into this file.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Seed of samples and bootstrap.")
    ] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Let --output and --curves replace any other file.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare runs: their settings, likelihood, speed and music."""
    from picogen_core import ConfigError
    from picogen_core.comparison.runs import read_runs
    from picogen_core.comparison.seeds import Group, group_seeds
    from picogen_core.report.charts import CURVES_MARK
    from picogen_core.runtime.files import check_replaceable, write_atomic

    from picogen_cli.comparison import MARKS, pooled, to_text

    known: Literal["md", "csv", "json"] = "json" if as_json else form
    if scores and samples:
        raise ConfigError("--scores and --samples exclude each other. Leave one out.")
    if scores and len(scores) != len(runs):
        raise ConfigError(f"--scores was given {len(scores)} times for {len(runs)} runs.")
    for folder in scores or []:
        if not folder.exists():
            raise ConfigError(f"--scores {folder}: there is no such file or folder.")
    if reference is not None and not reference.strip():
        raise ConfigError("--reference is empty. Give a folder or a name, or leave it out.")
    if output is not None:
        check_replaceable(output, force, MARKS[known])
    if curves is not None:
        check_replaceable(curves, force, CURVES_MARK)
    opened = read_runs(runs)
    groups = group_seeds(opened) if together else [
        Group(run.name, (run,), (place,)) for place, run in enumerate(opened)
    ]  # fmt: skip
    with make_reporter() as reporter:
        found = _describe(opened, groups, data, reporter)
        if latency:
            from picogen_core.comparison import benchmark

            measured, engines = benchmark.latency(opened, reporter)
            found.values["latency"] = list(measured)
            kinds = " and ".join(dict.fromkeys(engines))
            found.remarks.append(f"latency: one piece with {kinds} on this machine’s CPU, median.")
        _measure(
            found, opened, scores, samples, comma_list(metric) or METRICS, reference, seed, reporter
        )
        if curves is not None:
            _draw(found, groups, curves, output)
    text = to_text(pooled(found, groups), known)
    if output is not None:
        write_atomic(output, text.encode())
        typer.echo(f"{output}: {len(opened)} runs compared.", err=True)
    else:
        typer.echo(text, nl=False)
    if known == "csv" or output is not None:
        for remark in found.remarks:
            typer.echo(remark, err=True)


def _describe(
    runs: Sequence[Run], groups: Sequence[Group], data: Path | None, reporter: Reporter
) -> Comparison:
    """Return the facts of the run folders, and bits per character."""
    from picogen_core import Value
    from picogen_core.comparison.runs import differences
    from picogen_core.comparison.seeds import doubts

    from picogen_cli.comparison import Comparison

    found = Comparison([run.name for run in runs], differences(runs))
    found.remarks += [f"{run.name}: {remark}" for run in runs for remark in run.remarks]

    def add(name: str, unit: str, numbers: Sequence[float | None], better: bool = False) -> None:
        found.values[name] = [
            None if n is None else Value(n, unit, 1, better="lower" if better else None)
            for n in numbers
        ]

    add("parameters", "parameter", [run.parameters for run in runs], better=True)
    if data is not None:
        from picogen_core.comparison import benchmark

        measured = benchmark.bits_per_character(runs, data, reporter)
        found.values["bits_per_character"] = list(measured)
    else:
        add("bits_per_character", "bit/character", [run.logged_bits for run in runs], better=True)
    found.remarks += doubts(groups, logged=data is None)
    add("steps", "step", [run.last("step") for run in runs])
    add("characters", "character", [run.last("characters") for run in runs])
    add("training", "s", [run.last("seconds") for run in runs])
    add("training_cpu", "CPU s", [run.last("cpu_seconds") for run in runs])
    return found


def _measure(
    found: Comparison,
    runs: Sequence[Run],
    scores: Sequence[Path] | None,
    samples: int,
    metrics: Sequence[str],
    reference: str | None,
    seed: int,
    reporter: Reporter,
) -> None:
    """Add the headlines of the metrics of each run's scores."""
    from picogen_core import BadInput, Value
    from picogen_core.comparison import benchmark
    from picogen_core.comparison.runs import shared_data
    from picogen_core.evaluation.references import open_reference
    from picogen_core.evaluation.scoring import ScoreRequest
    from picogen_core.runtime.cache import cache_dir

    if not scores and not samples:
        found.remarks.append("The music was not measured: --samples N or --scores DIR does.")
        return
    against = reference or shared_data(runs)
    if against is None:
        found.remarks.append(
            "The runs have no data in common that is still there, so there is no reference: "
            "--reference names one."
        )
    if against is not None:
        open_reference(against)  # its faults are not those of a run
    names = benchmark.measurable(metrics, against is not None)
    request = ScoreRequest(names, seed=seed, cache=cache_dir() / "metrics.sqlite")
    table: list[Mapping[str, Value]] = []
    for number, run in enumerate(runs):
        folder = scores[number] if scores else benchmark.write_samples(run, samples, seed, reporter)
        reporter.message(f"{run.name}: scores in {folder}")
        try:
            report = benchmark.measure_music(folder, request, against, reporter)
        except BadInput as error:
            found.remarks.append(f"{run.name}: {error}")
            table.append({})
            continue
        table.append(benchmark.headlines(report))
        for name, summary in report.metrics.items():
            found.remarks += [f"{run.name}, {name}: {note}" for note in summary.notes]
    for name in dict.fromkeys(name for values in table for name in values):
        found.values[name] = [values.get(name) for values in table]


def _draw(found: Comparison, groups: Sequence[Group], file: Path, output: Path | None) -> None:
    import os

    from picogen_core.report.curves import curves
    from picogen_core.runtime.files import write_atomic

    drawn = curves(groups)
    if drawn is None:
        found.remarks.append("There are no curves: no run has logged an evaluation.")
        return
    write_atomic(file, drawn)
    found.curves = os.path.relpath(file, output.parent if output is not None else ".")
