"""Opening of sources by the names that a user gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from picogen_core.data.types import SourcePiece
from picogen_core.errors import BadInput, PicogenError
from picogen_core.plugins.registry import Entry, registry
from picogen_core.plugins.specs import SourceSpec
from picogen_core.score.file import files_below, kind_of, read_file

Options = Mapping[str, Mapping[str, Any]]
"""Options of sources by the source's name."""


def open_sources(names: Sequence[str], options: Options | None = None) -> Iterator[SourcePiece]:
    """Yield the pieces of `music21:oneills`, a score, or a folder of scores, in order of names.

    Raises:
        BadInput: no source claims it.
        ConfigError: an option that a source does not have.
    """
    for name in names:
        yield from _open(name, options or {})


def _open(name: str, options: Options) -> Iterator[SourcePiece]:
    path = Path(name)
    kind, separator, which = name.partition(":")
    if separator and not path.exists():
        yield from _read(registry().get("source", kind), which, options)
        return
    if not path.exists():
        raise BadInput(f"source {name!r}: no such file or folder, and no NAME:WHICH of a source.")
    claims = _claims(_suffixes(path))
    if not claims and path.is_file() and (kind_found := kind_of(read_file(path))):
        claims = [registry().get("source", kind_found)]
    if not claims:
        known = sorted({s for entry in registry().all("source") for s in entry.spec.suffixes})
        what = "has no file that is read" if path.is_dir() else f"nothing reads {path.suffix!r}"
        raise BadInput(f"source {name!r}: {what}. Known: {', '.join(known)}.")
    for entry in claims:
        yield from _read(entry, name, options)


def _claims(suffixes: set[str]) -> list[Entry[SourceSpec]]:
    """Return the sources that read these suffixes, PiCo-Gen's own first.

    Other plugins read the suffixes of those only if the user names them (`NAME:PATH`).
    """
    found, left = [], set(suffixes)
    for entry in sorted(registry().all("source"), key=lambda entry: not entry.shipped):
        mine = left.intersection(entry.spec.suffixes)
        if mine:
            found.append(entry)
        if entry.shipped:
            left -= mine
    return found


def _read(entry: Entry[SourceSpec], which: str, options: Options) -> Iterator[SourcePiece]:
    """Yield the pieces of one source. If it fails, one more piece has the fault.

    Raises:
        PicogenError: the source refuses `which`.
    """
    try:
        for piece in entry.build(options.get(entry.spec.name, {}))(which):
            if not isinstance(piece, SourcePiece):
                raise TypeError(f"a {type(piece).__name__}, not a SourcePiece")
            yield piece
    except PicogenError:
        raise
    except Exception as error:
        yield SourcePiece(which, "", which, "unknown", fault=f"{entry.where} raised {error!r}")


def _suffixes(path: Path) -> set[str]:
    """Return the suffixes of a file, or of all files below a folder, in small letters."""
    return {file.suffix.lower() for file in (files_below(path) if path.is_dir() else [path])}
