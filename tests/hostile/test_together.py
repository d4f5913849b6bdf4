"""Three processes at once on one folder: one writes, the others wait or are refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.hostile.arena import picogen, start
from tests.hostile.mutants import ABC, SCORES


def three(arguments: Sequence[object], cwd: Path) -> list[tuple[int, str]]:
    """Exit code and stderr of three that are started at once."""
    files = [cwd / f"told-{number}" for number in range(3)]
    running = []
    for path in files:
        with path.open("wb") as file:
            running.append(start(arguments, cwd, "three", file, file))
    codes = [process.wait(200) for process in running]
    return list(zip(codes, (path.read_text() for path in files), strict=True))


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    folder = tmp_path / "scores"
    folder.mkdir()
    for number in range(40):
        (folder / f"t{number}.abc").write_text(ABC.replace("GAB", "GABcde"[: number % 6 + 1] * 8))
    for name, data in SCORES.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("command", ["data", "convert"])
def test_one_writes_and_the_others_are_refused(scores: Path, tmp_path: Path, command: str) -> None:
    options = [] if command == "data" else ["--to", "musicxml"]
    found = three([command, scores, "--output-dir", tmp_path / "out", *options], tmp_path)
    assert sorted(code for code, _ in found) == [0, 2, 2], found
    for code, told in found:
        assert "Traceback" not in told
        refused = "another process is writing into" in told or "is not empty" in told
        assert refused == (code == 2), told
    if command == "data":
        assert picogen(["data", "info", tmp_path / "out"], tmp_path).code == 0


def test_three_that_go_on_with_one_preparation(scores: Path, tmp_path: Path) -> None:
    command = ["data", scores, "--output-dir", tmp_path / "out", "--resume"]
    for code, told in three(command, tmp_path):
        done = code == 2 and ("another process" in told or "nothing to resume" in told)
        assert done or code == 0, told
    assert picogen(["data", "info", tmp_path / "out"], tmp_path).code == 0
