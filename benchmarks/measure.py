"""What the benchmarks share: the machine in words, timing in turns, peak memory, fits, tables."""

from __future__ import annotations

import math
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
PRELOADED = ("torch", "transformers.models.llama.modeling_llama", "picogen_core.model.student")


@dataclass(frozen=True)
class Times:
    """Seconds of each run: process CPU time (all threads together) and wall time."""

    cpu: tuple[float, ...]
    wall: tuple[float, ...]

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu)

    @property
    def median_wall(self) -> float:
        return statistics.median(self.wall)


def in_turns(
    tasks: Mapping[K, Callable[[], object]], rounds: int, budget: float = math.inf
) -> dict[K, Times]:
    """Every task once a round, so that a busy minute of the machine meets them all alike.

    A task that has taken `budget` wall seconds drops out.
    """
    cpu: dict[K, list[float]] = {key: [] for key in tasks}
    wall: dict[K, list[float]] = {key: [] for key in tasks}
    for done in range(rounds):
        for number, (key, task) in enumerate(tasks.items(), 1):
            if sum(wall[key]) > budget:
                continue
            progress(f"round {done + 1} of {rounds}, {number} of {len(tasks)}: {key}")
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            task()
            cpu[key].append(time.process_time() - cpu_start)
            wall[key].append(time.perf_counter() - wall_start)
    progress("")
    return {key: Times(tuple(cpu[key]), tuple(wall[key])) for key in tasks}


def plain_heads() -> list[str]:
    """All installed heads but `teacher`, which is another head taken from a teacher."""
    from picogen_core.plugins.registry import registry

    return [entry.name for entry in registry().all("head") if entry.name != "teacher"]


def progress(text: str) -> None:
    """One line on a terminal's stderr that the next call overwrites."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of log seconds against log size, by least squares: 1 is linear, 0 constant."""
    return statistics.linear_regression(
        [math.log(n) for n in sizes], [math.log(s) for s in seconds]
    ).slope


@contextmanager
def fresh_processes() -> Iterator[Callable[..., float]]:
    """`peak_mib(function, *arguments)`: the most memory a process held while running the function.

    Each call gets a process of its own, single-threaded, in which the libraries are imported
    already; what it held before the call is taken off. Needs Unix; NaN elsewhere.
    """
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(list(PRELOADED))

    def peak_mib(function: Callable[..., object], *arguments: Any) -> float:
        results = context.SimpleQueue()
        process = context.Process(target=_measure, args=(results, function, *arguments))
        process.start()
        process.join()
        return results.get() if process.exitcode == 0 else math.nan

    yield peak_mib


def _measure(results: Any, function: Callable[..., object], *arguments: Any) -> None:
    before = _peak_mib()
    function(*arguments)
    results.put(_peak_mib() - before)


def _peak_mib() -> float:
    try:
        import resource
    except ImportError:
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def machine() -> str:
    """The processor, cores, memory, system and versions; nothing that names the host."""
    cpu, memory = platform.processor() or platform.machine(), ""
    if Path("/proc/cpuinfo").is_file():
        fields = dict(
            (part.strip() for part in line.split(":", 1))
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if ":" in line
        )
        flags = fields.get("flags", "").split()
        units = [unit for unit in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if unit in flags]
        family = f"family {fields.get('cpu family')}, model {fields.get('model')}"
        cpu = f"{fields.get('model name', cpu)} ({', '.join([family, *units])})"
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = f", {size / 2**30:.0f} GiB memory"
    versions = []
    for name in ("torch", "transformers", "numpy"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return (
        f"{cpu}, {os.cpu_count()} cores{memory}; {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, {', '.join(versions)}; {date.today().isoformat()}"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown: the first column to the left, numbers to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def seconds(value: float) -> str:
    """Three digits, in ms below a second."""
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"
