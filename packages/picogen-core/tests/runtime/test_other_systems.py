"""macOS and Windows, as far as fakes go: no fork, no limits, no timers, no locks of folders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from picogen_core.runtime import cache
from picogen_core.runtime.sandbox import WorkerLimits

SCORES = Path(__file__).parent.parent / "data" / "scores"
WITHOUT = """
import os, signal, sys

for module, names in (
    (os, ("fork", "killpg", "getpgrp", "sched_getaffinity")),
    (signal, ("setitimer", "SIGVTALRM", "SIGXCPU")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
for name in ("resource", "fcntl"):
    sys.modules[name] = None
"""
WORK = """
import os, sys
from pathlib import Path

from picogen_core import BadInput
from picogen_core.data.prepare import prepare
from picogen_core.data.types import SourcePiece
from picogen_core.runtime.cpu_limit import cpu_limit
from picogen_core.runtime.files import output_folder
from picogen_core.score.convert import convert_text
from picogen_core.score.helper import Converter
from picogen_core.score.files.reader import FileReader

if __name__ == "__main__":
    assert not hasattr(os, "fork")
    scores = Path(sys.argv[1])
    abc = "X:1\\nL:1/4\\nM:4/4\\nK:C\\n" + "|".join(["CDEF", "GABc"] * 4) + "|]\\n"
    with Converter(1) as converter, cpu_limit(60):
        done = convert_text(abc, ["musicxml"], converter)
    assert b"<score-partwise" in done.files[".musicxml"]
    with FileReader() as reader:
        assert reader.read(scores / "m13_grace_cue.musicxml").abc
    pieces = [SourcePiece(f"{i}", abc.replace("C", "CDEFGAB"[i % 7]), "", "") for i in range(70)]
    assert len(prepare(pieces, Path("data"), jobs=2).dataset) == 7
    with output_folder(Path("out"), False):
        try:
            with output_folder(Path("out"), False):
                print("two writers")
        except BadInput as error:
            print(error)
    print("done")
"""


def test_everything_runs_without_fork_limits_timers_and_folder_locks(tmp_path: Path):
    pytest.importorskip("filelock")
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)
    (tmp_path / "work.py").write_text(WORK)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "work.py", str(SCORES)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "another process is writing into out. Wait for it, or choose another folder.",
        "done",
    ]


def test_a_system_that_refuses_limits_goes_on_without(monkeypatch: pytest.MonkeyPatch):
    resource = pytest.importorskip("resource")
    asked = []

    def refuse(kind: int, values: tuple[int, int]) -> None:
        asked.append(kind)
        raise ValueError("current limit exceeds maximum limit")  # macOS, of RLIMIT_AS

    monkeypatch.setattr(resource, "setrlimit", refuse)
    WorkerLimits(1, 1.0, 1 << 20).apply()
    assert asked == [resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_CORE]


def test_the_cache_lies_where_the_system_has_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "own"))
    assert cache.cache_dir() == tmp_path / "own"
    monkeypatch.delenv("PICOGEN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache.cache_dir() == tmp_path / "picogen"
    monkeypatch.setattr(cache, "user_cache_path", lambda name, appauthor: Path("Caches", name))
    assert cache.cache_dir() == Path("Caches", "picogen")
