"""Where tunes come from: ABC files, scores of other kinds, folders, and the corpora of music21."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from picogen_core.abc.reading.notes import split_tunes
from picogen_core.data.corpora import CORPORA, read_corpus
from picogen_core.data.types import SourcePiece
from picogen_core.errors import BadInput, reason
from picogen_core.plugins.options import Options
from picogen_core.plugins.specs import SourceSpec
from picogen_core.score import file as score_file
from picogen_core.score.formats import FORMATS


class FileOptions(Options):
    """Options of the sources that are files and folders."""

    licence: str = Field("unknown", description="What to record as the licence of each piece.")


class Music21Options(Options):
    """Options of the source `music21`."""


def read_path(which: str, suffixes: tuple[str, ...], options: FileOptions) -> Iterator[SourcePiece]:
    """Every piece of a file, or of all files below a folder with these suffixes, sorted by path.

    Raises:
        BadInput: there is no such file or folder, or nothing in it.
    """
    root = Path(which)
    if not which.strip():
        raise BadInput("the name of a source is empty. Give a score or a folder.")
    if not root.exists():
        raise BadInput(f"{root}: there is no such file or folder. Give a score or a folder.")
    files = _below(root, suffixes) if root.is_dir() else [root]
    if not files:
        raise BadInput(f"{root}: no {' or '.join(suffixes)} file below it.")
    base = root if root.is_dir() else root.parent
    for file in files:
        name = file.relative_to(base).as_posix()
        try:
            found = read_file(
                file, name, str(file), options.licence, base if base == root else None
            )
        except Exception as error:
            found = [SourcePiece(name, "", str(file), options.licence, fault=reason(error))]
        yield from found


def read_music21(which: str, options: Music21Options) -> Iterator[SourcePiece]:
    """Every piece of a corpus of the installed music21 (`CORPORA`, or a folder's own name)."""
    return read_corpus(which)


def read_file(
    file: Path, name: str, provenance: str, licence: str, within: Path | None = None
) -> list[SourcePiece]:
    """The tunes of an ABC file, `name#1`, `name#2`, …; of another score one piece, still unread.

    Raises:
        BadInput: as `score_file.read_file`.
    """
    data = score_file.read_file(file, within)
    if score_file.kind_of(data) != "abc" and file.suffix.lower() not in FORMATS["abc"].reads:
        return [SourcePiece(name, "", provenance, licence, file)]
    tunes = enumerate(split_tunes(score_file.decode(data)) or [score_file.decode(data)], 1)
    return [SourcePiece(f"{name}#{number}", tune, provenance, licence) for number, tune in tunes]


def _below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return [f for f in score_file.files_below(folder) if f.suffix.lower() in suffixes]


def source_specs() -> Iterator[SourceSpec]:
    """The sources of the core."""
    for name, read in FORMATS.items():
        if not read.reads:
            continue
        yield SourceSpec(
            name=name,
            summary=read.summary,
            config=lambda: FileOptions,
            build=lambda options, suffixes=read.reads: (  # type: ignore[misc]
                lambda which: read_path(which, suffixes, options)
            ),
            suffixes=read.reads,
        )
    yield SourceSpec(
        name="music21",
        summary=f"Corpora inside the installed music21: {', '.join(sorted(CORPORA))}.",
        config=lambda: Music21Options,
        build=lambda options: lambda which: read_music21(which, options),
    )
