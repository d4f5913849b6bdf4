"""Damaged scores and bombs: each costs itself, in readers and in whole commands."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picogen_core.data.piece import Made, Rejected, Task, make
from picogen_core.data.types import SourcePiece
from picogen_core.errors import PicogenError
from picogen_core.generation.request.continued import read_opening
from picogen_core.score.reading import Piece, Unreadable, read_pieces

from tests.hostile.arena import contents, picogen
from tests.hostile.bombs import PLACES, SCORE_BOMBS, write_bombs
from tests.hostile.mutants import SCORES, mutant, write_mutants

bounded = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@bounded
@given(st.sampled_from(sorted(SCORES)), st.randoms(use_true_random=False))
def test_a_mutant_is_read_or_refused(tmp_path: Path, name: str, rng: random.Random) -> None:
    path = tmp_path / name
    path.write_bytes(mutant(SCORES[name], rng))
    for piece in read_pieces(path):
        assert isinstance(piece, Piece | Unreadable)
        if isinstance(piece, Unreadable):
            assert piece.reason and "\n" not in piece.reason


@bounded
@given(st.sampled_from(["tune.abc", "voices.abc"]), st.randoms(use_true_random=False))
def test_a_mutant_of_abc_is_prepared_and_gone_on_from_or_refused(
    tmp_path: Path, name: str, rng: random.Random
) -> None:
    data = mutant(SCORES[name], rng)
    piece = SourcePiece(name, data.decode("latin-1"), "", "")
    made = make(Task(piece, ""), "original", 0, None)  # type: ignore[arg-type]
    assert isinstance(made, Made | Rejected)
    (tmp_path / name).write_bytes(data)
    try:
        read_opening(tmp_path / name, None, 32)
    except PicogenError as error:
        assert str(error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty mutants, a small bomb of each kind, and a good score of each."""
    rng = random.Random(4)
    place = tmp_path_factory.mktemp("hostile") / "scores"
    write_mutants(place, 30, rng)
    write_bombs(place, len(SCORE_BOMBS) + len(PLACES), rng, (300,))
    return place


def test_the_good_scores_of_a_hostile_folder_are_converted(folder: Path, tmp_path: Path) -> None:
    before = contents(folder)
    command = ["convert", folder, "--output-dir", tmp_path / "out", "--to", "musicxml", "--json"]
    done = picogen(command, tmp_path)
    assert done.faults() == [] and done.code == 1
    failed = [file["input"] for file in json.loads(done.out)["files"] if "error" in file]
    assert failed and not [path for path in failed if "/good-" in path]
    assert len(list((tmp_path / "out").glob("good-*.musicxml"))) == len(SCORES)
    assert contents(folder) == before


def test_the_good_scores_of_a_hostile_folder_are_measured(folder: Path, tmp_path: Path) -> None:
    before = contents(folder)
    metrics = ["--metric", "validity", "--metric", "musicality", "--set", "validity.convert=false"]
    done = picogen(["eval", folder, *metrics, "--no-cache", "--json"], tmp_path)
    assert done.faults() == [] and done.code == 0
    told = json.loads(done.out)
    measured = {score["name"] for score in told["scores"] if not score["undefined"]}
    assert len([name for name in measured if name.startswith("good-")]) == len(SCORES)
    pipe = next(file.name for file in folder.iterdir() if file.is_fifo())
    assert told["unreadable"][pipe] == "not a regular file"
    assert contents(folder) == before


def test_the_good_scores_of_a_hostile_folder_are_gone_on_from(folder: Path, tmp_path: Path) -> None:
    before = contents(folder)
    names = sorted(file.name for file in folder.iterdir() if not file.is_dir())
    rows = [{"id": name, "continue": str(folder / name), "keep_bars": 1} for name in names]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["generate", "--list", "list.jsonl", "--engine", "torch", "--max-length", "16"]
    done = picogen([*command, "--json"], tmp_path)
    assert done.faults() == [] and done.code == 1
    told = json.loads(done.out)
    assert len([name for name in told["written"] if name.startswith("good-")]) == len(SCORES)
    assert not [name for name in told["failed"] if name.startswith("good-")]
    assert contents(folder) == before


def test_the_good_scores_of_a_hostile_folder_are_prepared(folder: Path, tmp_path: Path) -> None:
    before = contents(folder)
    done = picogen(["data", folder, "--output-dir", tmp_path / "out"], tmp_path)
    assert done.faults() == [] and done.code == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    refused = {row["path"]: row["reason"] for row in report["rejected"] if "good-" in row["path"]}
    assert all(reason.startswith("a copy of") for reason in refused.values()), refused
    assert contents(folder) == before
