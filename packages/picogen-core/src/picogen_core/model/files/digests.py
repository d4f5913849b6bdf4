"""sha256 of files, cached for large ones by path, size and time. Loads no torch."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from picogen_core.runtime.cache import cache_dir
from picogen_core.runtime.files import write_atomic
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.runtime.reading import open_file, read_bytes, read_json

SMALL = 64 << 20  # bytes; smaller files are read anew each time
_CHUNK = 8 << 20


def teachers_dir() -> Path:
    """Return the folder of imported teachers, one checkpoint folder each."""
    return cache_dir() / "teachers"


def file_digest(path: Path, reporter: Reporter | None = None) -> str:
    """Return the sha256 of a file; that of a large one is computed once."""
    known = remembered(path)
    if known:
        return known
    size = path.stat().st_size
    if size < SMALL:
        return hashlib.sha256(read_bytes(path, SMALL)).hexdigest()
    stamp = _stamp(path)
    reporter = reporter or Quiet()
    reporter.start(f"Checking {path.name}", size / 1e6, "MB")
    digest, done = hashlib.sha256(), 0
    with open_file(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            reporter.advance(done / 1e6)
    reporter.finish()
    value = digest.hexdigest()
    write_atomic(_note(path), json.dumps({**stamp, "sha256": value}).encode())
    return value


def _note(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]
    return teachers_dir() / "digests" / f"{name}.json"


def _stamp(path: Path) -> dict[str, Any]:
    facts = path.stat()
    return {"path": str(path.absolute()), "size": facts.st_size, "mtime_ns": facts.st_mtime_ns}


def remembered(path: Path) -> str | None:
    """Return the cached digest of a file, if the file is unchanged."""
    try:
        note = read_json(_note(path))
        same = {key: note[key] for key in ("path", "size", "mtime_ns")} == _stamp(path)
        return str(note["sha256"]) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
