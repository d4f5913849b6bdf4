"""Output folders and files that are whole or not there."""

import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from picogen_core.errors import BadInput
from picogen_core.runtime.files import (
    check_replaceable,
    output_folder,
    prepare_output_dir,
    write_atomic,
    written_aside,
)
from picogen_core.runtime.locks import in_turn
from picogen_core.runtime.progress import Quiet


def test_a_new_folder_is_made(tmp_path):
    prepare_output_dir(tmp_path / "a" / "b", force=False)
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_holds_something_needs_force(tmp_path):
    (tmp_path / "old.txt").write_text("old")
    with pytest.raises(BadInput) as refused:
        prepare_output_dir(tmp_path, force=False)
    assert str(refused.value) == (
        f"output folder {tmp_path} is not empty. Choose another or add --force."
    )
    prepare_output_dir(tmp_path, force=True)
    assert (tmp_path / "old.txt").read_text() == "old"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="is a file"):
        prepare_output_dir(tmp_path / "file", force=True)
    with pytest.raises(BadInput, match=r"Not a directory|is a file"):
        prepare_output_dir(tmp_path / "file" / "below", force=True)


def test_a_write_replaces_and_leaves_nothing_beside(tmp_path):
    target = tmp_path / "deep" / "x.bin"
    write_atomic(target, b"one")
    write_atomic(target, b"two")
    assert target.read_bytes() == b"two"
    assert [path.name for path in target.parent.iterdir()] == ["x.bin"]
    assert stat.S_IMODE(target.stat().st_mode) & 0o400


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "x.bin"
    write_atomic(target, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BadInput, match="No space left on device"):
        write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.bin"]


def test_files_take_their_places_together_or_not_at_all(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), written_aside(tmp_path) as aside:
        (aside / "a").write_text("half")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"
    with written_aside(tmp_path) as aside:
        (aside / "a").write_text("new")
        (aside / "b").write_text("b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "new"


def test_one_process_at_a_time_writes_into_a_folder(tmp_path: Path) -> None:
    with output_folder(tmp_path / "o", force=False):
        with (
            pytest.raises(BadInput, match="another process is writing into"),
            output_folder(tmp_path / "o", force=True),
        ):
            raise AssertionError
        (tmp_path / "o" / "a").write_text("mine")
    with output_folder(tmp_path / "o", force=True):
        assert [file.name for file in (tmp_path / "o").iterdir()] == ["a"]


def test_those_that_share_a_folder_keep_others_out(tmp_path: Path) -> None:
    with (
        output_folder(tmp_path, True, shared=True),
        output_folder(tmp_path, True, shared=True),
        pytest.raises(BadInput, match="another process"),
        output_folder(tmp_path, True),
    ):
        raise AssertionError


def test_the_system_lets_go_of_the_lock_of_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from picogen_core.runtime.files import output_folder\n"
        "with output_folder(Path(sys.argv[1]), False):\n"
        "    print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() == b"held\n"
        with pytest.raises(BadInput, match="another process"), output_folder(tmp_path, True):
            raise AssertionError
        other.kill()
    with output_folder(tmp_path, force=False):
        pass


def test_who_comes_second_waits_and_finds_the_folder_published(tmp_path: Path) -> None:
    final, told = tmp_path / "f", []
    second = threading.Event()

    class Told(Quiet):
        def message(self, text: str) -> None:
            told.append(text)
            second.set()

    def wait() -> bool:
        with in_turn(final, Told()):
            return final.is_dir()

    with ThreadPoolExecutor(1) as pool:
        with in_turn(final, Quiet()) as aside:
            (aside / "a").write_text("whole")
            found = pool.submit(wait)
            assert second.wait(60)
            aside.rename(final)
        assert found.result(60) is True
    assert told == [f"Another process is writing {final}; waiting for it."]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_what_a_killed_process_left_half_written_goes_and_counts_as_nothing(tmp_path: Path) -> None:
    (tmp_path / ".writing.abc").write_text("half")
    (tmp_path / ".writing.def").mkdir()
    with output_folder(tmp_path, force=False):
        assert list(tmp_path.iterdir()) == []


def test_the_file_that_marks_the_others_whole_goes_first_and_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "index", "z"):
        (tmp_path / name).write_text("old")
    seen = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.append((target.name, (tmp_path / "index").exists()))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    with written_aside(tmp_path, last="index") as aside:
        for name in ("index", "a", "z"):
            (aside / name).write_text("new")
    assert seen == [("a", False), ("z", False), ("index", False)]
    assert (tmp_path / "index").read_text() == "new"


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_only_files_are_replaced(tmp_path: Path, kind: str) -> None:
    target, other = tmp_path / "target", tmp_path / "other"
    other.write_text("kept")
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "link":
        target.symlink_to(other)
    else:
        target.mkdir()
    with pytest.raises(BadInput, match="not a regular file"):
        write_atomic(target, b"new")
    with pytest.raises(BadInput, match="not a regular file"), written_aside(tmp_path) as aside:
        (aside / "target").write_text("new")
    with pytest.raises(BadInput, match="not a regular file"):
        check_replaceable(target, True, b"")
    assert other.read_text() == "kept"
    assert {path.name for path in tmp_path.iterdir()} == {"target", "other"}


def test_a_file_of_another_kind_is_replaced_by_force_alone(tmp_path: Path) -> None:
    page = tmp_path / "page"
    check_replaceable(page, False, b"made by")
    page.write_text("<!-- made by us -->")
    check_replaceable(page, False, b"made by")
    page.write_text("X:1")
    with pytest.raises(BadInput, match=r"exists\. Choose another name, or add --force"):
        check_replaceable(page, False, b"made by")
    check_replaceable(page, True, b"made by")
