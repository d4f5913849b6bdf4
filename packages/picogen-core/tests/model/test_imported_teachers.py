"""Big teacher files: read once into a cache that survives whatever happens to it."""

import errno
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from picogen_core import BadCheckpoint, BadInput
from picogen_core.model.checkpoint import load_model
from picogen_core.model.config import ModelConfig
from picogen_core.model.files import digests, imported
from picogen_core.model.files.digests import file_digest, teachers_dir
from picogen_core.model.files.imported import import_teacher
from picogen_core.model.files.notagen import read_notagen, write_notagen
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.runtime.progress import Quiet
from safetensors.torch import load_file

torch.set_num_threads(1)


class Listener(Quiet):
    def __init__(self) -> None:
        self.messages: list[str] = []
        self.stages: list[tuple[str, float | None, str]] = []
        self.done = 0.0

    def start(self, title: str, total: float | None, unit: str) -> None:
        self.stages.append((title, total, unit))

    def advance(self, done: float, values=None) -> None:
        self.done = done

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.fixture
def teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as big."""
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "SMALL", 0)
    torch.manual_seed(0)
    model = GenericStudent(
        ModelConfig(
            d_model=64, max_patches=24, backbone="gpt2",
            backbone_options={"layers": 2, "heads": 1, "max_patches": 24},
            head="char-transformer", head_options={"layers": 1, "heads": 1},
        )
    )  # fmt: skip
    write_notagen(tmp_path / "w.pth", model)
    return tmp_path / "w.pth"


def same(model: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(model.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def entries() -> set[str]:
    return {path.name for path in teachers_dir().iterdir() if path.suffix != ".lock"}


def test_it_is_read_once_and_told(teacher: Path):
    listener = Listener()
    model = load_model(teacher, reporter=listener)
    assert same(model, read_notagen(teacher)) and not model.training
    (said,) = listener.messages
    folder = import_teacher(teacher)
    assert said.startswith(f"Importing {teacher} once into {folder} (0.00 GB)")
    title, total, unit = listener.stages[-1]
    weights = sum(p.numel() for p in model.parameters()) * 4
    assert (title, unit) == ("Importing w.pth", "MB")
    assert total == listener.done == weights / 1e6
    assert folder.name == f"{locate(teacher).digest()[:32]}-fp32"
    source = json.loads((folder / "manifest.json").read_text())["source"]
    assert source["sha256"] == locate(teacher).digest()
    assert entries() == {folder.name, "digests"}


def test_the_second_time_the_file_is_not_read(teacher: Path):
    expected = load_model(teacher).state_dict()
    facts = teacher.stat()
    teacher.write_bytes(bytes(facts.st_size))
    os.utime(teacher, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    again = load_model(teacher).state_dict()
    assert all(torch.equal(expected[name], tensor) for name, tensor in again.items())
    os.utime(teacher, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    with pytest.raises(BadCheckpoint, match="not a file of plain tensors"):
        load_model(teacher)


def test_a_file_that_was_moved_is_known_again(teacher: Path):
    folder = import_teacher(teacher)
    listener = Listener()
    assert import_teacher(teacher.rename(teacher.with_name("v.pth")), reporter=listener) == folder
    assert listener.messages == [] and [title for title, *_ in listener.stages] == [
        "Checking v.pth"
    ]


def test_another_file_under_the_same_name_is_another_teacher(teacher: Path):
    folder = import_teacher(teacher)
    model = read_notagen(teacher)
    with torch.no_grad():
        model.patch_embedding.bias += 1
    write_notagen(teacher, model)
    assert import_teacher(teacher) != folder
    assert same(load_model(teacher), model)


def test_half_precision_takes_half_the_space(teacher: Path):
    exact, half = import_teacher(teacher), import_teacher(teacher, "fp16")
    stored = load_file(half / "model.safetensors")
    for name, tensor in load_file(exact / "model.safetensors").items():
        assert tensor.dtype == torch.float32 and stored[name].dtype == torch.float16
        assert torch.equal(tensor.half(), stored[name])
    model = load_model(teacher, storage="fp16")
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert torch.equal(model.patch_embedding.bias, stored["patch_embedding.bias"].float())


def change(path: Path, name: str, value: float) -> None:
    stored = torch.load(path, weights_only=True)
    stored["model"][name] = torch.full_like(stored["model"][name], value)
    torch.save(stored, path)


def test_numbers_are_checked_on_the_way(teacher: Path):
    change(teacher, "patch_level_decoder.base.ln_f.bias", 1e6)
    with pytest.raises(BadCheckpoint, match=r"too large for fp16.*teacher_storage=fp32"):
        import_teacher(teacher, "fp16")
    change(teacher, "patch_level_decoder.base.ln_f.bias", float("nan"))
    with pytest.raises(BadCheckpoint, match=r"w\.pth: tensor .* holds NaN"):
        import_teacher(teacher)
    assert entries() == {"digests"}


def test_a_full_disk_leaves_nothing(teacher: Path, monkeypatch: pytest.MonkeyPatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(imported.os, "fsync", full)
        patch.setattr(imported, "file_digest", lambda path, reporter: "0" * 64)
        with pytest.raises(BadInput, match=r"disk is full.*PICOGEN_CACHE.*fp16") as raised:
            import_teacher(teacher)
    assert "\n" not in str(raised.value)
    assert entries() <= {"digests"}
    with monkeypatch.context() as patch:
        usage = imported.shutil.disk_usage(teacher.parent)
        patch.setattr(imported.shutil, "disk_usage", lambda path: usage._replace(free=1000))
        with pytest.raises(BadInput, match="disk is full"):
            import_teacher(teacher)
    assert same(load_model(teacher), read_notagen(teacher))


def test_a_cache_that_cannot_be_made_is_told(teacher: Path, monkeypatch: pytest.MonkeyPatch):
    (teacher.parent / "file").write_text("")
    monkeypatch.setenv("PICOGEN_CACHE", str(teacher.parent / "file"))
    with pytest.raises(BadInput, match="cannot be written"):
        load_model(teacher)


def test_a_damaged_cache_says_so(teacher: Path):
    weights = import_teacher(teacher) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(BadCheckpoint, match="Delete it; it will be made again"):
        load_model(teacher)


def test_damaged_notes_of_digests_are_made_again(teacher: Path):
    expected = locate(teacher).digest()
    (note,) = (teachers_dir() / "digests").iterdir()
    for text in ("", "[]", "{}", '{"path": 1, "size": 2, "mtime_ns": 3, "sha256": "no"}'):
        note.write_text(text)
        assert locate(teacher).digest() == expected


def test_small_files_leave_no_trace(teacher: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(digests, "SMALL", 1 << 30)
    load_model(teacher)
    assert len(file_digest(teacher)) == 64
    assert not teachers_dir().exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the other process is a fork of this one")
def test_a_second_process_waits_and_takes_over_from_one_that_is_killed(
    teacher: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = imported._write_tensors
    reader, writer = os.pipe()

    def stuck(*arguments: Any) -> None:
        whole(*arguments)
        os.write(writer, b"!")
        time.sleep(60)

    child = os.fork()
    if child == 0:
        imported._write_tensors = stuck
        import_teacher(teacher)
    assert os.read(reader, 1) == b"!"
    (half,) = (path for path in teachers_dir().iterdir() if path.name.endswith(".writing"))

    class Killer(Listener):
        def message(self, text: str) -> None:
            super().message(text)
            if "waiting" in text:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    listener = Killer()
    folder = import_teacher(teacher, reporter=listener)
    waits, imports = listener.messages
    assert waits == f"Another process is writing {folder}; waiting for it."
    assert imports.startswith("Importing") and not half.exists()
    assert same(load_model(teacher), read_notagen(teacher))
