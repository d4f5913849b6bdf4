"""A source: tunes in JSON Lines, one object per line with its ABC."""

import json
from collections.abc import Iterator
from pathlib import Path

from picogen_core import BadInput, SourcePiece


def read(which: str, field: str, licence: str) -> Iterator[SourcePiece]:
    """Yield the tunes of a file, in its order. Raises `BadInput` where there is none."""
    file = Path(which)
    if not file.is_file():
        raise BadInput(f"{which!r}: there is no such file. Give a .jsonl file.")
    for number, line in enumerate(file.read_text().splitlines(), 1):
        name, abc, fault = f"{file.name}#{number}", "", ""
        try:
            abc = str(json.loads(line)[field])
        except (ValueError, KeyError, TypeError) as error:
            fault = f"line {number} has no {field!r}: {error!r}"  # one piece, not all
        yield SourcePiece(name, abc, file.name, licence, fault=fault)
