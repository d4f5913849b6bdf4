"""Scores and rows of a folder, packed, so that a folder of any size takes little memory."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from picogen_core.plugins.protocols import NAME, Row
from picogen_core.score.reading import ScoreText

IN_MEMORY = 64_000_000
"""Bytes of all scores beyond which they are kept in a temporary file."""
_PACKED = 200  # bytes of JSON above which it is compressed


class KeptScores(Sequence[ScoreText]):
    """Scores in a temporary file, which stays in memory while it is small."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.digests: list[str] = []
        self._places: list[tuple[int, int, int, bool, str | None]] = []
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115

    def append(self, score: ScoreText) -> None:
        """Keep one more score. Raises `OSError` if the disk is full."""
        text = isinstance(score.data, str)
        data = score.data.encode("utf-8", "surrogatepass") if text else score.data  # type: ignore[union-attr]
        record = _pack(score.record) if score.record else b""
        start = self._file.seek(0, 2)
        self._file.write(data)  # type: ignore[arg-type]
        self._file.write(record)
        path = None if score.path is None else str(score.path)
        self._places.append((start, len(data), len(record), text, path))
        self.names.append(score.name)
        self.digests.append(score.digest())

    def __len__(self) -> int:
        return len(self.names)

    def path(self, i: int) -> Path | None:
        """Return the file of a score."""
        path = self._places[i][-1]
        return None if path is None else Path(path)

    @overload
    def __getitem__(self, i: int) -> ScoreText: ...

    @overload
    def __getitem__(self, i: slice) -> list[ScoreText]: ...

    def __getitem__(self, i: int | slice) -> ScoreText | list[ScoreText]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        start, size, more, text, _ = self._places[i]
        self._file.seek(start)
        data: str | bytes = self._file.read(size)
        record = _unpack(self._file.read(more)) if more else {}
        if text:
            data = bytes(data).decode("utf-8", "surrogatepass")  # type: ignore[arg-type]
        return ScoreText(self.names[i], data, self.path(i), record)


class KeptRows(Mapping[int, Row]):
    """Rows of a metric by the number of the score, as compressed JSON."""

    def __init__(self) -> None:
        self._rows: dict[int, bytes] = {}

    def __setitem__(self, i: int, row: Row) -> None:
        self._rows[i] = _pack(row)

    def __getitem__(self, i: int) -> Row:
        return _unpack(self._rows[i])

    def __contains__(self, i: object) -> bool:
        return i in self._rows

    def __iter__(self) -> Iterator[int]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class NamedRows(Sequence[Row]):
    """Rows in the order of the scores, each with its name, and then those of faults.

    Each is unpacked when it is accessed: a metric that needs all at once takes what it needs.
    """

    def __init__(self, rows: KeptRows, names: Sequence[str], faults: Sequence[Row] = ()) -> None:
        self._rows, self._names, self._faults = rows, names, faults
        self._order = sorted(rows)

    def __len__(self) -> int:
        return len(self._order) + len(self._faults)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        if place >= len(self._order):
            return self._faults[place - len(self._order)]
        i = self._order[place]
        return {**self._rows[i], NAME: self._names[i]}


def _pack(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, separators=(",", ":")).encode()
    return zlib.compress(text, 1) if len(text) > _PACKED else text


def _unpack(packed: bytes) -> dict[str, Any]:
    return dict(json.loads(packed if packed[:1] == b"{" else zlib.decompress(packed)))
