"""A process behind ends with a signal or a kill of its parent, and else goes on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHILD = """
import sys, time
from pathlib import Path
from picogen_core.runtime.behind import end_unless_let_go
end_unless_let_go(lambda: Path("ended").touch())
Path("begun").touch()
time.sleep(1.5)
Path("done").touch()
"""
PARENT = """
import os, sys, time
from pathlib import Path
from picogen_core.runtime.behind import end_behind, start_behind
start_behind([sys.executable, "child.py"], os.environ)
while not Path("begun").exists():
    time.sleep(0.01)
if sys.argv[1] == "stopped":
    end_behind()
if sys.argv[1] == "killed":
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    ("how", "code", "left"),
    [("over", 0, "done"), ("stopped", 0, "ended"), ("killed", -signal.SIGKILL, "ended")],
)
def test_what_is_started_behind(tmp_path: Path, how: str, code: int, left: str) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    assert subprocess.run([sys.executable, "-c", PARENT, how], cwd=tmp_path).returncode == code
    end = time.monotonic() + 60
    while not (tmp_path / left).exists() and time.monotonic() < end:
        time.sleep(0.05)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"child.py", "begun", left}
