"""From what a user names as a source to its tunes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from picogen_core import BadInput
from picogen_core.data.types import SourcePiece
from picogen_core.registry import registry


def open_sources(names: Sequence[str]) -> Iterator[SourcePiece]:
    """`music21:oneills`, an ABC file, or a folder; one after the other.

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
    claims = [
        entry
        for entry in registry().all("source")
        if path.suffix.lower() in entry.spec.suffixes or (path.is_dir() and entry.spec.suffixes)
    ]
    if not path.exists():
        raise BadInput(f"source {name!r}: no such file or folder, and no NAME:WHICH of a source.")
    if not claims:
        suffixes = sorted({s for entry in registry().all("source") for s in entry.spec.suffixes})
        raise BadInput(
            f"source {name!r}: nothing reads {path.suffix!r}. Known: {', '.join(suffixes)}."
        )
    for entry in claims:
        yield from entry.build({})(name)
