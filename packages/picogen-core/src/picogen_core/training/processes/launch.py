"""Several processes for one run: torchrun in the background, its processes' events relayed here.

Terminal signals do not reach torchrun and its processes. The launcher forwards a signal to process
0 alone, and the processes agree on the step after which they stop.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import picogen_core.errors
from picogen_core.errors import PicogenError
from picogen_core.runtime.progress import Reporter
from picogen_core.runtime.signals import Signals, Stopped, catch_signals
from picogen_core.training.config import TrainConfig
from picogen_core.training.processes.worker import REQUEST, RESULT, Request
from picogen_core.training.run.folder import Resume
from picogen_core.training.state import RunResult

POLL_SECONDS = 0.1
GRACE_SECONDS = 1.0
"""Wait after the first error, in which the process that caused it reports its own."""

Event = list[Any]


class ElsewhereError(Exception):
    """The traceback of another process; shown as the cause of an error."""


def launch(config: TrainConfig, resume: Resume, force: bool, reporter: Reporter) -> RunResult:
    """Run `run_training` in `config.nproc` processes.

    Raises:
        PicogenError: the error of the first process to fail, in one line.
        Stopped: after Ctrl-C or SIGTERM, once last/ is written; at once after a second one.
    """
    with TemporaryDirectory(prefix="picogen-") as folder, catch_signals() as signals:
        room = Path(folder)
        request = Request(config=config, resume=resume, force=force)
        (room / REQUEST).write_text(request.model_dump_json())
        torchrun = _start(room, config.nproc)
        team = _Team(room, torchrun, config.nproc)
        try:
            with signals.held():
                return team.follow(signals, reporter)
        except Stopped as stop:
            if not stop.whole:
                reporter.message(f"Stopped at once. Resume with: {config.resume_command}")
            raise
        finally:
            team.end()


def _start(room: Path, nproc: int) -> subprocess.Popen[bytes]:
    threads = max(1, (os.cpu_count() or 1) // nproc)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [
        f"--nproc-per-node={nproc}",
        "-m",
        "picogen_core.training.processes.worker",
        str(room),
    ]
    with (room / "output.txt").open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"OMP_NUM_THREADS": str(threads), **os.environ},
        )


class _Team:
    """torchrun and the events of its processes so far."""

    def __init__(self, room: Path, torchrun: subprocess.Popen[bytes], nproc: int) -> None:
        self.room, self.torchrun = room, torchrun
        self.files = [room / f"{rank}.jsonl" for rank in range(nproc)]
        self.read = [0] * nproc
        self.pids: list[int] = []
        self.faults: list[tuple[int, Event]] = []
        self.result: RunResult | None = None

    def follow(self, signals: Signals, reporter: Reporter) -> RunResult:
        """Relay events until all processes have ended; return the result."""
        forwarded = False
        while self.torchrun.poll() is None and not self.faults:
            self.relay(reporter)
            if signals.requested is not None and not forwarded:
                self.forward(signals.requested)
                forwarded = True
            time.sleep(POLL_SECONDS)
        if self.faults:
            time.sleep(GRACE_SECONDS)
        self.relay(reporter)
        if self.faults:
            raise self.fault()
        if self.result is not None:
            return self.result
        if signals.requested is not None:
            raise Stopped(signals.requested)
        raise PicogenError(f"the processes ended without a result: {self.output()[-1]}")

    def forward(self, number: int) -> None:
        """Forward a signal to process 0."""
        assert self.torchrun.stdin is not None
        with suppress(BrokenPipeError):
            self.torchrun.stdin.write(f"{number}\n".encode())
            self.torchrun.stdin.flush()

    def relay(self, reporter: Reporter) -> None:
        """Pass new events to the reporter."""
        for rank, (name, *arguments) in self.new_events():
            if name in ("start", "advance", "finish", "message"):
                getattr(reporter, name)(*arguments)
            elif name == "pid":
                self.pids += arguments
            elif name == "result":
                self.result = RESULT.validate_json(arguments[0])
            else:
                self.faults.append((rank, [name, *arguments]))

    def new_events(self) -> Iterator[tuple[int, Event]]:
        for rank, file in enumerate(self.files):
            if not file.exists():
                continue
            with file.open("rb") as lines:
                lines.seek(self.read[rank])
                whole, _, _ = lines.read().rpartition(b"\n")
            self.read[rank] += len(whole) + 1 if whole else 0
            for line in whole.splitlines():
                yield rank, json.loads(line)

    def fault(self) -> PicogenError:
        """Return the error to report: one that the user can fix, else the first crash."""
        faults = sorted(found for found in self.faults if found[1][0] == "fault")
        if faults:
            _, name, text, trace = faults[0][1]
            error: PicogenError = getattr(picogen_core.errors, name, PicogenError)(text)
        else:
            rank, (_, _, text, trace) = min(self.faults, key=lambda fault: fault[1][1])
            where = f"process {rank} of {len(self.files)}"
            error = PicogenError(f"{where} failed: {text}. See it with: picogen --debug.")
        error.__cause__ = ElsewhereError("\n".join([trace, *self.output()]))
        return error

    def output(self) -> list[str]:
        """Return the lines that torchrun and third parties printed."""
        text = (self.room / "output.txt").read_text(errors="replace")
        return [line for line in text.splitlines() if line.strip()] or ["no output"]

    def end(self) -> None:
        """End all processes of the run."""
        if self.torchrun.poll() is None:
            for pid in self.pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
            self.torchrun.kill()
        self.torchrun.wait()
        if self.torchrun.stdin is not None:
            with suppress(BrokenPipeError):
                self.torchrun.stdin.close()
