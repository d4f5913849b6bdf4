"""NotaGen's tags, `%Period`, `%Composer, First`, `%Instrumentation`, `%end`: who says them."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from unidecode import unidecode

from picogen_core.data.types import SourcePiece
from picogen_core.errors import BadInput

COLUMNS = ("path", "period", "composer", "instrumentation")
FOLDERS = "folders"


@dataclass(frozen=True)
class Tags:
    """Tags by piece: from a table, or from the folders that a piece lies in."""

    table: dict[str, tuple[str, ...]] = field(default_factory=dict)
    from_folders: bool = False

    def lines(self, piece: SourcePiece) -> str:
        """The four lines, or "" for a piece without tags."""
        values = self._find(piece)
        clean = [" ".join(unidecode(value).replace("%", "").split()) for value in values]
        return "".join(f"%{value}\n" for value in [*clean, "end"]) if all(clean) and clean else ""

    def _find(self, piece: SourcePiece) -> tuple[str, ...]:
        file = piece.name.split("#")[0]
        if self.from_folders:
            parts = PurePosixPath(file).parts
            return parts[:3] if len(parts) > 3 else ()
        for name in (piece.name, file, piece.provenance, PurePosixPath(file).name):
            if name in self.table:
                return self.table[name]
        return ()


def read_tags(which: str | None) -> Tags:
    """`tags.csv` with the columns path, period, composer, instrumentation; or `folders`, for
    pieces that lie in Period/Composer/Instrumentation below their source; or None for no tags.

    A path is the piece's name, its file's, or the file's place as it was given.

    Raises:
        BadInput: no such table, or a column of it is missing.
    """
    if which is None:
        return Tags()
    if which == FOLDERS:
        return Tags(from_folders=True)
    path = Path(which)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"tags {path}: cannot be read ({error}). Give a CSV, or: folders.") from None
    if missing:
        raise BadInput(
            f"tags {path}: no column {', '.join(missing)}. "
            f"Its first line should be: {','.join(COLUMNS)}"
        )
    return Tags({row["path"]: tuple(row[name] or "" for name in COLUMNS[1:]) for row in rows})
