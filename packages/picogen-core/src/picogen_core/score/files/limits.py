"""Limits of CPU time and memory for reading a score file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from picogen_core.runtime.reading import open_file
from picogen_core.runtime.sandbox import WorkerLimits
from picogen_core.score.file import MAX_BYTES
from picogen_core.score.limits import STILL_SECONDS

MEMORY_BYTES = 2 << 30
_BASE_SECONDS, _BYTES_A_SECOND = 120, 50_000  # a tenth of what real scores reach on one core
_EXPANDS = 30  # times, an .mxl in general


def limits_of(path: Path) -> WorkerLimits:
    """Return limits far above the needs of a file of this size, so that only bugs reach them."""
    size = 0
    with suppress(OSError), open_file(path, MAX_BYTES) as file:
        size = os.fstat(file.fileno()).st_size * (_EXPANDS if file.read(2) == b"PK" else 1)
    return WorkerLimits(_BASE_SECONDS + size // _BYTES_A_SECOND, STILL_SECONDS, MEMORY_BYTES)
