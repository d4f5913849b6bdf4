"""What hypothesis makes up in the formats that are read is read, or refused in one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picogen_cli.settings import resolve
from picogen_core.data.piece import Made, Rejected, Task, make
from picogen_core.data.prepared.index import open_data
from picogen_core.data.types import SourcePiece
from picogen_core.errors import PicogenError
from picogen_core.generation.request.job import PieceRequest
from picogen_core.generation.request.jobs import read_jobs
from picogen_core.model.checkpoint import load_model
from picogen_core.model.files.notagen import read_notagen
from picogen_core.model.locate import locate
from picogen_core.score.reading import Piece, Unreadable, read_pieces

from tests.hostile import strategies
from tests.hostile.stored import make_stored

bounded = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SCORES = {
    "a.abc": strategies.abc,
    "a.musicxml": strategies.musicxml,
    "a.krn": strategies.kern,
    "a.mid": strategies.midi,
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    make_stored(folder)
    return folder


@pytest.mark.parametrize("name", SCORES)
def test_scores(tmp_path: Path, name: str) -> None:
    read = 0

    @bounded
    @given(SCORES[name])
    def check(data: bytes) -> None:
        nonlocal read
        (tmp_path / name).write_bytes(data)
        for piece in read_pieces(tmp_path / name):
            assert isinstance(piece, Piece | Unreadable)
            if isinstance(piece, Piece):
                read += 1
                continue
            assert piece.reason and "\n" not in piece.reason
        if name == "a.abc":
            source = SourcePiece(name, data.decode(), "", "")
            made = make(Task(source, ""), "original", 0, None)  # type: ignore[arg-type]
            assert isinstance(made, Made | Rejected)

    check()
    assert read > 5  # else nothing beyond the first refusal is tried


def damaged(file: Path, made: st.SearchStrategy[Any], readers: list[Any]) -> None:
    """Every reader on whatever stands in the file."""

    @bounded
    @given(made)
    def check(data: str | bytes) -> None:
        file.write_bytes(data.encode(errors="replace") if isinstance(data, str) else data)
        for reader in readers:
            try:
                reader()
            except PicogenError as error:
                assert str(error)

    check()


@pytest.mark.parametrize("name", ["config.json", "manifest.json", "model.safetensors"])
def test_checkpoints(stored: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "last"
    shutil.copytree(stored / "runs" / "run" / "last", folder)
    file = folder / name
    made: st.SearchStrategy[Any] = strategies.safetensors
    if file.suffix == ".json":
        made = strategies.changed(json.loads(file.read_text()))
    readers = [
        lambda: locate(folder).config,
        lambda: load_model(folder),
        lambda: locate(folder).manifest(),
        lambda: locate(folder).arrays(),
    ]
    damaged(file, made, readers)


@pytest.mark.parametrize("name", ["index.jsonl", "patches.npy", "note_offsets.npy"])
def test_prepared_data(stored: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "data"
    shutil.copytree(stored / "data", folder)
    file = folder / name
    made: st.SearchStrategy[Any] = strategies.npy
    if file.suffix == ".jsonl":
        first, *rest = file.read_text().splitlines()
        made = strategies.changed(json.loads(first)).map(lambda line: "\n".join([line, *rest]))
    damaged(file, made, [lambda: open_data(folder)])


def test_weights(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    damaged(file, strategies.pth, [lambda: read_notagen(file), lambda: locate(file).config])
    assert list(tmp_path.iterdir()) == [file]


def test_settings(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    damaged(file, strategies.toml, [lambda: resolve(file, {}, [], {}, None)])


def test_lists(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    good = {"id": "a", "prompt": "K:C", "continue": "x.abc", "bars": 3, "temperature": 0.5}
    damaged(file, strategies.changed(good), [lambda: read_jobs(file, PieceRequest())])
