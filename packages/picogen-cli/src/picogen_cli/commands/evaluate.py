"""`picogen eval`: measurements of a folder of scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from picogen_core.plugins.options import MAX_SEED
from picogen_core.runtime.cache import cache_dir

from picogen_cli.options import Json, Merge, ShardOf, comma_list, parse_shard, print_json
from picogen_cli.reporter import make_reporter

if TYPE_CHECKING:
    from picogen_core.evaluation.scoring import ScoreReport, ScoreRequest
    from picogen_core.report.sections import PageRequest
    from picogen_core.runtime.progress import Reporter
    from picogen_core.runtime.shards import Shard

OUTPUT = "Results"


def evaluate(
    folder: Annotated[Path, typer.Argument(help="Folder or file of ABC or MusicXML.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Metrics, comma-separated or repeated; left out, all that can be measured."
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Real music of the genre: a folder of scores, prepared data, its index, or the "
            "name of a shipped one (oneills, ryans, airds, bach)."
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(help="Scores to compare with, such as an older model's, in a folder."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--weights-path",
            "--checkpoint",
            help="Run, checkpoint folder or shipped weights, for the metric likelihood.",
        ),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of a metric: validity.convert=false. Repeatable."),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=NUMBER: exit 1 if the value is worse. valid=90 fails below 90; where lower "
            "is better, repairs=3 fails above 3. Repeatable.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of the bootstrap.")] = 0,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Processes; left out, one per core."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Measure unchanged files again.")
    ] = False,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Also write an HTML page: table, plots, scores that play.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    report_pieces: Annotated[
        int,
        typer.Option(
            min=0,
            max=1000,
            help="So many best, median and worst pieces each on the page.",
            rich_help_panel=OUTPUT,
        ),
    ] = 2,
    report_size: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=1000,
            help="Largest size of the page in MB; it shows fewer pieces to stay within.",
            rich_help_panel=OUTPUT,
        ),
    ] = 20.0,
    shard: ShardOf = None,
    merge: Merge = False,
    form: Annotated[
        Literal["md", "csv", "json"] | None,
        typer.Option(
            "--format",
            help="Print md, csv or json; left out, a table for the terminal.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", hidden=True)] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Let --report replace a file that is no such page.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure a folder of scores. Only --weights-path loads a model."""
    from picogen_core import BadInput, ConfigError
    from picogen_core.evaluation.scoring import ScoreRequest, score_folder
    from picogen_core.report.html import MADE_BY
    from picogen_core.report.sections import PageRequest
    from picogen_core.runtime.files import check_replaceable

    from picogen_cli import score_table
    from picogen_cli.settings import read_sets

    form = "json" if as_json else "csv" if as_csv else form
    if report_file is not None:
        if report_file.is_dir():
            raise ConfigError(f"--report {report_file} is a folder. Name a file, as report.html.")
        check_replaceable(report_file, force, MADE_BY.encode())
    names = comma_list(metric) or _all_metrics(reference is not None, checkpoint is not None)
    request = ScoreRequest(
        metrics=names,
        options=read_sets(sets or [], names),
        seed=seed,
        checkpoint=checkpoint,
        jobs=jobs or _cores(),
        cache=None if no_cache else cache_dir() / "metrics.sqlite",
    )
    if part := parse_shard(shard, merge):
        _measure_shard(folder, request, part, as_json)
        return
    if merge:
        request = replace(request, shards=sorted(_rows().glob("*.sqlite")))
        if not request.shards:
            raise BadInput(f"{_rows()}: no shard. Run picogen eval with --shard 1/N … N/N first.")
    limits = score_table.read_limits(fail_under or [])
    with make_reporter() as reporter:
        known = _open_once(reference)
        report = score_folder(folder, request, known, reporter)
        beside = None
        if baseline is not None:
            beside = score_folder(baseline, request, _open_once(reference), reporter)
        if report_file is not None:
            given = {
                "--metric": names,
                "--reference": reference,
                "--baseline": baseline,
                "--weights-path": checkpoint,
                "--set": sets,
                "--seed": seed,
                "--report": report_file,
                "--report-pieces": report_pieces,
                "--report-size": f"{report_size:g}",
            }
            page = PageRequest(
                str(folder), _command(folder, given), report_pieces, int(report_size * 1e6)
            )
            reporter.message(_write_page(report_file, report, beside, page, reporter))
    failed = score_table.failures(report, limits)
    if form == "json":
        data = report.as_json() | {"failed": failed}
        print_json(data if beside is None else data | {"baseline": beside.as_json()})
    elif form == "csv":
        typer.echo(score_table.to_csv(report, beside), nl=False)
    elif form == "md":
        typer.echo(score_table.to_markdown(report, beside), nl=False)
    else:
        score_table.show(report, beside)
    for line in [*_remarks(report), *([] if beside is None else _remarks(beside, "baseline "))]:
        typer.echo(line, err=True)
    broken = {**report.broken, **(beside.broken if beside else {})}
    for line in [*failed, *(f"{name}: left out: {why}" for name, why in broken.items())]:
        typer.echo(line, err=True)
    if failed or broken:
        raise typer.Exit(1)


