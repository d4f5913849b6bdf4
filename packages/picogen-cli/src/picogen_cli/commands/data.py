"""`picogen data`: music to patches. `picogen data info`: the contents of prepared data."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from picogen_core.data.open_sources import open_sources
from picogen_core.plugins.options import MAX_SEED
from picogen_core.runtime.shards import Shard

from picogen_cli.options import Force, Json, Merge, ShardOf, parse_shard, print_json
from picogen_cli.reporter import make_reporter

PIECES = "Pieces and their split"
REASONS = 20  # for leaving pieces out, that are printed


def data(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="ABC, MusicXML, **kern or MIDI files, folders of them, or music21:oneills|ryans|"
            "airds|bach|quartets|beethoven|monteverdi|…"
        ),
    ],
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", "-o", help="Where the data goes.")
    ] = None,
    keys: Annotated[
        str,
        typer.Option(
            help="original, all (NotaGen's 15), or a number: the original and others.",
            rich_help_panel=PIECES,
        ),
    ] = "original",
    tags: Annotated[
        str | None,
        typer.Option(
            help="NotaGen's %Period, %Composer and %Instrumentation: a CSV or JSONL with the "
            "columns path (a file or a folder), period, composer, instrumentation; or: folders "
            "(Period/Composer/Instrumentation/…).",
            rich_help_panel=PIECES,
        ),
    ] = None,
    eval_ratio: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.9,
            help="Share of pieces held out, by cluster [0.1].",
            show_default=False,
            rich_help_panel=PIECES,
        ),
    ] = 0.1,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=MAX_SEED,
            help="Seed of the split and of drawn keys.",
            rich_help_panel=PIECES,
        ),
    ] = 0,
    jobs: Annotated[int, typer.Option(min=1, max=1024, help="Processes that work at once.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted preparation.")
    ] = False,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="An option of a source, such as abc.licence=CC0. Repeatable.",
            rich_help_panel=PIECES,
        ),
    ] = None,
    shard: ShardOf = None,
    merge: Merge = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Prepare music for training. `picogen data info FOLDER` describes prepared data."""
    from picogen_core import BadInput, ConfigError
    from picogen_core.data.keys import check_keys
    from picogen_core.data.prepare import CHUNKS, prepare, prepare_shard
    from picogen_core.data.prepared.store import INDEX
    from picogen_core.data.tag_table import read_tags
    from picogen_core.plugins.registry import registry
    from picogen_core.runtime.files import output_folder

    from picogen_cli.settings import read_sets

    if output_dir is None:
        raise ConfigError("the data needs a folder. Add --output-dir DIR.")
    check_keys(keys)
    names = [entry.spec.name for entry in registry().all("source")]
    options = read_sets(sets or [], names, "source")
    part = parse_shard(shard, merge)
    shared = bool(part or merge or resume)
    if (
        shared
        and not force
        and (output_dir / INDEX).is_file()
        and not (output_dir / CHUNKS).is_dir()
    ):
        raise BadInput(f"{output_dir} is finished: nothing to resume. --force prepares it anew.")
    with (
        output_folder(output_dir, force or shared, shared=part is not None),
        make_reporter() as bar,
    ):
        pieces = open_sources(sources, options)
        table = read_tags(tags)
        if part:
            count = prepare_shard(
                pieces, output_dir, part, seed=seed, keys=keys, tags=table, jobs=jobs, reporter=bar
            )
            _print_shard(part, count, output_dir, as_json)
            return
        report = prepare(
            pieces,
            output_dir,
            eval_ratio=eval_ratio,
            seed=seed,
            keys=keys,
            tags=table,
            jobs=jobs,
            merge=merge,
            reporter=bar,
        ).report
    if as_json:
        print_json(report)
    else:
        _print(report, output_dir, eval_ratio)


def _print_shard(shard: Shard, pieces: int, folder: Path, as_json: bool) -> None:
    if as_json:
        print_json({"shard": str(shard), "pieces": pieces, "output_dir": folder})
    else:
        typer.echo(
            f"shard {shard}: {pieces} pieces are ready in {folder}. When all shards are, run the "
            "same command with --merge in place of --shard."
        )


def _print(report: dict[str, Any], folder: Path, eval_ratio: float) -> None:
    rows = f", {report['rows']} with their keys" if report["rows"] > report["pieces"] else ""
    typer.echo(
        f"{report['pieces']} pieces{rows} in {report['clusters']} clusters ({report['splits']}), "
        f"{report['notes']} notes, {report['patches']} patches, in {folder}."
    )
    if not report["splits"].get("eval"):
        typer.echo(
            f"held out: no piece (--eval-ratio {eval_ratio:g}), so training has nothing to measure "
            "itself by. Give more pieces, raise --eval-ratio, or train with --eval-data FOLDER."
        )
    if midi := report.get("midi"):
        typer.echo(
            f"MIDI is an approximation: of {midi['notes']} notes in {midi['files']} files "
            f"{midi['moved']} moved to the grid of 1/32 and its triplets, and {midi['lost']} were "
            "lost on others of their pitch."
        )
    _print_tags(report, folder)
    for reason, count in report["keys_left_out"].items():
        typer.echo(f"keys left out: {count} × {reason}")
    reasons = Counter(_kind(entry["reason"]) for entry in report["rejected"])
    for reason, count in reasons.most_common(REASONS):
        typer.echo(f"left out: {count} × {reason} (each one in {folder / 'report.json'})")
    if others := sum(reasons.values()) - sum(n for _, n in reasons.most_common(REASONS)):
        typer.echo(f"left out: {others} for other reasons")


def _print_tags(report: dict[str, Any], folder: Path) -> None:
    for line in _tag_lines(report["tags"]):
        typer.echo(f"tags: {line}")
    each = f"(each one in {folder / 'report.json'})"
    if untagged := report.get("untagged"):
        typer.echo(f"without tags: {len(untagged)} pieces, first {untagged[0]} {each}")
    if unused := report.get("tags_without_piece"):
        typer.echo(f"tags without a piece: {len(unused)} paths, first {unused[0]} {each}")


def _tag_lines(tags: list[dict[str, Any]]) -> list[str]:
    return [
        "{period} | {composer} | {instrumentation} × {pieces}".format(**triple) for triple in tags
    ]


def _kind(reason: str) -> str:
    return "a copy of another tune" if reason.startswith("a copy of") else reason


def info(
    folder: Annotated[Path, typer.Argument(help="A prepared folder, or its index.")],
    as_json: Json = False,
) -> None:
    """Describe prepared data: pieces, splits, keys, lengths, tags."""
    from picogen_core.data.prepared.index import open_data
    from picogen_core.data.prepared.info import describe

    facts = describe(open_data(folder))
    if as_json:
        print_json(facts)
        return
    tags = facts.pop("tags")
    for name, value in facts.items():
        separator = " × " if name != "lengths" else " "
        shown = (
            ", ".join(f"{key}{separator}{count}" for key, count in value.items())
            if isinstance(value, dict)
            else value
        )
        typer.echo(f"{name}: {shown}")
    for line in _tag_lines(tags):
        typer.echo(f"tags: {line}")
