"""Reading untrusted files: only regular files, and the size is checked before reading."""

from __future__ import annotations

import errno
import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any, BinaryIO

MAX_TEXT = 64_000_000
"""Largest size of a configuration, a manifest, a list or a log, in bytes."""


class Refused(OSError):
    """A file that is refused for its kind or its size."""


def open_file(path: Path, most: int | None = None) -> BinaryIO:
    """Return a regular file, opened for reading. A pipe or a device is never opened.

    Raises:
        OSError: it is missing, not a regular file, or larger than `most` bytes.
    """
    _check(path.stat(), path, most)
    # Another process may replace it by a pipe meanwhile: opened this way, it does not block.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check(os.fstat(handle), path, most)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_file(path: Path, most: int | None = None) -> int:
    """Return the size of a regular file for a library to open. Raises `OSError` as `open_file`."""
    return _check(path.stat(), path, most)


def read_bytes(path: Path, most: int = MAX_TEXT) -> bytes:
    """Return the bytes of a file, which may grow meanwhile. Raises `OSError` as `open_file`."""
    with open_file(path, most) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise _too_large(path, most)
    return data


def read_text(path: Path, most: int = MAX_TEXT) -> str:
    """Return a text in UTF-8, with or without its byte-order mark.

    Raises:
        OSError: as `open_file`.
        ValueError: it is not UTF-8.
    """
    return read_bytes(path, most).decode("utf-8-sig")


def read_json(path: Path, most: int = MAX_TEXT) -> Any:
    """Return the value of a JSON file. Raises `OSError` as `open_file`, or `ValueError`."""
    return parse_json(read_text(path, most))


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises `ValueError` if it is invalid or nested too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return the table of a TOML text. Raises `ValueError` if it is invalid or nested too deep."""
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
