"""metrics.jsonl: one row a step and one an evaluation, each once, even after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picogen_core.errors import BadInput


class MetricsLog:
    """Rows are appended; `size` bytes of an older file are kept, the rest is cut off."""

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        try:
            with path.open("ab") as file:
                file.truncate(min(size, file.tell()))
        except OSError as error:
            raise self._fault(error) from None

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Raises `BadInput` if there is no room for the row."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise self._fault(error) from None

    def flush(self) -> int:
        """To the disk; the bytes that are there."""
        try:
            with self.path.open("r+b") as file:
                os.fsync(file.fileno())
            return self.path.stat().st_size
        except OSError as error:
            raise self._fault(error) from None

    def _fault(self, error: OSError) -> BadInput:
        return BadInput(f"{self.path} cannot be written: {error.strerror}.")
