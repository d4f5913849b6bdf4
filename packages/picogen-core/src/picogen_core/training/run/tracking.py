"""Trackers, each a process of its own that follows metrics.jsonl: none can cost the run anything.

A tracker hears nothing from the run but the end. It may be slow, hang, or crash: the rows lie in
the file. One that has not come to its end within `PATIENCE` seconds after the run's is killed.
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
    """`python -m MODULE RUN_DIR OFFSET` follows the run's metrics.jsonl from a byte on.

    What it prints is shown to the user. A line on its stdin, `done` or `failed`, or its end, says
    that the run is over. `package` has to be installed; `extra` of picogen-core brings it.
    """

    module: str
    package: str
    extra: str


TRACKERS = {"wandb": Tracker("picogen_core.training.run.wandb_follower", "wandb", "wandb")}


def check_tracker(name: str) -> None:
    """Raises `ConfigError` if what the tracker needs is not installed."""
    if name == "none":
        return
    tracker = TRACKERS[name]
    try:
        found = importlib.util.find_spec(tracker.package) is not None
    except ValueError:  # imported already, by somebody who made it up
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
            start_new_session=True,  # Ctrl-C is for the run; it then hears that the run is over
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.voice = threading.Thread(target=self._pass_on, daemon=True)
        self.voice.start()

    def _pass_on(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.reporter.message(line.decode(errors="replace").rstrip())

    def finish(self, failed: bool) -> None:
        """The run is over: wait for the rest, but not for ever."""
        assert self.process.stdin is not None
        try:
            with suppress(OSError):  # it has ended already, and said why
                self.process.stdin.write(b"failed\n" if failed else b"done\n")
                self.process.stdin.close()
            self.process.wait(PATIENCE)
            self.voice.join(1.0)
        except subprocess.TimeoutExpired:
            self.reporter.message(
                f"{self.name} did not come to its end within {PATIENCE:.0f} s and was left behind; "
                "all its rows are in metrics.jsonl."
            )
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
