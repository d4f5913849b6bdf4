"""The properties of a source of music."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from picogen_core.data.keys import ORIGINAL
from picogen_core.data.piece import Made, Task, make
from picogen_core.data.types import SourcePiece
from picogen_core.errors import ConfigError, PicogenError
from picogen_core.plugins.registry import Entry
from picogen_core.score.files.reader import FileReader
from picogen_core.testing.configs import CONFIG_CHECKS
from picogen_core.testing.kit import Check

MOST = 200
"""Largest number of pieces that the checks read; a corpus may have thousands."""

TRIED = 20
"""Largest number of pieces to prepare until one can be used."""

BOOK = "".join(
    f"X:{number}\nT:Sample {number}\nM:4/4\nL:1/8\nK:{key}\nCDEF GABc|dcBA GFED|C2E2 G2c2|C8|]\n\n"
    for number, key in enumerate(("C", "G", "F"), 1)
)


@dataclass(frozen=True)
class SourceSubject:
    """A source, its options, a collection that it has, and one that it lacks."""

    entry: Entry[Any]
    options: Mapping[str, Any]
    which: str
    missing: str

    def build(self) -> Any:
        return self.entry.build(self.options)

    def pieces(self) -> list[SourcePiece]:
        """Return the first `MOST` pieces of a new source."""
        found = list(islice(self.build()(self.which), MOST))
        for piece in found:
            assert isinstance(piece, SourcePiece), f"gave a {type(piece).__name__}, no SourcePiece"
        return found


def subject_of(
    entry: Entry[Any], options: Mapping[str, Any], which: str | Path | None, missing: str
) -> SourceSubject:
    """Return the subject; a source of ABC files reads a book of three tunes if `which` is None.

    Raises:
        ConfigError: `which` is None, and the source reads no ABC files.
    """
    if which is None:
        if ".abc" not in entry.spec.suffixes:
            raise ConfigError(
                f"{entry.where}: the checks need a collection or a path that it has. "
                "Give which= to source_checks, or --which to picogen plugins check."
            )
        which = sample_book()
    return SourceSubject(entry, options, str(which), missing)


@functools.cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="picogen-")


def sample_book() -> Path:
    """Return a file of three tunes, which is deleted when the process ends."""
    file = Path(_folder().name) / "book.abc"
    if not file.exists():
        file.write_text(BOOK)
    return file


def gives_pieces(subject: SourceSubject) -> None:
    """It gives one `SourcePiece` or more, each with text or with a file that exists."""
    found = subject.pieces()
    assert found, f"{subject.which!r} gave no piece"
    for piece in found:
        for field in ("name", "abc", "provenance", "licence", "fault"):
            value = getattr(piece, field)
            assert isinstance(value, str), f"{field} of {piece.name!r} is a {type(value).__name__}"
        if piece.file is not None:
            assert isinstance(piece.file, Path), f"file of {piece.name!r} is no Path"
            assert piece.file.is_file(), f"{piece.name!r}: there is no file {piece.file}"
            assert not piece.abc, f"{piece.name!r} has both a file and ABC"
        else:
            assert piece.abc.strip() or piece.fault, f"{piece.name!r} has no ABC, file or fault"


def names_are_unique(subject: SourceSubject) -> None:
    """Every piece has a unique name of one line, which reports and splits use."""
    names = [piece.name for piece in subject.pieces()]
    for name in names:
        assert name.strip() and len(name.splitlines()) == 1, f"a piece is called {name!r}"
    twice = sorted({name for name in names if names.count(name) > 1})
    assert not twice, f"two pieces are called {', '.join(twice[:3])}"


def names_origin_and_licence(subject: SourceSubject) -> None:
    """Every piece has its origin and its licence, or `unknown`, in one line each."""
    for piece in subject.pieces():
        for field in ("provenance", "licence"):
            value = getattr(piece, field)
            one_line = value.strip() and len(value.splitlines()) == 1
            assert one_line, f"{field} of {piece.name!r} is {value!r}"


def gives_the_same_twice(subject: SourceSubject) -> None:
    """The same request gives the same pieces in the same order, also from a used source."""
    first, source = subject.pieces(), subject.build()
    for times in ("of a new source", "of the same source"):
        again = list(islice(source(subject.which), MOST))
        assert again == first, f"the pieces {times} are others, or in another order"


def can_be_left_early(subject: SourceSubject) -> None:
    """Stopping after one piece does not affect the next request."""
    source, expected = subject.build(), subject.pieces()
    for _ in islice(source(subject.which), 1):
        pass
    again = list(islice(source(subject.which), MOST))
    assert again == expected, "after a request that was left early the pieces are others"


def gives_music_that_can_be_prepared(subject: SourceSubject) -> None:
    """`picogen data` can use one of the first 20 pieces: it reads with its notes unchanged."""
    faults = []
    reader = FileReader()
    try:
        for piece in subject.pieces()[:TRIED]:
            made = make(Task(piece, ""), ORIGINAL, 0, reader)
            if isinstance(made, Made):
                return
            faults.append(f"{made.name}: {made.reason}")
    finally:
        reader.close()
    raise AssertionError(f"no piece can be prepared; {faults[0] if faults else 'there is none'}")


def refuses_what_it_lacks(subject: SourceSubject) -> None:
    """An unknown collection or path raises `BadInput` in one line; it is never just empty."""
    for missing in (subject.missing, f"../{subject.missing}", ""):
        try:
            found = next(iter(subject.build()(missing)), None)
        except PicogenError as error:
            message = str(error)
            assert message and len(message.splitlines()) == 1, f"the message is {message!r}"
        except Exception as error:
            raise AssertionError(f"{missing!r} raised {error!r}; raise BadInput") from error
        else:
            what = "nothing" if found is None else f"the piece {found.name!r}"
            raise AssertionError(f"{missing!r} gave {what}; raise BadInput")


def suffixes_are_plain(subject: SourceSubject) -> None:
    """Suffixes are a tuple such as `(".abc",)`: a dot and small letters."""
    suffixes = subject.entry.spec.suffixes
    assert isinstance(suffixes, tuple), f"suffixes are a {type(suffixes).__name__}, not a tuple"
    for suffix in suffixes:
        plain = isinstance(suffix, str) and len(suffix) > 1 and suffix[0] == "."
        assert plain and suffix == suffix.lower(), f"{suffix!r} is no suffix such as '.abc'"


CHECKS: Sequence[Check] = (
    gives_pieces,
    names_are_unique,
    names_origin_and_licence,
    gives_the_same_twice,
    can_be_left_early,
    gives_music_that_can_be_prepared,
    refuses_what_it_lacks,
    suffixes_are_plain,
    *CONFIG_CHECKS,
)
