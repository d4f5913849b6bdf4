"""Where tunes come from: ABC files and folders, and the tune books inside music21."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from picogen_core.abc.notes import split_tunes
from picogen_core.data.types import SourcePiece
from picogen_core.errors import BadInput
from picogen_core.options import Options
from picogen_core.specs import SourceSpec
from picogen_core.suggest import did_you_mean

BOOKS = {
    "oneills": ("oneills1850", "O'Neill's Music of Ireland (1903), as transcribed in music21"),
    "ryans": ("ryansMammoth", "Ryan's Mammoth Collection (1883), as transcribed in music21"),
    "airds": (
        "airdsAirs",
        "Aird's Selection of Scotch, English, Irish and Foreign Airs (1782-), music21",
    ),
}
BOOK_LICENCE = "old book in the public domain; transcribers named in the files, no licence stated"


class AbcOptions(Options):
    """Options of the source `abc`."""

    licence: str = Field("unknown", description="What to record as the licence of each tune.")


class Music21Options(Options):
    """Options of the source `music21`."""


def read_abc(which: str, options: AbcOptions) -> Iterator[SourcePiece]:
    """Every tune of an ABC file, or of all `.abc` files below a folder, sorted by path."""
    root = Path(which)
    if not root.exists():
        raise BadInput(f"{root}: there is no such file or folder. Give an ABC file or a folder.")
    files = sorted(root.rglob("*.abc")) if root.is_dir() else [root]
    if not files:
        raise BadInput(f"{root}: no .abc file below it.")
    base = root if root.is_dir() else root.parent
    for file in files:
        yield from _tunes(file, file.relative_to(base).as_posix(), str(file), options.licence)


def read_music21(which: str, options: Music21Options) -> Iterator[SourcePiece]:
    """Every tune of one of the `BOOKS` in the installed music21; the package is not imported."""
    if which not in BOOKS:
        raise BadInput(
            f"music21:{which}: no such tune book.{did_you_mean(which, BOOKS)}"
            f" Known: {', '.join(sorted(BOOKS))}."
        )
    folder, title = BOOKS[which]
    spec = importlib.util.find_spec("music21")
    roots = [Path(path) for path in (spec.submodule_search_locations or [])] if spec else []
    files = sorted(file for root in roots for file in (root / "corpus" / folder).glob("*.abc"))
    if not files:
        raise BadInput(
            f"music21:{which}: the installed music21 has no corpus/{folder}. "
            "Install music21 with its corpus: pip install --force-reinstall music21."
        )
    for file in files:
        yield from _tunes(file, f"{folder}/{file.name}", title, BOOK_LICENCE)


def _tunes(file: Path, name: str, provenance: str, licence: str) -> Iterator[SourcePiece]:
    text = file.read_text(encoding="utf-8", errors="replace")
    for number, tune in enumerate(split_tunes(text) or [text], 1):
        yield SourcePiece(f"{name}#{number}", tune, provenance, licence)


def source_specs() -> Iterator[SourceSpec]:
    """The sources of the core."""
    yield SourceSpec(
        name="abc",
        summary="ABC files and folders of them, tune books included.",
        config=lambda: AbcOptions,
        build=lambda options: lambda which: read_abc(which, options),
        suffixes=(".abc",),
    )
    yield SourceSpec(
        name="music21",
        summary=f"Tune books inside the installed music21: {', '.join(sorted(BOOKS))}.",
        config=lambda: Music21Options,
        build=lambda options: lambda which: read_music21(which, options),
    )
