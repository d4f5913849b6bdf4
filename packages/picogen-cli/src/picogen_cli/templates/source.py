"""A source: tunes in JSON Lines, one object per line with its ABC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from picogen_core import BadInput, Options, Source, SourcePiece, SourceSpec, hookimpl
from pydantic import Field


class MyOptions(Options):
    """What `picogen data --set NAME.OPTION=VALUE` takes."""

    field: str = Field("abc", description="Key of the ABC in each object.")
    licence: str = Field("unknown", description="What to record as the licence of each piece.")


def read(which: str, options: MyOptions) -> Iterator[SourcePiece]:
    """Yield the tunes of a file or folder, in order. Raises `BadInput` where there is none."""
    path = Path(which)
    files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    if not which or not all(file.is_file() for file in files):
        raise BadInput(f"{which!r}: there is no such file. Give a .jsonl file.")
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            name, abc, fault = f"{file.name}#{number}", "", ""
            try:
                abc = str(json.loads(line)[options.field])
            except (ValueError, KeyError, TypeError) as error:  # one piece, not all
                fault = f"it has no {options.field!r} ({type(error).__name__})"
            yield SourcePiece(name, abc, file.name, options.licence, fault=fault)


def build(options: MyOptions) -> Source:
    """Return the source: a function of a collection's name or a path."""
    return lambda which: read(which, options)


@hookimpl
def picogen_sources() -> Iterator[SourceSpec]:
    """What PiCo-Gen finds."""
    yield SourceSpec(
        name="my-name",
        summary="JSON Lines files of ABC tunes.",
        config=lambda: MyOptions,
        build=build,
        suffixes=(".jsonl",),
    )
