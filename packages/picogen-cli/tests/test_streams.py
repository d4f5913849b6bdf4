"""Standard streams that are closed or full, and control codes in what is shown."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from picogen_cli.streams import Stream, clean

TUNE = "X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n"
COMMAND = [sys.executable, "-m", "picogen_cli", "eval", "a.abc", "--metric", "musicality"]


def test_control_codes_and_marks_of_direction_are_spelt_out() -> None:
    assert clean("é 🎼 „a“\n\tb") == "é 🎼 „a“\n\tb"
    assert clean("a\x1b[2Jb\x07\u202ec\x9b") == "a\\x1b[2Jb\\x07\\u202ec\\x9b"


def test_a_terminal_gets_no_control_codes_and_a_file_gets_all() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for made, expected in ((Terminal(), "\\x1b[2J"), (io.StringIO(), "\x1b[2J")):
        Stream(made).write("\x1b[2J")
        assert made.getvalue() == expected


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
def test_a_full_stderr_costs_its_lines_and_a_full_stdout_the_result(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text(TUNE)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(COMMAND, cwd=tmp_path, stdout=subprocess.PIPE, stderr=full)
        assert done.returncode == 0 and b"pitch_entropy" in done.stdout
        done = subprocess.run(COMMAND, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert b"picogen: the output: No space left on device" in done.stderr


def test_closed_streams_are_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text(TUNE)
    command = ["picogen", "convert", "a.abc", "--to", "musicxml", "--output-dir", "out"]
    line = " ".join([sys.executable, "-m", "picogen_cli", *command[1:], "<&-", ">&-", "2>&-"])
    assert subprocess.run(["sh", "-c", line], cwd=tmp_path, env=os.environ).returncode == 0
    assert (tmp_path / "out" / "a.musicxml").read_bytes().rstrip().endswith(b"</score-partwise>")
