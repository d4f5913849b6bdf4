"""Reading files that others may have made: regular files alone, and the size before the bytes."""

from __future__ import annotations

import errno
import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any, BinaryIO

MAX_TEXT = 64_000_000
"""Bytes of a configuration, a manifest, a list or a log."""


class Refused(OSError):
    """A file that is not opened for what it is, or not read for its size."""


def open_file(path: Path, most: int | None = None) -> BinaryIO:
    """A regular file, opened for reading. A pipe or a device is never opened.

    Raises:
        OSError: there is none, it is something else, or it has more than `most` bytes.
    """
    _check(path.stat(), path, most)
    # Another process may put a pipe in its place meanwhile: opened so, it does not wait.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check(os.fstat(handle), path, most)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_file(path: Path, most: int | None = None) -> int:
    """The size of a regular file that a library will open. Raises `OSError` as `open_file`."""
    return _check(path.stat(), path, most)


def read_bytes(path: Path, most: int = MAX_TEXT) -> bytes:
    """The bytes of a file, also of one that grows meanwhile. Raises `OSError` as `open_file`."""
    with open_file(path, most) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise _too_large(path, most)
    return data


def read_text(path: Path, most: int = MAX_TEXT) -> str:
    """A text in UTF-8, with or without its mark.

    Raises:
        OSError: as `open_file`.
        ValueError: it is no text.
    """
    return read_bytes(path, most).decode("utf-8-sig")


def read_json(path: Path, most: int = MAX_TEXT) -> Any:
    """The value in a JSON file. Raises `OSError` as `open_file`, `ValueError` if it is no JSON."""
    return parse_json(read_text(path, most))


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises `ValueError` for what is none, or is nested too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def parse_toml(text: str) -> dict[str, Any]:
    """The table of a TOML text. Raises `ValueError` for what is none, or is nested too deep."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _check(found: os.stat_result, path: Path, most: int | None) -> int:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise Refused(errno.EINVAL, "not a regular file", str(path))
    if most is not None and found.st_size > most:
        raise _too_large(path, most)
    return found.st_size


def _too_large(path: Path, most: int) -> OSError:
    return Refused(errno.EFBIG, f"larger than {most // 10**6} MB", str(path))
