"""One writer at a time in a folder.

The lock is on the folder itself, so it leaves no file, and the system releases the lock of a killed
process. Where folders cannot be locked (Windows), it is on a file `.lock` in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from picogen_core.errors import BadInput
from picogen_core.runtime.progress import Reporter

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"


@contextmanager
def only_writer(folder: Path, shared: bool = False) -> Iterator[None]:
    """Context that makes the folder and locks it; `shared` admits others that share it.

    Raises:
        BadInput: another process holds the lock.
    """
    with ExitStack() as held:
        if not _take(folder, held, shared=shared):
            raise BadInput(
                f"another process is writing into {folder}. Wait for it, or choose another folder."
            )
        yield


@contextmanager
def in_turn(folder: Path, reporter: Reporter) -> Iterator[Path]:
    """Context with a temporary folder beside `folder`, locked so that processes take turns.

    It may hold files of a killed process. The caller renames it to `folder`; if empty, it is
    removed.

    Raises:
        OSError: it cannot be made.
    """
    aside = folder.with_name(f".{folder.name}.writing")
    with ExitStack() as held:
        if not _take(aside, held):
            reporter.message(f"Another process is writing {folder}; waiting for it.")
            _take(aside, held, wait=True)
        try:
            yield aside
        finally:
            with suppress(OSError):
                aside.rmdir()


def _take(folder: Path, held: ExitStack, *, wait: bool = False, shared: bool = False) -> bool:
    """Make the folder and lock it; return whether it could be locked. `held` releases it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        if fcntl is None:
            return shared or _take_file(folder / LOCK, held, wait)
        handle = os.open(folder, os.O_RDONLY)
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            with suppress(OSError):  # a file system without locks: go on without one
                try:
                    fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
                except BlockingIOError:
                    return False
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), folder.stat()):
                    held.callback(os.close, handle)
                    handle = -1
                    return True
        finally:  # its last holder may have removed or renamed it meanwhile
            if handle >= 0:
                os.close(handle)


def _take_file(file: Path, held: ExitStack, wait: bool) -> bool:
    from filelock import FileLock, Timeout

    lock = FileLock(file)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        return False
    held.callback(lock.release)
    return True
