"""A list of pieces: one JSON object a line, each a piece with a name of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from picogen_core.errors import BadInput, ConfigError, PicogenError
from picogen_core.generation.request.job import PieceRequest
from picogen_core.generation.request.options import Order
from picogen_core.plugins.options import MAX_SEED, Options, parse_options
from picogen_core.runtime.reading import parse_json, read_text

_ID = re.compile(r"\w[\w.-]*")
_LONGEST = 100  # bytes of an id, which becomes a file's name
_BEGINNINGS = {"prompt", "prompt_file", "continue"}
_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "order")


class JobRow(Options):
    """What a line may say. What it leaves out is as the command line has it."""

    id: str = Field(
        coerce_numbers_to_str=True,
        description="Name of the piece's files: letters, digits and . _ -",
    )
    prompt: str | None = Field(None, description="Header, or header and music.")
    prompt_file: Path | None = Field(None, description="A file with a prompt.")
    continued: Path | None = Field(None, alias="continue", description="A score to go on from.")
    keep_bars: int | None = Field(None, ge=0, le=100_000, description="Bars of that score to keep.")
    meter: str | None = Field(None, description="Such as 6/8.")
    key: str | None = Field(None, description="Such as G or Dmin.")
    tempo: str | None = Field(None, description="Such as 1/4=120.")
    bars: int | None = Field(None, ge=1, le=100_000, description="Bars in all.")
    grammar: bool | None = Field(None, description="Steer to sound bars.")
    max_length: int | None = Field(None, ge=2, le=1_048_576, description="Most patches.")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, description="Seed of what is drawn.")
    temperature: float | None = Field(None, ge=0, le=1000, description="0 is greedy.")
    top_k: int | None = Field(None, ge=0, le=1000, description="0 keeps all characters.")
    top_p: float | None = Field(None, description="Outside (0, 1) it is off.")
    min_p: float | None = Field(None, ge=0, le=1, description="Least share of the likeliest.")
    order: Order | None = Field(None, description="When temperature acts.")


@dataclass(frozen=True)
class Asked:
    """A piece of the list, and where it stands there."""

    name: str
    request: PieceRequest
    where: str


def read_jobs(path: Path, defaults: PieceRequest) -> list[Asked]:
    """Every piece of the list. Files are found from the folder that the list is in.

    Raises:
        BadInput: the list cannot be read, a line is no object, or an id stands twice.
        ConfigError: a line says something that does not exist or does not fit.
    """
    try:
        lines = read_text(path).split("\n")
    except OSError as error:
        raise BadInput(f"jobs {path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise BadInput(f"jobs {path}: it is no text in UTF-8. Save it as that.") from None
    asked: list[Asked] = []
    seen: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"jobs {path}, line {number}"
        row = parse_options(JobRow, _object(line, where), where)
        if not _ID.fullmatch(row.id) or len(row.id.encode()) > _LONGEST:
            raise BadInput(
                f"{where}: id={row.id!r}: an id has letters, digits and . _ -, the first a letter "
                f"or digit, and takes at most {_LONGEST} bytes."
            )
        if row.id.lower() in seen:
            raise BadInput(f"{where}: id={row.id!r} stands in {seen[row.id.lower()]} already.")
        seen[row.id.lower()] = f"line {number}"
        asked.append(Asked(row.id, _request(row, defaults, path.parent), where))
    if not asked:
        raise BadInput(f"jobs {path}: there is no piece in it.")
    _refuse_pages(asked, seen)
    return asked


def _refuse_pages(asked: Sequence[Asked], seen: Mapping[str, str]) -> None:
    """A second page of `a` is `a-2.svg`: no other piece may have that name. Raises `BadInput`."""
    for one in asked:
        stem, _, page = one.name.lower().rpartition("-")
        if page.isdecimal() and stem in seen:
            raise BadInput(
                f"{one.where}: id={one.name!r} would be the name of a page of the piece in "
                f"{seen[stem]}. Give it another."
            )


def read_shard(text: str) -> tuple[int, int]:
    """`2/4`: the second of four parts. Raises `ConfigError`."""
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise ConfigError(f"--shard {text}: give PART/PARTS, such as 1/4 … 4/4.")
    return part, parts


def at_line(asked: Asked, error: PicogenError) -> PicogenError:
    """The same fault, and where it stands."""
    return type(error)(f"{asked.where}: {error}")


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        row = parse_json(line)
    except json.JSONDecodeError as error:
        raise BadInput(f"{where}: no JSON ({error.msg}, character {error.colno}).") from None
    except ValueError as error:
        raise BadInput(f"{where}: no JSON ({error}).") from None
    if not isinstance(row, dict):
        raise BadInput(f'{where}: give an object, such as {{"id": "a", "bars": 16}}.')
    return row


def _request(row: JobRow, defaults: PieceRequest, folder: Path) -> PieceRequest:
    given = {name: value for name, value in row if value is not None and name != "id"}
    if _BEGINNINGS & {"continue" if name == "continued" else name for name in given}:
        defaults = replace(defaults, prompt="", prompt_file=None, continued=None, keep_bars=None)
    for name in ("prompt_file", "continued"):
        if name in given:
            given[name] = folder / given[name]
    drawn = {name: given.pop(name) for name in _SAMPLING if name in given}
    sampling = defaults.sampling.model_copy(update=drawn)
    return replace(defaults, sampling=sampling, **given)
