"""Odd command lines end in one line and an exit code, and change nothing that was there."""

import os
import random
import shutil
from pathlib import Path

import picogen_core.model.checkpoint  # noqa: F401  (so that no fork has to load torch)
import pytest
from picogen_cli.defaults import shipped_teacher
from picogen_cli.main import main

from tests.hostile.arena import contents
from tests.hostile.forks import forked
from tests.hostile.lines import command_line
from tests.hostile.mutants import SCORES

LINES = 40


@pytest.mark.timeout(900)
def test_no_command_line_ends_in_a_traceback(tmp_path: Path) -> None:
    room = tmp_path / "room"
    (room / "scores").mkdir(parents=True)
    for name, data in SCORES.items():
        (room / "scores" / name).write_bytes(data)
    (room / "deep.toml").write_text("a = " + "[" * 5000)
    (room / "deep.json").write_text("[" * 100_000)
    os.mkfifo(room / "pipe")
    shutil.copytree(shipped_teacher(), room / "checkpoint")
    before = contents(room)
    paths = [*sorted(before), "scores", "checkpoint", "pipe"]
    rng = random.Random(0)
    for number in range(LINES):
        place = tmp_path / str(number)
        place.mkdir()
        line = command_line(rng, [str(room / path) for path in paths])

        def run(place: Path = place, line: list[str] = line) -> None:
            os.chdir(place)
            os.environ["PICOGEN_CACHE"] = str(tmp_path / "cache")
            main(line)

        done = forked(run, 600)
        assert done.faults() == [], (done.code, line, done.err[-2000:])
    after = contents(room)
    assert {name: data for name, data in after.items() if name in before} == before
