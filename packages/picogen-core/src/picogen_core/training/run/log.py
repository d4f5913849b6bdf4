"""metrics.jsonl: one row per step and per evaluation, each once, even after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picogen_core.errors import BadInput


class MetricsLog:
    """Append-only log. It keeps `size` bytes of an older file and cuts off the rest."""

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        try:
            with path.open("ab") as file:
                file.truncate(min(size, file.tell()))
        except OSError as error:
            raise self._fault(error) from None

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Append a row. Raises `BadInput` if the disk is full."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise self._fault(error) from None

    def flush(self) -> int:
        """Flush to disk; return the size in bytes."""
        try:
            with self.path.open("r+b") as file:
                os.fsync(file.fileno())
            return self.path.stat().st_size
        except OSError as error:
            raise self._fault(error) from None

    def _fault(self, error: OSError) -> BadInput:
        return BadInput(f"{self.path} cannot be written: {error.strerror}.")
