"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from picogen_core.errors import BadInput


def prepare_output_dir(path: Path, force: bool) -> None:
    """Make the folder. With `force` it may hold files; same-named ones will be overwritten.

    Raises:
        BadInput: it is a file, cannot be made, or holds something and `force` is off.
    """
    if path.exists() and not path.is_dir():
        raise BadInput(f"output folder {path} is a file. Choose another.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        full = any(path.iterdir())
    except OSError as error:
        raise BadInput(f"output folder {path}: {error.strerror}. Choose another.") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise BadInput(f"output folder {path} may not be written to. Choose another.")
    if full and not force:
        raise BadInput(f"output folder {path} is not empty. Choose another or add --force.")


@contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """A new folder within `folder`, whose files take their places there when all of them are whole.
    If anything is raised they go away, and what was there before stays. `folder` is made too.

    Raises:
        BadInput: the place cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder, prefix=".writing."))
        try:
            yield aside
            for file in sorted(aside.iterdir()):
                flush(file)
            for file in sorted(aside.iterdir()):
                file.replace(folder / file.name)
            flush(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror or error}.") from None


def write_atomic(path: Path, data: bytes) -> None:
    """Write aside, flush to disk, then take the name: a reader sees the old file or the new one.

    Raises:
        BadInput: the place cannot be written to.
    """
    aside = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner may read
        Path(aside).replace(path)
        aside = ""
        flush(path.parent)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        if aside:
            Path(aside).unlink(missing_ok=True)


def flush(path: Path) -> None:
    """A file, or the names in a folder, out to the disk. Windows has no way to flush a folder."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
