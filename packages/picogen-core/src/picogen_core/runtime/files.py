"""Atomic writes: a reader never finds an incomplete file."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from picogen_core.errors import BadInput
from picogen_core.runtime.locks import LOCK, only_writer
from picogen_core.runtime.reading import open_file

ASIDE = ".writing."
"""Prefix of the names of unfinished files."""

_MARKED = 4096


def prepare_output_dir(path: Path, force: bool) -> None:
    """Make the folder. With `force` it may hold files; same-named ones will be overwritten.

    Raises:
        BadInput: it is a file, cannot be made, or is not empty and `force` is off.
    """
    if path.exists() and not path.is_dir():
        raise BadInput(f"output folder {path} is a file. Choose another.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        full = any(not _is_ours(file.name) for file in path.iterdir())
    except OSError as error:
        raise BadInput(f"output folder {path}: {error.strerror}. Choose another.") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise BadInput(f"output folder {path} may not be written to. Choose another.")
    if full and not force:
        raise BadInput(f"output folder {path} is not empty. Choose another or add --force.")


@contextmanager
def output_folder(path: Path, force: bool, shared: bool = False) -> Iterator[None]:
    """Context with a folder from `prepare_output_dir`, locked against other writers.

    `shared` admits others that share it. Unfinished files of killed processes are removed.

    Raises:
        BadInput: as `prepare_output_dir`, or another process is writing there.
    """
    if path.exists() and not path.is_dir():
        raise BadInput(f"output folder {path} is a file. Choose another.")
    try:
        with only_writer(path, shared):
            prepare_output_dir(path, force)
            if not shared:
                clear_aside(path)
            yield
    except OSError as error:
        if error.filename and Path(error.filename) in (path, *path.parents):
            why = error.strerror
            raise BadInput(f"output folder {path}: {why}. Choose another.") from None
        raise


def clear_aside(folder: Path) -> None:
    """Remove unfinished files of killed processes; only for the exclusive holder of the folder."""
    for left in folder.glob(f"{ASIDE}*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


@contextmanager
def written_aside(folder: Path, last: str = "") -> Iterator[Path]:
    """Context with a temporary folder in `folder`, whose files move to `folder` on success.

    After an exception they are removed, and the old files stay. `folder` is made if needed. `last`
    is a file that marks the others as complete: the old one goes first, the new one comes last.

    Raises:
        BadInput: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder, prefix=ASIDE))
        try:
            yield aside
            files = sorted(aside.iterdir(), key=lambda file: (file.name == last, file.name))
            for file in files:
                refuse_special(folder / file.name)
                if file.is_file():
                    file.chmod(mode())
                    flush(file)
            if last:
                (folder / last).unlink(missing_ok=True)
            for file in files:
                file.replace(folder / file.name)
            flush(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror or error}.") from None


def write_atomic(path: Path, data: bytes) -> None:
    """Write a temporary file, flush it, rename it: a reader sees the old file or the new one.

    Raises:
        BadInput: the folder cannot be written to, or the path is not a regular file.
    """
    aside = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_special(path)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=ASIDE)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(mode())  # mkstemp makes files that only their owner may read
        Path(aside).replace(path)
        aside = ""
        flush(path.parent)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        if aside:
            Path(aside).unlink(missing_ok=True)


def refuse_special(path: Path) -> None:
    """Raise `OSError` for a device, a pipe, a folder or a link; none of them is ever replaced."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise OSError(errno.EEXIST, "not a regular file")


def check_replaceable(path: Path, force: bool, mark: bytes) -> None:
    """Refuse to replace a file of another kind without `force`.

    mark: bytes near the start of a file that may be replaced.

    Raises:
        BadInput: the path is another kind of file, or not a regular file.
    """
    try:
        refuse_special(path)
        if path.exists() and not force:
            with open_file(path) as file:
                own = mark in file.read(_MARKED)
            if not own:
                raise BadInput(f"{path} exists. Choose another name, or add --force to replace it.")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from None


def flush(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk. Windows cannot flush a folder."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_ours(name: str) -> bool:
    """Return whether a file is a lock, or an unfinished file of a killed process."""
    return name == LOCK or name.startswith(ASIDE)


@cache
def mode() -> int:
    """Return the permissions of new files, by the user's umask."""
    mask = os.umask(0o022)
    os.umask(mask)
    return 0o666 & ~mask
