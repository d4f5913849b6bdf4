"""A list of pieces: one JSON object per line, each a piece with a name of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from picogen_core.errors import BadInput, ConfigError
from picogen_core.generation.request.options import BEGINNING, PieceRequest
from picogen_core.plugins.options import parse_options
from picogen_core.runtime.reading import parse_json, read_text

_ID = re.compile(r"\w[\w.-]*")
_LONGEST = 100  # bytes of an id, which becomes a file's name


class PieceRow(PieceRequest):
    """One line of a list: the options of a piece, and its name."""

    id: str = Field(
        coerce_numbers_to_str=True,
        description="Name of the piece's files: letters, digits and . _ -",
    )


def read_jobs(path: Path, defaults: PieceRequest) -> dict[str, PieceRow]:
    """Return every piece of the list, by the line that defines it, such as `list a.jsonl, line 3`.

    A line that leaves an option out takes it from `defaults`. Paths start at the list's folder.

    Raises:
        BadInput: the list cannot be read, a line is no object, or an id stands twice.
        ConfigError: an option of a line does not exist or does not fit.
    """
    try:
        lines = read_text(path).split("\n")
    except OSError as error:
        raise BadInput(f"list {path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise BadInput(f"list {path}: not text in UTF-8. Save it as that.") from None
    rows: dict[str, PieceRow] = {}
    seen: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"list {path}, line {number}"
        row = parse_options(PieceRow, _given(line, where), where)
        if not _ID.fullmatch(row.id) or len(row.id.encode()) > _LONGEST:
            raise BadInput(
                f"{where}: id={row.id!r}: an id has letters, digits and . _ -, the first a letter "
                f"or digit, and takes at most {_LONGEST} bytes."
            )
        if row.id.lower() in seen:
            raise BadInput(f"{where}: id={row.id!r} stands in {seen[row.id.lower()]} already.")
        seen[row.id.lower()] = f"line {number}"
        rows[where] = _completed(row, defaults, path.parent)
    if not rows:
        raise BadInput(f"list {path}: there is no piece in it.")
    _refuse_pages(rows, seen)
    return rows


def _completed(row: PieceRow, defaults: PieceRequest, folder: Path) -> PieceRow:
    """The row with everything that it leaves out; a row with a beginning keeps that alone."""
    given = row.model_fields_set
    begins = given & {"prompt", "prompt_file", "continued"}
    inherited = {
        name: getattr(defaults, name)
        for name in PieceRequest.model_fields
        if name not in given and not (begins and name in BEGINNING)
    }
    paths = {
        name: folder / getattr(row, name) for name in ("prompt_file", "continued") if name in given
    }
    return row.model_copy(update=inherited | paths)


def _refuse_pages(rows: Mapping[str, PieceRow], seen: Mapping[str, str]) -> None:
    """Raise `BadInput` if an id is the name of another piece's page: page 2 of `a` is `a-2.svg`."""
    for where, row in rows.items():
        stem, _, page = row.id.lower().rpartition("-")
        if page.isdecimal() and stem in seen:
            raise BadInput(
                f"{where}: id={row.id!r} would be the name of a page of the piece in "
                f"{seen[stem]}. Give it another."
            )


def read_shard(text: str) -> tuple[int, int]:
    """Return part and number of parts of `2/4`. Raises `ConfigError`."""
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise ConfigError(f"--shard {text}: give PART/PARTS, such as 1/4 … 4/4.")
    return part, parts


def _given(line: str, where: str) -> Mapping[str, Any]:
    """The options of a line; an option that is null is left out."""
    try:
        row = parse_json(line)
    except json.JSONDecodeError as error:
        raise BadInput(f"{where}: no JSON ({error.msg}, character {error.colno}).") from None
    except ValueError as error:
        raise BadInput(f"{where}: no JSON ({error}).") from None
    if not isinstance(row, dict):
        raise BadInput(f'{where}: give an object, such as {{"id": "a", "bars": 16}}.')
    known = {*PieceRow.model_fields, "continue"}
    return {name: value for name, value in row.items() if value is not None or name not in known}
