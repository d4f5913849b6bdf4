"""Output folders and files that are whole or not there."""

import stat

import pytest
from picogen_core.errors import BadInput
from picogen_core.files import prepare_output_dir, write_atomic, written_aside


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
