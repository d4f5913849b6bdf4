"""While kernels compile in the background torch writes, and what it writes is the same."""

import sys
from pathlib import Path

import pytest
import torch
from picogen_core.generation.engines import kernels
from picogen_core.generation.request.options import PieceRequest
from picogen_core.generation.session import Session
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent
from picogen_core.runtime.progress import Quiet

torch.set_num_threads(1)


class Told(Quiet):
    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(kernels.WAIT, raising=False)
    torch.manual_seed(0)
    config = ModelConfig(d_model=32, max_patches=24, backbone="rwkv", head="char-gru",
                         backbone_options={"layers": 1, "head_size": 32})  # fmt: skip
    save_checkpoint(tmp_path / "weights", GenericStudent(config), {})
    return tmp_path / "weights"


def written(session: Session) -> tuple[str, str]:
    """Text and engine of a piece."""
    events = list(session.write([session.prepare(PieceRequest(seed=1))]))
    record = next(event.score.record for event in events if event.score)
    return "".join(event.text for event in events), record["engine"]


def test_torch_writes_until_the_kernels_are_there(folder: Path, monkeypatch: pytest.MonkeyPatch):
    started = []
    monkeypatch.setattr(kernels, "start_behind", lambda command, _: started.append(command))
    told = Told()
    session = Session(folder, reporter=told)
    text, engine = written(session)
    assert engine == "torch"
    assert [message for message in told.messages if "background" in message]
    [command] = started
    assert command[:-1] == [sys.executable, "-m", kernels.__name__, str(folder)]
    assert Path(command[-1]).suffix == ".busy" and Path(command[-1]).is_file()
    written(Session(folder))
    assert len(started) == 1  # one is at work
    kernels.compile_now(folder)
    assert written(session) == (text, "numba")
    assert written(Session(folder)) == (text, "numba")


def test_other_sources_are_compiled_anew(folder: Path, monkeypatch: pytest.MonkeyPatch):
    kernels.compile_now(folder)
    config = Session(folder).config
    assert kernels.ready(config)
    monkeypatch.setattr(kernels, "_version", lambda name: "another")
    assert not kernels.ready(config)


def test_who_waits_compiles_first(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(kernels.WAIT, "wait")
    assert written(Session(folder))[1] == "numba"


def test_an_engine_by_name_is_taken_at_once(folder: Path):
    assert written(Session(folder, engine="numba"))[1] == "numba"


def test_a_relative_path_is_found_from_another_folder(folder: Path, monkeypatch):
    started = []
    monkeypatch.setattr(kernels, "start_behind", lambda command, _: started.append(command))
    monkeypatch.chdir(folder.parent)
    written(Session(folder.name))
    assert [command[3] for command in started] == [str(folder)]
