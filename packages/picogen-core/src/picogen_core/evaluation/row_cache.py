"""Metric rows kept between runs: a table of JSON by key, which may be deleted at any time."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from picogen_core.runtime.closing import Closing

MAX_BYTES = 1 << 30
"""Size limit; a larger file is replaced by an empty one."""


class RowCache(Closing):
    """A file of results. A damaged, locked or read-only file behaves like an empty cache.

    An entry is returned only if its checksum, which covers its key, is right. What the file does
    not hold is looked up in `others`.
    """

    def __init__(self, path: Path, others: Sequence[Path] = ()) -> None:
        self._path = path
        self._others = [RowCache(other) for other in others]
        self._table: sqlite3.Connection | None = None
        with suppress(OSError, sqlite3.Error):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and path.stat().st_size > MAX_BYTES:
                path.unlink()
            try:
                self._table = _open(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                path.unlink()  # not a database
                self._table = _open(path)

    def close(self) -> None:
        for other in self._others:
            other.close()
        if self._table is not None:
            self._table.close()

    def get(self, key: str) -> Any:
        """Return the value of a key, or None."""
        found = self._get(key)
        for other in self._others:
            if found is None:
                found = other.get(key)
        return found

    def _get(self, key: str) -> Any:
        if self._table is None:
            return None
        try:
            found = self._table.execute(
                "SELECT value, checksum FROM rows WHERE key = ?", (key,)
            ).fetchone()
            if found is None or found[1] != _checksum(key, found[0]):
                return None
            return json.loads(found[0])
        except (sqlite3.Error, ValueError, TypeError, AttributeError):
            return None

    def put(self, values: Mapping[str, Any]) -> None:
        """Store JSON values by key, all or none."""
        if self._table is None:
            return
        texts = {key: json.dumps(value, separators=(",", ":")) for key, value in values.items()}
        with suppress(sqlite3.Error), self._table:
            self._table.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)",
                [(key, text, _checksum(key, text)) for key, text in texts.items()],
            )


def _open(path: Path) -> sqlite3.Connection:
    table = sqlite3.connect(path, timeout=5)
    table.execute("PRAGMA journal_mode = WAL")
    table.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, value TEXT, checksum)")
    return table


def _checksum(key: str, text: str) -> str:
    return hashlib.sha256(f"{key}\n{text}".encode()).hexdigest()[:16]
