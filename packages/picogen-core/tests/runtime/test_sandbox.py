"""What a fork did is distinguished from what was done to it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from picogen_core.errors import PassingFault
from picogen_core.runtime.sandbox import Reply, Worker, WorkerLimits, in_fork
from picogen_core.score.helper import Helper
from picogen_core.score.limits import ConversionError

LIMITS = WorkerLimits(cpu_seconds=1, wall_seconds=60, memory_bytes=2 << 30)
WORKER = """
import os, pathlib, signal, time
from picogen_core.runtime.sandbox import WorkerLimits, in_fork, serve

LIMITS = WorkerLimits(100, 600, 4 << 30)


def answer(request):
    def work():
        if request["op"] == "die once" and not pathlib.Path(request["text"]).exists():
            pathlib.Path(request["text"]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if request["op"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if request["op"] == "sleep":
            pathlib.Path(request["text"]).write_text(str(os.getpid()))
            time.sleep(600)
        return {"ok": ["done"], "warnings": []}
    return in_fork(work, LIMITS)


if __name__ == "__main__":
    serve(answer)
"""
PARENT = """
import sys
from picogen_core.runtime.sandbox import Worker

Worker("hostile_worker").request({"op": "sleep", "text": sys.argv[1]}, 600)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "hostile_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "hostile_worker"


def test_a_fork_that_is_killed_from_outside_is_no_fact_about_its_work() -> None:
    reply = in_fork(lambda: os.kill(os.getpid(), signal.SIGKILL) or {}, LIMITS)
    assert reply["passing"] is True
    assert reply["error"].startswith(
        "the converter was killed (SIGKILL), perhaps for want of memor"
    )


def test_too_much_cpu_time_a_crash_and_an_error_are_facts() -> None:
    def spin() -> Reply:
        while True:
            pass

    assert in_fork(spin, LIMITS) == {"error": "it needs more than 1 s of CPU time"}
    crash = in_fork(lambda: os.kill(os.getpid(), signal.SIGUSR1) or {}, LIMITS)
    assert crash == {"error": "the converter crashed (SIGUSR1)"}

    def overflow() -> Reply:
        raise OverflowError("huge")

    assert in_fork(overflow, LIMITS) == {"error": "OverflowError: huge"}


def test_a_request_whose_fork_was_killed_is_asked_once_more(worker: str, tmp_path: Path) -> None:
    with Worker(worker) as second:
        mark = str(tmp_path / "mark")
        assert second.request({"op": "die once", "text": mark}, 60)["ok"] == ["done"]
        assert second.request({"op": "die", "text": ""}, 60)["passing"] is True


def test_the_helper_tells_the_two_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = {"error": "why", "passing": True}
    monkeypatch.setattr(Worker, "request", lambda *_: dict(reply))
    with pytest.raises(PassingFault, match="why"):
        Helper().convert("musicxml", "")
    del reply["passing"]
    with pytest.raises(ConversionError, match="why"):
        Helper().convert("musicxml", "")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_and_its_fork_end_with_a_parent_that_is_killed(
    worker: str, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(note)], cwd=tmp_path)
    while not (note.exists() and note.read_text()):
        time.sleep(0.1)
    fork = int(note.read_text())
    parent.kill()
    parent.wait()
    for _ in range(200):
        state = Path(f"/proc/{fork}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the fork goes on")
