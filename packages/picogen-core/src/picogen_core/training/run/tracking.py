"""Trackers: separate processes that follow metrics.jsonl and cannot disturb the run.

The run signals a tracker only its end. A tracker may be slow, hang, or crash: the rows are in the
file. It is killed if it has not ended `PATIENCE` seconds after the run.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from picogen_core.errors import ConfigError
from picogen_core.runtime.progress import Reporter

PATIENCE = 30.0


@dataclass(frozen=True)
class Tracker:
    """A follower of metrics.jsonl from a byte on: `python -m MODULE RUN_DIR OFFSET`.

    Its output is shown to the user. A line on its stdin, `done` or `failed`, or the end of stdin
    means that the run is over. It needs `package`, which picogen-core's `extra` installs.
    """

    module: str
    package: str
    extra: str


TRACKERS = {
    name: Tracker(f"picogen_core.training.run.{name}_follower", name, name)
    for name in ("wandb", "tensorboard")
}


def check_tracker(name: str) -> None:
    """Raise `ConfigError` if the tracker's package is not installed."""
    if name == "none":
        return
    tracker = TRACKERS[name]
    try:
        found = importlib.util.find_spec(tracker.package) is not None
    except ValueError:  # an imported module without a spec
        found = True
    if not found:
        raise ConfigError(
            f"--track {name} needs the package {tracker.package}, which is not installed. "
            f'Get it with: pip install "picogen-core[{tracker.extra}]"'
        )


class Following:
    """The process that follows a run, from byte `offset` of its metrics.jsonl on."""

    def __init__(self, name: str, run_dir: Path, offset: int, reporter: Reporter) -> None:
        self.name, self.reporter = name, reporter
        command = [sys.executable, "-m", TRACKERS[name].module, str(run_dir), str(offset)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the run, which then closes stdin
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.voice = threading.Thread(target=self._pass_on, daemon=True)
        self.voice.start()

    def _pass_on(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.reporter.message(line.decode(errors="replace").rstrip())

    def finish(self, failed: bool) -> None:
        """Signal the end of the run, and wait at most `PATIENCE` seconds for the tracker."""
        assert self.process.stdin is not None
        try:
            with suppress(OSError):  # it has ended already, with a message
                self.process.stdin.write(b"failed\n" if failed else b"done\n")
                self.process.stdin.close()
            self.process.wait(PATIENCE)
            self.voice.join(1.0)
        except subprocess.TimeoutExpired:
            self.reporter.message(
                f"{self.name} did not finish within {PATIENCE:.0f} s and was stopped; "
                "all rows are in metrics.jsonl."
            )
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
