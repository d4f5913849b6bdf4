"""`picogen plugins check`: the conformance kit on one installed plugin."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

import typer
from picogen_core.plugins.specs import KINDS

from picogen_cli.options import Json, comma_list, print_json

MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped", "not applicable": "-"}


def check(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="Its name, or NAME@DISTRIBUTION.")],
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of it: layers=2. Repeatable."),
    ] = None,
    width: Annotated[
        int, typer.Option(min=8, max=4096, help="d_model of a backbone or a head.")
    ] = 64,
    which: Annotated[
        str | None, typer.Option(help="A collection or a path that a source has, a small one.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Checks that it fails by design, comma-separated or repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check one plugin against its contract, one line per check. Exit 1 if one fails."""
    from picogen_core.plugins.registry import registry
    from picogen_core.testing.run import kind_suite, plugin_suite

    entry = registry().get(kind, name)
    suite = kind_suite(entry, _options(sets or []), d_model=width, which=which)
    suites = (plugin_suite(entry), suite)
    allowed = comma_list(allow)
    _check_allowed(allowed, [c.__name__ for one in suites for c in one.checks])
    rows: list[dict[str, Any]] = []
    for one in suites:
        for outcome in one.outcomes():
            row = asdict(outcome) | {"allowed": outcome.check in allowed}
            rows.append(row)
            if not as_json:
                typer.echo(_line(row))
    failed = [row["check"] for row in rows if row["verdict"] == "failed" and not row["allowed"]]
    if as_json:
        about = {"kind": kind, "name": entry.name, "distribution": entry.distribution}
        print_json({**about, "version": entry.version, "checks": rows, "failed": failed})
    else:
        counts = Counter(row["verdict"] for row in rows)
        verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in MARKS if counts[verdict])
        typer.echo(f"{entry.where}: {verdicts}.")
    if failed:
        raise typer.Exit(1)


def _line(row: dict[str, Any]) -> str:
    mark = "allowed" if row["allowed"] and row["verdict"] == "failed" else MARKS[row["verdict"]]
    text = row["what"] if row["verdict"] == "passed" else row["reason"]
    return f"{mark:8}{row['check']}: {text}"


def _options(sets: list[str]) -> dict[str, Any]:
    from picogen_cli.settings import read_assignments

    return read_assignments(sets)


def _check_allowed(allowed: list[str], known: list[str]) -> None:
    from picogen_core import ConfigError
    from picogen_core.plugins.suggest import did_you_mean

    for name in allowed:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(f"--allow {name}: no such check.{hint} Known: {', '.join(known)}.")
