"""`picogen plugins list` and `show`: installed plugins, their options, failures to load."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, fields
from typing import Annotated, Any

import typer
from picogen_core.errors import PicogenError
from picogen_core.plugins.options import OptionInfo, describe_options, option_faults
from picogen_core.plugins.registry import Entry, Registry, registry
from picogen_core.plugins.specs import KINDS
from rich.console import Console
from rich.table import Table
from rich.text import Text

from picogen_cli.options import Json, print_json
from picogen_cli.streams import plain

FACTS = {
    "unit",
    "better",
    "needs",
    "needs_teacher",
    "reads",
    "scores_samples",
    "suffixes",
    "export",
    "compiled_step",
    "recurrent",
    "script",
    "weights",
}


def plugins(
    kind: Annotated[str | None, typer.Argument(help=f"One of {', '.join(KINDS)}.")] = None,
    name: Annotated[str | None, typer.Argument(help="Show the options of this one.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read all options too; exit 1 if anything is wrong.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the installed plugins, or show the options of one."""
    known = registry()
    if kind is not None and name is not None:
        listed = [known.get(kind, name)]
        shown = {**_about(known, listed[0]), "options": _options(listed[0])}
        brought = _weights(known, listed)
    else:
        listed = [entry for k in ([kind] if kind else KINDS) for entry in known.all(k)]
        shown = _listing(known, listed)
        brought = shown["weights"]
    faults = _faults(known, listed) if check else []
    if check:
        shown["faults"] = faults
    if as_json:
        print_json(shown)
    elif "options" in shown:
        _print_one(shown, brought)
    else:
        _print_all(shown)
    for fault in faults:
        typer.echo(f"check failed: {fault}", err=True)
    if faults:
        raise typer.Exit(1)


def show(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="Its name, or NAME@DISTRIBUTION.")],
    as_json: Json = False,
) -> None:
    """Show one plugin: its options, where it comes from, the weights it brings."""
    plugins(kind, name, False, as_json)


def _about(known: Registry, entry: Entry[Any]) -> dict[str, Any]:
    """Return its origin, and every plain value of its spec."""
    facts = {field.name: getattr(entry.spec, field.name) for field in fields(KINDS[entry.kind])}
    facts = {
        key: sorted(value) if isinstance(value, Mapping | Set) else value
        for key, value in facts.items()
        if not callable(value)
    }
    for step in ("compiled_step", "script"):
        if hasattr(entry.spec, step):
            facts[step] = getattr(entry.spec, step) is not None
    origin = {"distribution": entry.distribution, "version": entry.version}
    return {"kind": entry.kind, **facts, "name": known.label(entry), **origin}


def _options(entry: Entry[Any]) -> list[dict[str, Any]]:
    return [asdict(option) for option in describe_options(entry.config())]


def _listing(known: Registry, entries: list[Entry[Any]]) -> dict[str, Any]:
    return {
        "plugins": [_about(known, entry) for entry in entries],
        "weights": _weights(known, entries),
        "failures": [asdict(failure) for failure in known.failures],
        "clashes": list(known.clashes()),
    }


def _weights(known: Registry, entries: list[Entry[Any]]) -> list[dict[str, str]]:
    return [
        {"name": name, "summary": shipped.summary, "folder": str(shipped.folder)}
        for name, shipped in known.weights().items()
        if any(shipped in getattr(entry.spec, "weights", {}).values() for entry in entries)
    ]


def _faults(known: Registry, entries: list[Entry[Any]]) -> list[str]:
    """Return plugins that failed, names claimed twice, and options that are not closed."""
    faults = [*(str(failure) for failure in known.failures), *known.clashes()]
    for entry in entries:
        try:
            faults += [f"{entry.where}: its config {f}." for f in option_faults(entry.config())]
        except PicogenError as error:
            faults.append(str(error))
    return faults


def _print_all(shown: dict[str, Any]) -> None:
    console = Console(file=plain(sys.stdout))
    if shown["plugins"]:
        rows = [
            (p["kind"], p["name"], f"{p['distribution']} {p['version']}", p["summary"])
            for p in shown["plugins"]
        ]
        console.print(_table(("kind", "name", "from", "what it is"), rows))
    _print_weights(console, shown["weights"])
    if shown["failures"]:
        failed = [
            (f["entry_point"], f"{f['distribution']} {f['version']}", f["reason"])
            for f in shown["failures"]
        ]
        console.print(_table(("failed", "from", "reason"), failed))
    for clash in shown["clashes"]:
        console.print(Text(clash))


def _print_weights(console: Console, brought: Sequence[Mapping[str, str]]) -> None:
    if brought:
        rows = [(one["name"], one["summary"]) for one in brought]
        console.print(_table(("weights", "what they write"), rows))


def _print_one(shown: dict[str, Any], brought: Sequence[Mapping[str, str]]) -> None:
    console = Console(file=plain(sys.stdout))
    origin = f"{shown['distribution']} {shown['version']}"
    console.print(Text(f"{shown['kind']} {shown['name']} ({origin}): {shown['summary']}"))
    for fact in sorted(shown.keys() & FACTS):
        console.print(Text(f"{fact.replace('_', ' ')}: {_plain(shown[fact])}"))
    options = [OptionInfo(**option) for option in shown["options"]]
    if options:
        rows = [(o.name, o.type, _default(o), o.description) for o in options]
        console.print(_table(("option", "type", "default", "what it is"), rows))
    else:
        console.print("It has no options.")
    _print_weights(console, brought)


def _default(option: OptionInfo) -> str:
    return "required" if option.required else json.dumps(option.default)


def _plain(fact: Any) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return fact if isinstance(fact, str) else ", ".join(fact) or "nothing"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: square brackets are not markup
    return table
