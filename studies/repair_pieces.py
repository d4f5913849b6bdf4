"""Real pieces of the study: tune books and scores inside music21, interleaved by our own code."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.reading.notes import split_tunes
from picogen_core.errors import BadInput
from picogen_core.score.xml.notes import unzip_mxl

BOOKS = ("oneills1850", "ryansMammoth", "airdsAirs")
SCORES = {
    "bach": ("bach/*.mxl",),
    "quartets": ("haydn/*/*.mxl", "mozart/k[148]*/*.mxl"),
    "beethoven": ("beethoven/*.mxl", "beethoven/*/*.mxl"),
}


@dataclass(frozen=True)
class Source:
    """name: where in music21; text: interleaved ABC; polyphonic: it has several voices."""

    name: str
    text: str
    polyphonic: bool


def corpus_folder() -> Path:
    """music21's corpus, found without importing music21."""
    spec = find_spec("music21")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The study reads the pieces inside music21. Run: pip install music21")
    return Path(spec.submodule_search_locations[0]) / "corpus"


def tunes(book: str, every: int = 1) -> Iterator[Source]:
    """Each `every`-th tune of a book."""
    number = 0
    for file in sorted((corpus_folder() / book).glob("*.abc")):
        text = file.read_text(encoding="utf-8", errors="replace")
        for tune in split_tunes(text):
            number += 1
            if number % every == 0:
                yield from _interleaved(f"{book}#{number}", tune)


def scores(group: str, every: int = 1) -> Iterator[Source]:
    """Each `every`-th score of a group, through abctoolkit's xml2abc as NotaGen calls it."""
    root = corpus_folder()
    files = sorted(file for pattern in SCORES[group] for file in root.glob(pattern))
    for file in files[::every]:
        yield from _interleaved(file.relative_to(root).as_posix(), _xml2abc(file))


def _interleaved(name: str, abc: str) -> Iterator[Source]:
    try:
        text = interleave(abc)
    except BadInput:
        return
    yield Source(name, text, "[V:2]" in text)


def _xml2abc(file: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "score.xml"
        plain.write_bytes(unzip_mxl(file.read_bytes()))
        command = [
            sys.executable,
            "-m",
            "abctoolkit.xml2abc",
            "-d",
            "8",
            "-c",
            "6",
            "-x",
            "score.xml",
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return done.stdout.decode("utf-8", errors="replace")
