"""The cache folder: prepared tune books, imported teachers, and other reproducible files."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_dir() -> Path:
    """Return `$PICOGEN_CACHE`, or `picogen` in the user's cache folder.

    That is `~/.cache` or `$XDG_CACHE_HOME` on Linux, `~/Library/Caches` on macOS, and
    `%LOCALAPPDATA%` on Windows.
    """
    own = os.environ.get("PICOGEN_CACHE")
    return Path(own) if own else user_cache_path("picogen", appauthor=False)
