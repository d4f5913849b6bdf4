"""Tags by piece, from a table or from the folders of the pieces."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from unidecode import unidecode

from picogen_core.data.tags import LONGEST, Triple
from picogen_core.data.types import SourcePiece
from picogen_core.errors import BadInput
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.runtime.reading import parse_json, read_text

FOLDERS = "folders"
COLUMNS = ("path", *Triple._fields)


@dataclass(frozen=True)
class Tags:
    """Tags by piece: from a table, or from the folders of a piece.

    table: path -> tags, None for a piece without tags.
    root:  the table's folder, to which its paths may be relative.
    """

    source: str = ""
    table: dict[str, Triple | None] = field(default_factory=dict)
    root: Path = Path()
    from_folders: bool = False

    def lines(self, piece: SourcePiece) -> str:
        """Return the four lines, or "" for a piece without tags.

        Raises `BadInput` for a folder's name that cannot be a tag.
        """
        if self.from_folders:
            parts = PurePosixPath(_file(piece)).parts[:-1]
            if len(parts) < 3:
                return ""
            return Triple(*(_clean(part, f"folder {part!r}") for part in parts[:3])).lines
        row = self._row(piece)
        tags = None if row is None else self.table[row]
        return tags.lines if tags else ""

    def report(self, pieces: Sequence[SourcePiece]) -> dict[str, Any]:
        """Return the pieces without tags and the table's paths without pieces.

        Raises:
            BadInput: no piece has tags.
        """
        untagged = [piece.name for piece in pieces if not self.lines(piece)]
        if len(untagged) == len(pieces) and pieces and self.from_folders:
            raise BadInput(
                "tags folders: no piece lies in Period/Composer/Instrumentation/ below its source; "
                f"the first is {untagged[0]}. Move the files, or give a CSV."
            )
        if len(untagged) == len(pieces) and pieces:
            raise BadInput(
                f"tags {self.source}: no path in it is that of a piece; the first piece is "
                f"{untagged[0]}, the first path {next(iter(self.table), '(none)')}."
            )
        used = {self._row(piece) for piece in pieces}
        return {
            "untagged": untagged,
            "tags_without_piece": [row for row in self.table if row not in used],
        }

    def _row(self, piece: SourcePiece) -> str | None:
        """Return the table's path for this piece: the piece's, the file's, or a folder's."""
        return next((name for name in self._names(piece) if name in self.table), None)

    def _names(self, piece: SourcePiece) -> Iterator[str]:
        file = PurePosixPath(_file(piece))
        place = Path(piece.provenance)
        yield from (piece.name, str(file), place.as_posix(), place.name)
        yield from map(str, file.parents)
        if self.table:
            root, full = self.root.resolve(), place.resolve()
            for folder in (full, *full.parents):
                if folder == root or not folder.is_relative_to(root):
                    return
                yield folder.relative_to(root).as_posix()


def _file(piece: SourcePiece) -> str:
    return piece.name.split("#")[0]


def read_tags(which: str | None) -> Tags:
    """Return the tags from one of three sources:

    - a table, `tags.csv` (commas, semicolons or tabs) or `tags.jsonl`, with the columns path,
      period, composer, instrumentation;
    - `folders`, for pieces in Period/Composer/Instrumentation below their source;
    - None for no tags.

    A path is the name of the piece or of its file, the file's path as given or relative to the
    table, or a folder. A folder applies to all pieces below it without their own row. A row without
    tags marks a piece without tags.

    Raises:
        BadInput: no such table, a column or cell is missing or invalid, a path occurs twice.
    """
    if which is None:
        return Tags()
    if which == FOLDERS:
        return Tags(which, from_folders=True)
    path = Path(which)
    table: dict[str, Triple | None] = {}
    for place, row in _rows(path):
        where = f"tags {path}, {place}"
        name = _name(row.pop("path"), where)
        if name in table:
            raise BadInput(f"{where}: {name} has been named before. Leave one of the two out.")
        table[name] = _triple(row, where)
    return Tags(which, table, path.parent)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row with its place in the file; its keys are `COLUMNS`."""
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"tags {path}: cannot be read ({error}). Give a CSV, a JSONL, or: folders."
        ) from None
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                row = _object(line, f"tags {path}, line {number}")
                _check_columns(list(row), f"tags {path}, line {number}")
                yield f"line {number}", row
        return
    first = text.partition("\n")[0]
    lines = text.splitlines(keepends=True)
    reader = csv.DictReader(lines, delimiter=max(",;\t", key=first.count), strict=True)
    try:
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        _check_columns(list(reader.fieldnames), f"tags {path}")
        for row in reader:
            if None in row:
                raise BadInput(
                    f"tags {path}, line {reader.line_num}: more cells than columns. "
                    'Put quotes around a name with a comma: "Bach, Johann Sebastian".'
                )
            yield f"line {reader.line_num}", {key: value or "" for key, value in row.items()}
    except csv.Error as error:
        raise BadInput(f"tags {path}, line {reader.line_num + 1}: {error}.") from None


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = parse_json(line)
    except ValueError as error:
        raise BadInput(f"{where}: not JSON ({error}).") from None
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise BadInput(f"{where}: not an object of texts.")
    return row


def _check_columns(names: list[str], where: str) -> None:
    for name in names:
        if name not in COLUMNS:
            known = did_you_mean(name, COLUMNS)
            raise BadInput(f"{where}: unknown column {name!r}.{known} Columns: {','.join(COLUMNS)}")
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise BadInput(
            f"{where}: no column {', '.join(missing)}. Its columns should be: {','.join(COLUMNS)}"
        )


def _name(path: str, where: str) -> str:
    if not path.strip():
        raise BadInput(f"{where}: the path is empty.")
    return PurePosixPath(path.strip().replace("\\", "/")).as_posix()


def _triple(row: dict[str, str], where: str) -> Triple | None:
    if not any(value.strip() for value in row.values()):
        return None
    for name, value in row.items():
        if not value.strip():
            raise BadInput(f"{where}: no {name}. Fill in all three tags, or none for no tags.")
    return Triple(**{name: _clean(value, f"{where}: {name}") for name, value in row.items()})


def _clean(value: str, where: str) -> str:
    """Return the tag in ASCII, without a leading `%`."""
    if any(unicodedata.category(character) == "Cc" for character in value.strip()):
        raise BadInput(f"{where} holds a line break or another control character.")
    text = " ".join(unidecode(value).replace("%", "").split())
    if not text or text.lower() == "end":
        raise BadInput(f"{where} {value!r} cannot be a tag; it has to be text other than `end`.")
    if len(text) > LONGEST:
        raise BadInput(f"{where} has {len(text)} characters; a tag has at most {LONGEST}.")
    return text
