"""A signal at any moment leaves no process, no traceback and nothing half written."""

import json
import signal
from pathlib import Path

import pytest

from tests.hostile.arena import contents, picogen
from tests.hostile.mutants import ABC, SCORES

MOMENTS = [(signal.SIGTERM, 0.4), (signal.SIGINT, 1.2), (signal.SIGHUP, 2.0), (signal.SIGTERM, 3.0)]


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many that no command is done with them in three seconds."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(150):
        (folder / f"t{number}.abc").write_text(ABC.replace("GAB", "GABcde"[: number % 6 + 1] * 8))
        (folder / f"s{number}.musicxml").write_bytes(SCORES["score.musicxml"])
    return folder


@pytest.mark.parametrize(("number", "after"), MOMENTS)
@pytest.mark.parametrize("command", ["data", "convert"])
def test_a_command_ends_with_all_of_its_processes(
    scores: Path, tmp_path: Path, command: str, number: int, after: float
) -> None:
    before = contents(scores)
    out = tmp_path / "out"
    options = ["--jobs", "2"] if command == "data" else ["--to", "svg"]
    done = picogen([command, scores, "--output-dir", out, *options], tmp_path, 60, number, after)
    assert done.faults() == []
    assert done.code == (130 if number == signal.SIGINT else 143)
    assert contents(scores) == before
    left = contents(out) if out.exists() else {}
    assert not [name for name in left if ".writing." in name]
    if command == "convert":
        assert all(data.rstrip().endswith(b"</svg>") for data in left.values())


def test_a_preparation_that_was_stopped_goes_on(scores: Path, tmp_path: Path) -> None:
    command = ["data", scores, "--output-dir", tmp_path / "out"]
    assert picogen(command, tmp_path, 60, signal.SIGTERM, 3.0).code == 143
    assert not (tmp_path / "out" / "index.jsonl").exists()
    done = picogen([*command, "--resume", "--json"], tmp_path)
    assert done.code == 0 and json.loads(done.out)["pieces"] > 0
    assert not (tmp_path / "out" / "parts").exists()
