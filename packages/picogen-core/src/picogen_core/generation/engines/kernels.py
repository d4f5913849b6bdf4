"""Compilation of kernels in the background, so that the first piece does not wait.

Compilation takes 15 to 40 seconds, once per machine. Torch generates the same music meanwhile. A
marker in the cache folder names the parts whose kernels lie on disk.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from picogen_core.errors import PicogenError
from picogen_core.model.config import ModelConfig
from picogen_core.plugins.registry import registry
from picogen_core.runtime.behind import end_unless_let_go, start_behind
from picogen_core.runtime.cache import cache_dir

WAIT = "PICOGEN_COMPILE"
"""Environment variable: `wait` compiles before the first piece, not in the background."""
LONGEST = 600.0  # seconds; a process that takes longer has died
PATCHES = 24  # of a piece that runs every kernel once


def ready(config: ModelConfig) -> bool:
    """Return whether this model's kernels are compiled, or the caller should wait for them."""
    waits = os.environ.get(WAIT) == "wait" or find_spec("torch") is None
    return waits or _marker(config).is_file()


def compile_behind(path: Path | str, config: ModelConfig) -> None:
    """Start a process that compiles for the checkpoint `path`, unless one is running.

    It goes on after this process, but a signal that ends this process ends it too. One that failed
    counts as running for `LONGEST`, so that not every run begins another.
    """
    busy = _marker(config).with_suffix(".busy")
    try:
        busy.parent.mkdir(parents=True, exist_ok=True)
        if busy.is_file() and time.time() - busy.stat().st_mtime < LONGEST:
            return
        busy.touch()
        command = [sys.executable, "-m", __name__, _anywhere(path), str(busy)]
        start_behind(command, os.environ | {WAIT: "wait"})
    except OSError:  # no cache or no process: the next run compiles for itself
        return


def _anywhere(path: Path | str) -> str:
    """Return a name that means the same in any folder: the process leaves this one."""
    return str(Path(path).absolute() if Path(path).exists() else path)


def compile_now(path: Path | str) -> None:
    """Compile by generating a free piece, and one under the grammar."""
    from picogen_core.generation.request.options import PieceRequest
    from picogen_core.generation.session import Session

    session = Session(path, engine="numba", device="cpu")
    marker = _marker(session.config)
    for bars in (None, 2):
        request = PieceRequest(max_length=PATCHES if bars is None else None, bars=bars)
        list(session.write([session.prepare(request)]))
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    marker.with_suffix(".busy").unlink(missing_ok=True)


def _marker(config: ModelConfig) -> Path:
    return cache_dir() / "kernels" / f"{_stamp(config)}.ready"


def _stamp(config: ModelConfig) -> str:
    """Return a digest of the parts, their kernels' sources and the compilers."""
    parts: list[Any] = [sys.version, _version("numba"), _version("llvmlite"), _version("numpy")]
    folders = {Path(find_spec("picogen_core").origin or "").parent / "compiled"}  # type: ignore[union-attr]
    for kind, name in (("backbone", config.backbone), ("head", config.head)):
        entry = registry().get(kind, name)
        parts += [entry.address, entry.version]
        step = getattr(entry.spec, "compiled_step", None)
        source = step and find_spec(step.__module__)
        if source and source.origin:
            folders.add(Path(source.origin).parent)
    for file in sorted(file for folder in folders for file in folder.rglob("*.py")):
        about = file.stat()
        parts += [str(file), about.st_mtime_ns, about.st_size]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)
    end_unless_let_go(lambda: Path(sys.argv[2]).unlink(missing_ok=True))
    os.chdir(tempfile.gettempdir())
    try:
        compile_now(sys.argv[1])
    except PicogenError:
        sys.exit(1)
