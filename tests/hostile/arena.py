"""A command in a process of its own, under limits, and what it did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "PICOGEN_HOSTILE"
"""In the environment of every process that is started here, so that orphans are found."""

EXPECTED = (0, 1, 2, 130, 143)
PEAK = 2 << 30
STILL = 300.0
"""Seconds without any use of the CPU after which a command hangs."""
SECRET = "root:x:0:0"
"""What stands in the file that no input may lead to."""


@dataclass(frozen=True)
class Outcome:
    """What a command ended with. peak: resident bytes of it and all of its processes; seconds: of
    CPU time."""

    code: int
    out: str
    err: str
    seconds: float
    peak: int
    timed_out: bool
    orphans: tuple[int, ...]

    def faults(self) -> list[str]:
        """What no command may do, whatever it is given."""
        found = []
        if self.timed_out:
            found.append("hang")
        elif self.code not in EXPECTED:
            found.append(f"crash: exit code {self.code}")
        if "Traceback (most recent call last)" in self.err + self.out:
            found.append("crash: traceback: " + (self.err.strip().splitlines() or [""])[-1][:200])
        if "picogen: unexpected" in self.err:
            told = next(line for line in self.err.splitlines() if "unexpected" in line)
            found.append(f"crash: {told[:300]}")
        if self.peak > PEAK:
            found.append(f"memory: {self.peak / 1e9:.1f} GB")
        if self.orphans:
            found.append(f"orphans: {self.orphans}")
        if SECRET in self.out + self.err:
            found.append("leak")
        return found


def start(
    arguments: Sequence[object], cwd: Path, mark: str, stdout: object, stderr: object
) -> subprocess.Popen[bytes]:
    """`picogen arguments`, in a session of its own."""
    environment = os.environ | {MARK: mark, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    environment.setdefault("PICOGEN_CACHE", str(cwd / "cache"))
    return subprocess.Popen(
        [sys.executable, "-m", "picogen_cli", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,  # type: ignore[arg-type]
        stderr=stderr,  # type: ignore[arg-type]
        start_new_session=True,
    )


def picogen(
    arguments: Sequence[object],
    cwd: Path,
    seconds: float = 300,
    number: int | None = None,
    after: float = 0.0,
) -> Outcome:
    """Run a command to its end; if a signal `number` is given, send it after so many seconds.

    It hangs if it takes `seconds` of CPU time: other work on the machine is no fault of it.
    """
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(arguments, cwd, mark, out, err)
        with Watch(mark, seconds) as watch:
            if number is not None:
                try:
                    process.wait(after)
                except subprocess.TimeoutExpired:
                    process.send_signal(number)
            process.wait()
        orphans = tuple(wait_for_end(mark))
        kill(orphans)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    code = process.returncode
    code = 128 - code if code in (-signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP) else code
    code = 143 if code == 129 else code
    told = (watch.spent, watch.peak, watch.timed_out)
    return Outcome(code, texts[0], texts[1], *told, orphans)


def together(arguments: Sequence[object], cwd: Path, count: int, seconds: float) -> list[Outcome]:
    """What `count` processes of the same command did that were started at once."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    with tempfile.TemporaryDirectory(dir=cwd, prefix="told-") as told:
        files = [(Path(told) / f"out-{k}", Path(told) / f"err-{k}") for k in range(count)]
        running = []
        for out, err in files:
            with out.open("wb") as stdout, err.open("wb") as stderr:
                running.append(start(arguments, cwd, mark, stdout, stderr))
        with Watch(mark, count * seconds) as watch:
            codes = [process.wait() for process in running]
        orphans = tuple(wait_for_end(mark))
        kill(orphans)
        return [
            Outcome(code, out.read_text(errors="replace"), err.read_text(errors="replace"),
                    watch.spent, watch.peak // count, watch.timed_out, orphans)
            for code, (out, err) in zip(codes, files, strict=True)
        ]  # fmt: skip


class Watch:
    """A thread that measures the processes with a mark, and kills them if they hang.

    peak: their resident bytes at the most; spent: their CPU seconds; timed_out: they were killed
    since they took more than `seconds` of CPU time, or none at all for `STILL` seconds.
    """

    def __init__(self, mark: str, seconds: float) -> None:
        self.peak, self.spent, self.timed_out = 0, 0.0, False
        self._mark, self._seconds = mark, seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        moved = time.monotonic()
        while not self._over.wait(0.2):
            pids = processes(self._mark)
            used = [_usage(pid) for pid in pids] or [(0, 0.0, 0)]
            rss, spent, stopped = (sum(column) for column in zip(*used, strict=True))
            self.peak = max(self.peak, rss)
            if spent > self.spent or stopped:
                self.spent, moved = max(self.spent, spent), time.monotonic()
            if self.spent > self._seconds or time.monotonic() > moved + STILL:
                self.timed_out = True
                kill(pids)


def _usage(pid: int) -> tuple[int, float, int]:
    """Resident bytes, CPU seconds with those of children that ended, and whether it is stopped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return 0, 0.0, 0
    ticks = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), ticks, fields[0] == "T"


def processes(mark: str) -> list[int]:
    """Those with the mark that still run."""
    found = []
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
                if state != "Z":
                    found.append(int(folder.name))
        except (OSError, IndexError):
            continue
    return found


def wait_for_end(mark: str, seconds: float = 5) -> list[int]:
    """Those that are still there after so many seconds."""
    end = time.monotonic() + seconds
    while (left := processes(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder; of those that are none, what they are."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = b"link " + os.fsencode(path.readlink())
        elif path.is_file() and path.stat().st_size < 1 << 28:
            found[name] = path.read_bytes()
        elif path.exists():
            found[name] = str(path.stat().st_size).encode()
    return found
