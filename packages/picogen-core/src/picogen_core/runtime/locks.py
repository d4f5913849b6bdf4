"""One writer at a time in a folder.

The lock is of the folder itself, so it leaves no file, and the system lets go of the lock of a
process that was killed. Where folders cannot be locked (Windows) it is of a file `.lock` in it.
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
    """Hold the folder, which is made, while the block runs; `shared` with others that share it.

    Raises:
        BadInput: another process holds it.
    """
    with ExitStack() as held:
        if not _take(folder, held, shared=shared):
            raise BadInput(
                f"another process is writing into {folder}. Wait for it, or choose another folder."
            )
        yield


@contextmanager
def in_turn(folder: Path, reporter: Reporter) -> Iterator[Path]:
    """The folder beside `folder` in which it is made, for one process after the other. It holds
    what a killed process has left, and goes if it is empty; renamed, it is `folder`.

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
    """Make the folder and lock it; whether that was to be had. `held` lets go of it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        if fcntl is None:
            return shared or _take_file(folder / LOCK, held, wait)
        handle = os.open(folder, os.O_RDONLY)
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            with suppress(OSError):  # a file system without locks: better unguarded than not at all
                try:
                    fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
                except BlockingIOError:
                    return False
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), folder.stat()):
                    held.callback(os.close, handle)
                    handle = -1
                    return True
        finally:  # else its last holder has removed or renamed it meanwhile
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
