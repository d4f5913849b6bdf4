"""Options that several commands share, and the printing of results."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from picogen_core import ConfigError
from picogen_core.plugins.options import MAX_SEED
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.runtime.shards import Shard, read_shard

Choice = TypeVar("Choice", bound=str)
JSON_VERSION = 1
"""Of what --json prints. It changes when a key goes or changes its meaning."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, all else on stderr.")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")]
Seed = Annotated[
    int | None, typer.Option(min=0, max=MAX_SEED, help="Seed of everything that is drawn.")
]
ShardOf = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Do part I of N; processes and machines that share the folder do the others.",
        rich_help_panel="Many processes",
    ),
]
Merge = Annotated[
    bool,
    typer.Option(
        "--merge",
        help="Put the results of all shards together.",
        rich_help_panel="Many processes",
    ),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")]
Config = Annotated[
    Path | None,
    typer.Option(help="TOML file of settings; picogen.toml in this folder is always read."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, such as backbone.layers=4. Repeatable."),
]


def parse_shard(text: str | None, merge: bool) -> Shard | None:
    """Return what --shard names. Raises `ConfigError` if it is none, or --merge is there too."""
    if text is not None and merge:
        raise ConfigError("--shard does a part, --merge ends the work. Give one of them.")
    return None if text is None else read_shard(text)


def one_of(option: str, value: str, choices: tuple[Choice, ...]) -> Choice:
    """Return the value as one of the choices. Raises `ConfigError` if it is none."""
    for choice in choices:
        if value == choice:
            return choice
    hint = did_you_mean(value, choices)
    raise ConfigError(f"{option} {value}: no such choice.{hint} Known: {', '.join(choices)}.")


def comma_list(values: Sequence[str] | None) -> list[str]:
    """Return the values of a repeatable option that also takes several with commas between."""
    parts = (part.strip() for value in values or () for part in value.split(","))
    return [part for part in parts if part]


def print_json(data: Mapping[str, Any]) -> None:
    """Print data alone on stdout, with the version of its format; NaN and infinity are null."""
    typer.echo(json.dumps(_plain({"version": JSON_VERSION, **data}), indent=1))


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(item) for item in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return str(data) if isinstance(data, Path) else data