def _rows() -> Path:
    """Return the folder with the rows of shards, which all machines have to share."""
    return cache_dir() / "metric-shards"


def _measure_shard(folder: Path, request: ScoreRequest, shard: Shard, as_json: bool) -> None:
    from picogen_core.evaluation.scoring import measure_shard

    file = _rows() / f"{shard.number}-of-{shard.count}.sqlite"
    with make_reporter() as reporter:
        count = measure_shard(folder, replace(request, cache=file), shard, reporter)
    if as_json:
        print_json({"shard": str(shard), "pieces": count, "rows": file})
        return
    typer.echo(
        f"shard {shard}: {count} pieces are measured; their rows are in {file}. When all shards "
        "are, run the same command with --merge in place of --shard."
    )


def _command(folder: Path, given: Mapping[str, Any]) -> str:
    """Return the command with all its choices."""
    import shlex

    words = ["picogen", "eval", str(folder)]
    for option, value in given.items():
        values = value if isinstance(value, list) else [value]
        words += [word for one in values if one is not None for word in (option, str(one))]
    return shlex.join(words)


def _write_page(
    file: Path,
    report: ScoreReport,
    baseline: ScoreReport | None,
    request: PageRequest,
    reporter: Reporter,
) -> str:
    """Write the page. Return a line about it."""
    from picogen_core.report.build import build_page
    from picogen_core.runtime.files import write_atomic

    page = build_page(report, request, baseline, reporter)
    write_atomic(file, page.html)
    line = f"{file}: {page.cards} pieces, {len(page.html) / 1e6:.2f} MB."
    if page.left_out:
        line += f" {len(page.left_out)} more did not fit into {request.limit / 1e6:g} MB."
    return line


def _all_metrics(reference: bool, checkpoint: bool) -> list[str]:
    """Return every metric whose needs are met, metrics of faults first.

    A namesake of another metric runs only on request.
    """
    from picogen_core.plugins.registry import registry

    given = {"reference": reference, "checkpoint": checkpoint}
    entries = sorted(registry().all("metric"), key=lambda entry: not entry.spec.judges_faults)
    own = [entry for entry in entries if registry().label(entry) == entry.name]
    return [entry.name for entry in own if all(given[need] for need in entry.spec.needs)]


def _open_once(reference: str | None) -> Any:
    """Open a reference, whose scores can be read once."""
    from picogen_core.evaluation.references import open_reference

    return None if reference is None else open_reference(reference)


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _remarks(report: ScoreReport, of: str = "") -> list[str]:
    """Return a line for everything that could not be used, with the reason."""
    lines = []
    for name, summary in report.metrics.items():
        first: dict[str, str] = {}
        for piece in report.scores:
            if name in piece.undefined:
                first.setdefault(piece.undefined[name], f" (first {piece.name})")
        lines += [
            f"{of}{name}: {n} pieces unused: {why}{first.get(why, '')}"
            for why, n in summary.unused.items()
        ]
        lines += [f"{of}{name}: {note}" for note in summary.notes]
    lines += _unreadable(report.unreadable, of)
    return lines if of else [*lines, *_unreadable(report.reference_unreadable, "reference ")]


def _unreadable(files: Mapping[str, str], of: str) -> list[str]:
    shown = [f"{of}{name}: not read: {reason}" for name, reason in list(files.items())[:20]]
    more = len(files) - len(shown)
    return [*shown, f"{of}… and {more} more files not read; --json lists them"] if more else shown
