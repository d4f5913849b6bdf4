"""The cache folder: prepared tune books, imported teachers, and other reproducible files."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return `$PICOGEN_CACHE`, or `picogen` in the user's cache folder."""
    own = os.environ.get("PICOGEN_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(own) if own else Path(base) / "picogen"
