"""From what a user names as a source to its tunes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from picogen_core import BadInput
from picogen_core.data.types import SourcePiece
from picogen_core.registry import registry


def open_sources(names: Sequence[str]) -> Iterator[SourcePiece]:
    """`music21:oneills`, a score, or a folder of scores; one after the other.

    Raises:
        BadInput: no source claims it.
    """
    for name in names:
        yield from _open(name)


def _open(name: str) -> Iterator[SourcePiece]:
    path = Path(name)
    kind, separator, which = name.partition(":")
    if separator and not path.exists():
        yield from registry().get("source", kind).build({})(which)
        return
    if not path.exists():
        raise BadInput(f"source {name!r}: no such file or folder, and no NAME:WHICH of a source.")
    suffixes = _suffixes(path)
    claims = [
        entry for entry in registry().all("source") if suffixes.intersection(entry.spec.suffixes)
    ]
    if not claims:
        known = sorted({s for entry in registry().all("source") for s in entry.spec.suffixes})
        what = "has no file that is read" if path.is_dir() else f"nothing reads {path.suffix!r}"
        raise BadInput(f"source {name!r}: {what}. Known: {', '.join(known)}.")
    for entry in claims:
        yield from entry.build({})(name)


def _suffixes(path: Path) -> set[str]:
    """Of a file, or of all files below a folder, in small letters."""
    files = path.rglob("*") if path.is_dir() else [path]
    return {file.suffix.lower() for file in files if file.is_file()}
