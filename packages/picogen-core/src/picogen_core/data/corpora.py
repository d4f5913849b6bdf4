"""The music inside the installed music21, by name, with what is known of its licences."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from picogen_core.data.types import SourcePiece
from picogen_core.errors import BadInput
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.score.formats import FORMATS

_OLD_BOOK = "old book in the public domain; transcribers named in the files, no licence stated"
_MUSIC21 = (
    "old music in the public domain; encoding under the terms of music21's corpus/license.txt"
)


@dataclass(frozen=True)
class Corpus:
    """Folders of music21's corpus, which of their files, and where they come from."""

    folders: tuple[str, ...]
    title: str
    licence: str = _MUSIC21
    suffixes: tuple[str, ...] = tuple(
        suffix for name in ("musicxml", "kern", "abc") for suffix in FORMATS[name].reads
    )


CORPORA = {
    "oneills": Corpus(
        ("oneills1850",),
        "O'Neill's Music of Ireland (1903), as transcribed in music21",
        _OLD_BOOK,
        (".abc",),
    ),
    "ryans": Corpus(
        ("ryansMammoth",),
        "Ryan's Mammoth Collection (1883), as transcribed in music21",
        _OLD_BOOK,
        (".abc",),
    ),
    "airds": Corpus(
        ("airdsAirs",),
        "Aird's Selection of Scotch, English, Irish and Foreign Airs (1782-), music21",
        _OLD_BOOK,
        (".abc",),
    ),
    "bach": Corpus(
        ("bach",),
        "Bach: chorales and other pieces, in music21",
        "old music in the public domain; most encodings carry a notice of Margaret Greentree",
    ),
    "quartets": Corpus(
        (
            "haydn/opus1no1", "haydn/opus74no1",
            "mozart/k80", "mozart/k155", "mozart/k156", "mozart/k458",
        ),
        "String quartets by Haydn and Mozart, in music21",
    ),
    "beethoven": Corpus(("beethoven",), "String quartets by Beethoven, in music21"),
    "monteverdi": Corpus(("monteverdi",), "Madrigals by Monteverdi, in music21"),
    "trecento": Corpus(("trecento",), "Music of the Italian Trecento, in music21"),
    "palestrina": Corpus(
        ("palestrina",),
        "Masses by Palestrina, in music21",
        "encoding for use in music21; the rights to derivative works are reserved",
    ),
    "essen": Corpus(
        ("essenFolksong",),
        "Essen folksong database, in music21",
        "legal status unclear; non-commercial use permitted (essenFolksong/license.txt)",
    ),
}  # fmt: skip
"""Other folders of the corpus go by their own names (`music21:josquin`)."""


def corpus_files(which: str) -> tuple[Corpus, list[tuple[str, Path]]]:
    """A corpus of the installed music21 and its files by name; the package is not imported.

    Raises:
        BadInput: there is no such corpus, or music21 was installed without it.
    """
    spec = importlib.util.find_spec("music21")
    if spec is None:
        raise BadInput(
            f'music21:{which}: music21 is not installed: pip install "picogen-cli[read]"'
        )
    roots = [Path(path) / "corpus" for path in (spec.submodule_search_locations or [])]
    corpus = CORPORA.get(which)
    if corpus is None and which.isidentifier() and any((root / which).is_dir() for root in roots):
        corpus = Corpus((which,), f"music21's corpus/{which}")
    if corpus is None:
        raise BadInput(
            f"music21:{which}: no such corpus.{did_you_mean(which, CORPORA)}"
            f" Known: {', '.join(sorted(CORPORA))}."
        )
    files = [
        (file.relative_to(root).as_posix(), file)
        for root in roots
        for folder in corpus.folders
        for file in sorted((root / folder).rglob("*"))
        if file.suffix in corpus.suffixes
    ]
    if not files:
        raise BadInput(
            f"music21:{which}: the installed music21 has no corpus/{corpus.folders[0]}. "
            "Install music21 with its corpus: pip install --force-reinstall music21."
        )
    return corpus, files


def read_corpus(which: str) -> Iterator[SourcePiece]:
    """Every piece of a corpus. Raises `BadInput` as `corpus_files` does."""
    from picogen_core.data.sources import read_file

    corpus, files = corpus_files(which)
    for name, file in files:
        yield from read_file(file, name, corpus.title, corpus.licence)
