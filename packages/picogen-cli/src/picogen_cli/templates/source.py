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
    """Yield the tunes of a file, in its order. Raises `BadInput` where there is none."""
    file = Path(which)
    if not file.is_file():
        raise BadInput(f"{which!r}: there is no such file. Give a .jsonl file.")
    for number, line in enumerate(file.read_text().splitlines(), 1):
        name, abc, fault = f"{file.name}#{number}", "", ""
        try:
            abc = str(json.loads(line)[options.field])
        except (ValueError, KeyError, TypeError) as error:
            fault = f"line {number} has no {options.field!r}: {error!r}"  # one piece, not all
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
