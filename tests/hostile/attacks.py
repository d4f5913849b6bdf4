"""Attacks on whole commands: each fills a folder, lets commands have it, and counts."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.arena import Outcome, contents, picogen, together
from tests.hostile.bombs import write_bombs, write_texts
from tests.hostile.forks import forked
from tests.hostile.lines import command_line
from tests.hostile.mutants import SCORES, write_mutants
from tests.hostile.tally import Tally

MUTANTS, BOMBS, TEXTS, LINES, STORED, SIGNALS = 1000, 24, 20, 50, 20, 5
"""So many at a time."""

SECONDS = 1800
"""A command that takes more CPU time on a folder of these hangs."""

ONE = 300
"""The same of a command on one file."""

KINDS = ("musicxml", "musicxml", "musicxml", "abc", "midi", "svg")
"""Targets of `convert`, in turns by chance."""


@dataclass(frozen=True)
class Arena:
    """What an attack has: an empty folder, chance, where to count, and folders of our own."""

    room: Path
    rng: random.Random
    tally: Tally
    stored: Path


def scores(arena: Arena) -> None:
    """Mutants and bombs beside good scores, through four commands; one of the files grows."""
    folder, rng = arena.room / "scores", arena.rng
    write_mutants(folder, MUTANTS, rng)
    write_bombs(folder, BOMBS, rng)
    before = contents(folder)
    inputs = [path for path in sorted(folder.iterdir()) if not path.is_dir()]
    listed = arena.room / "list.jsonl"
    rows = ({"id": path.name, "continue": str(path), "keep_bars": 1} for path in inputs)
    listed.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kind = rng.choice(KINDS)
    once = [] if kind == "abc" else ["--set", "validity.convert=false"]  # `convert` does the same
    commands: dict[str, list[object]] = {
        "convert": ["convert", folder, "--to", kind, *rng.choice(([], [], ["--check"]))],
        "data": ["data", folder, "--jobs", rng.choice("12")],
        "eval": ["eval", folder, "--jobs", rng.choice("12"), "--no-cache", *once],
        "--continue": ["generate", "--list", listed, "--max-length", 16],
    }
    for name, command in commands.items():
        out = arena.room / name.strip("-")
        places = [] if name == "eval" else ["--output-dir", out]
        with growing(folder / "grows.abc"):
            done = picogen([*command, *places, "--json"], arena.room, SECONDS)
        (folder / "grows.abc").unlink()
        more = [] if contents(folder) == before else ["lost: files were changed"]
        faults = arena.tally.add(name, len(inputs), done, *more, *undone(name, done, out))
        told = f"  {name}: {done.seconds:.0f} s of CPU time, {done.peak / 1e6:.0f} MB"
        print("\n  ".join([told, *faults]), file=sys.stderr, flush=True)
        shutil.rmtree(out, ignore_errors=True)


@contextmanager
def growing(path: Path) -> Iterator[None]:
    """A file that grows while the block runs."""
    over = threading.Event()
    path.write_bytes(SCORES["tune.abc"])

    def grow() -> None:
        while not over.wait(0.05):
            with path.open("ab") as file:
                file.write(b"C8|\n" * 100)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def undone(name: str, done: Outcome, out: Path) -> list[str]:
    """Good scores of which a command made nothing."""
    if done.timed_out:
        return []
    try:
        told = json.loads(done.out)
    except ValueError:
        return [f"undone: exit code {done.code}: {(done.err.splitlines() or [''])[-1][:200]}"]
    if name == "convert":
        failed = [(file["input"], file["error"]) for file in told["files"] if "error" in file]
    elif name == "data":
        rejected = json.loads((out / "report.json").read_text())["rejected"]
        failed = [(row["path"], row["reason"]) for row in rejected]
    elif name == "eval":
        failed = list(told["unreadable"].items())
    else:
        failed = list(told["failed"].items())
    return [
        f"undone: {path}: {why}"
        for path, why in failed
        if "good-" in path and not why.startswith("a copy of")
    ]


USES: tuple[Callable[[str], list[str]], ...] = (
    lambda path: ["generate", "--list", path],
    lambda path: ["generate", "--prompt-file", path],
    lambda path: ["generate", "--continue", path],
    lambda path: ["generate", "--weights-path", path],
    lambda path: ["train", "--config", path, "--dry-run"],
    lambda path: ["train", "--init", path, "--max-steps", "1", "--samples", "0"],
    lambda path: ["train", "--data", path, "--max-steps", "1"],
    lambda path: ["distill", "--teacher-ckpt", path, "--max-steps", "1"],
    lambda path: ["data", "info", path],
    lambda path: ["data", path, "--output-dir", "out"],
    lambda path: ["data", "scores", "--tags", path, "--output-dir", "out"],
    lambda path: ["eval", path],
    lambda path: ["eval", "scores", "--reference", path],
    lambda path: ["eval", "scores", "--baseline", path],
    lambda path: ["eval", "scores", "--checkpoint", path],
    lambda path: ["compare", path],
    lambda path: ["export", path, "--to", "html", "--output-dir", "out"],
    lambda path: ["convert", path, "--output-dir", "out", "--to", "musicxml"],
)
"""Every place where a command reads a file that is named."""


def texts(arena: Arena) -> None:
    """Bombs of all kinds of files, each where a command reads one."""
    folder = arena.room / "bombs"
    folder.mkdir()
    names = write_texts(folder, TEXTS, arena.rng)
    names += write_bombs(folder, TEXTS // 4, arena.rng)
    before = contents(folder)
    for name in names:
        line = arena.rng.choice(USES)(str(folder / name))
        done = in_process(arena, line)
        more = [] if contents(folder) == before else ["lost: files were changed"]
        for fault in arena.tally.add("named files", 1, done, *more):
            print(f"  {fault}: {' '.join(line)[-200:]}", file=sys.stderr, flush=True)


def lines(arena: Arena) -> None:
    """Command lines of every option, beside good files that none may change."""
    folder = arena.room / "good"
    (folder / "scores").mkdir(parents=True)
    for name, data in SCORES.items():
        (folder / "scores" / name).write_bytes(data)
    (folder / "deep.toml").write_text("a = " + "[" * 5000)
    (folder / "deep.json").write_text("[" * 100_000)
    os.mkfifo(folder / "pipe")
    shutil.copytree(arena.stored, folder / "stored")
    before = contents(folder)
    paths = [*(f"scores/{name}" for name in SCORES), "scores", "deep.toml", "deep.json", "pipe"]
    paths += ["stored/data", "stored/runs/run", "stored/runs/run/last", "stored/small.pth"]
    for _ in range(LINES):
        line = command_line(arena.rng, [str(folder / path) for path in paths])
        done = in_process(arena, line)
        after = contents(folder)
        more = [f"lost: {name}" for name, data in before.items() if after.get(name) != data]
        for fault in arena.tally.add("command lines", 1, done, *more):
            print(f"  {fault}: {[word[:60] for word in line]}", file=sys.stderr, flush=True)


def in_process(arena: Arena, line: Sequence[str]) -> Outcome:
    """A command in a fork, in an empty folder beside good scores."""
    work = arena.room / "work"
    shutil.rmtree(work, ignore_errors=True)
    (work / "scores").mkdir(parents=True)
    for name, data in SCORES.items():
        (work / "scores" / name).write_bytes(data)

    def run() -> None:
        from picogen_cli.main import main

        os.chdir(work)
        main(list(line))

    return forked(run, ONE)


def stored(arena: Arena) -> None:
    """Damaged checkpoints, runs and prepared data."""
    from tests.hostile.stored import attack

    for _ in range(STORED):
        kind, done = attack(arena.stored, arena.room / "copy", arena.rng)
        for fault in arena.tally.add(kind, 1, done):
            print(f"  {fault}\n{done.err[-1500:]}", file=sys.stderr, flush=True)


def writers(arena: Arena) -> dict[str, list[object]]:
    """Every command that writes into a folder or a file, on good input."""
    folder, out, runs = arena.room / "scores", arena.room / "out", arena.room / "runs"
    folder.mkdir(exist_ok=True)
    for number in range(20):
        for name, data in SCORES.items():
            (folder / f"{number}-{Path(name).stem}{len(name)}{Path(name).suffix}").write_bytes(data)
    listed = arena.room / "list.jsonl"
    listed.write_text("".join(f'{{"id": "p{number}"}}\n' for number in range(6)))
    run = arena.stored / "runs" / "run"
    tiny = ["--backbone", "llama", "--head", "char-gru", "--set", "d_model=16"]
    tiny += ["--set", "backbone.layers=1", "--set", "samples=0"]
    into: list[object] = ["--output-dir", out]
    return {
        "data": ["data", folder, *into],
        "data --resume": ["data", folder, *into, "--resume"],
        "convert": ["convert", folder, *into, "--to", "musicxml"],
        "eval --report": ["eval", folder, "--report", arena.room / "page.html"],
        "generate": ["generate", "--max-length", 24, *into],
        "generate --list": ["generate", "--list", listed, "--max-length", 24, *into],
        "train": ["train", "--data", arena.stored / "data", *tiny, "--max-steps", 20,
                  "--output-dir", runs],
        "train --resume": ["train", "--data", arena.stored / "data", *tiny, "--max-steps", 20,
                           "--output-dir", runs, "--resume"],
        "export": ["export", run, "--to", "html", *into],
        "compare": ["compare", run, "--no-latency", "--output", arena.room / "table.md"],
    }  # fmt: skip


def signals(arena: Arena) -> None:
    """Signals at any moment; what is left is whole, and the same command can go on."""
    for _ in range(SIGNALS):
        every = writers(arena)
        before = contents(arena.room / "scores")
        name = arena.rng.choice(sorted(every))
        number = arena.rng.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        done = picogen(every[name], arena.room, ONE, number, arena.rng.uniform(0, 8))
        more = [] if contents(arena.room / "scores") == before else ["lost: files were changed"]
        left = [path.name for path in arena.room.rglob(".writing.*") if "cache" not in path.parts]
        more += [f"leak: {path}" for path in left]
        for fault in arena.tally.add("signals", 1, done, *more):
            print(f"  {fault}: {name} {signal.Signals(number).name}", file=sys.stderr, flush=True)
        for place in ("out", "runs"):
            shutil.rmtree(arena.room / place, ignore_errors=True)


def rivals(arena: Arena) -> None:
    """Three processes at once on every folder and file that is written."""
    for name, command in writers(arena).items():
        for place in ("out", "runs"):
            shutil.rmtree(arena.room / place, ignore_errors=True)
        before = contents(arena.room / "scores")
        ended = together(command, arena.room, 3, ONE)
        more = [] if contents(arena.room / "scores") == before else ["lost: files were changed"]
        if not any(done.code == 0 for done in ended):
            more.append(f"undone: {name}: {[done.err[-200:] for done in ended]}")
        for done in ended:
            for fault in arena.tally.add("three at once", 1, done, *more):
                print(f"  {fault}: {name}", file=sys.stderr, flush=True)
            more = []


ATTACKS: dict[str, tuple[Callable[[Arena], None], int]] = {
    "scores": (scores, 10_000 // MUTANTS),
    "named files": (texts, 200 // TEXTS),
    "command lines": (lines, 1_000 // LINES),
    "stored files": (stored, 400 // STORED),
    "signals": (signals, 100 // SIGNALS),
    "three at once": (rivals, 2),
}
"""Each attack, and how often it is to come in a whole series."""
