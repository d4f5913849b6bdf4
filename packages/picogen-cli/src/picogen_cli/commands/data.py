"""`picogen data`: tunes to patches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from picogen_cli.options import Force, Json, print_json
from picogen_cli.reporter import make_reporter
from picogen_cli.sources import open_sources


def data(
    sources: Annotated[
        list[str],
        typer.Argument(help="ABC files, folders, or music21:oneills|ryans|airds; or: info DIR."),
    ],
    output_dir: Annotated[Path | None, typer.Option(help="Where the data goes.")] = None,
    eval_ratio: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of pieces held out, by cluster.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split.")] = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Prepare music for training, or tell what a prepared folder holds (data info DIR)."""
    if sources[0] == "info" and output_dir is None:
        _info(sources[1:], as_json)
        return
    from picogen_core import ConfigError
    from picogen_core.data.prepare import prepare
    from picogen_core.files import prepare_output_dir

    if output_dir is None:
        raise ConfigError("where should the data go? Add --output-dir DIR.")
    prepare_output_dir(output_dir, force)
    with make_reporter() as reporter:
        report = prepare(
            open_sources(sources), output_dir, eval_ratio=eval_ratio, seed=seed, reporter=reporter
        ).report
    if as_json:
        print_json(report)
        return
    reasons = Counter(_kind(entry["reason"]) for entry in report["rejected"])
    typer.echo(
        f"{report['pieces']} pieces in {report['clusters']} clusters ({report['splits']}), "
        f"{report['notes']} notes, {report['patches']} patches, in {output_dir}."
    )
    for reason, count in reasons.most_common():
        typer.echo(f"left out: {count} × {reason} (each one in {output_dir / 'report.json'})")


def _kind(reason: str) -> str:
    return "a copy of another tune" if reason.startswith("a copy of") else reason


def _info(folders: list[str], as_json: bool) -> None:
    from picogen_core import ConfigError
    from picogen_core.data.index import open_data

    if len(folders) != 1:
        raise ConfigError("picogen data info takes one prepared folder or index.")
    dataset = open_data(Path(folders[0]))

    def counted(field: str) -> dict[str, int]:
        return dict(Counter(str(row.get(field, "unknown")) for row in dataset.rows).most_common())

    lengths = dataset.lengths()
    facts = {
        "pieces": len(dataset),
        "patches": int(lengths.sum()),
        "longest": int(lengths.max()),
        **{f"{name}s": counted(name) for name in ("split", "key", "meter", "licence")},
        "voices": counted("voices"),
    }
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        shown = (
            ", ".join(f"{k} × {v}" for k, v in value.items()) if isinstance(value, dict) else value
        )
        typer.echo(f"{name}: {shown}")
