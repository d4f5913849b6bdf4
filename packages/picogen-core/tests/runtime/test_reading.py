import os
import threading
from pathlib import Path

import pytest
from picogen_core.runtime.reading import (
    Refused,
    open_file,
    parse_json,
    parse_toml,
    read_bytes,
    read_text,
)


def test_a_regular_file_is_read_with_or_without_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffé".encode())
    assert read_bytes(tmp_path / "a") == b"\xef\xbb\xbf\xc3\xa9"
    assert read_text(tmp_path / "a") == "é"


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="not a regular file"):
        read_bytes(tmp_path / "pipe")


def test_a_pipe_that_takes_the_place_of_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    found = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda self: found)
    with pytest.raises(Refused, match="not a regular file"):
        open_file(path)


def test_devices_folders_and_links_to_them_are_refused(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(Refused, match="not a regular file"):
        read_bytes(tmp_path / "zero")
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path)


def test_a_sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(8 << 30)
    with pytest.raises(Refused, match="larger than 64 MB"):
        read_bytes(tmp_path / "big")


def test_a_file_that_grows_is_read_up_to_the_limit(tmp_path: Path) -> None:
    path, over = tmp_path / "log", threading.Event()
    path.write_bytes(b"x" * 1000)

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not over.is_set():
                file.write(b"x" * 100_000)
                if file.tell() > 50_000_000:
                    return

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        for _ in range(20):
            try:
                assert len(read_bytes(path, 2_000_000)) <= 2_000_000
            except Refused as error:
                assert error.strerror == "larger than 2 MB"
    finally:
        over.set()
        writer.join()


def test_what_is_nested_too_deep_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deep"):
        parse_toml("a = " + "[" * 100_000)
    with pytest.raises(ValueError):
        parse_toml("a = " + "9" * 5000)
