"""`python -m tests.hostile --minutes 10 [--seed 1]`: attacks for so long, and what they did.

It prints inputs tried, crashes, hangs, leaks, orphans, files changed and peak memory, and ends with
exit code 1 if there was one of these.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.arena import Outcome, contents, picogen
from tests.hostile.forks import forked
from tests.hostile.lines import command_line
from tests.hostile.mutants import SCORES, write_bombs, write_mutants

MUTANTS = 100


@dataclass
class Tally:
    """What was tried, and what went wrong."""

    tried: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    peak: int = 0

    def add(self, kind: str, count: int, outcome: Outcome, changed: bool) -> None:
        self.tried[kind] += count
        self.peak = max(self.peak, outcome.peak)
        for fault in [*outcome.faults(), *(["files changed"] if changed else [])]:
            self.faults[f"{kind}: {fault}"] += 1


def attack_scores(room: Path, rng: random.Random, tally: Tally) -> None:
    """Mutants and bombs through whole commands; now and then a signal on the way."""
    folder, out = room / "scores", room / "out"
    write_mutants(folder, MUTANTS, rng)
    write_bombs(folder, rng)
    before = contents(folder)
    commands: dict[str, list[object]] = {
        "convert": ["convert", folder, "--output-dir", out, "--to", "musicxml,svg,midi"],
        "data": ["data", folder, "--output-dir", out, "--jobs", rng.choice("12")],
        "eval": ["eval", folder, "--reference", "oneills", "--jobs", rng.choice("12")],
    }
    kind = rng.choice(list(commands))
    number = rng.choice((None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    done = picogen(commands[kind], room, 600, number, rng.uniform(0, 20))
    name = f"{kind} with {signal.Signals(number).name}" if number else kind
    tally.add(name, len(before), done, contents(folder) != before)


def attack_lines(room: Path, rng: random.Random, tally: Tally) -> None:
    """Twenty command lines."""
    from picogen_cli.main import main

    (room / "scores").mkdir()
    for name, data in SCORES.items():
        (room / "scores" / name).write_bytes(data)
    before = contents(room)
    paths = [*before, "scores"]
    for _ in range(20):
        line = command_line(rng, [str(room / path) for path in paths])
        (room / "work").mkdir(exist_ok=True)

        def run(line: list[str] = line) -> None:
            os.chdir(room / "work")
            main(line)

        code, told, seconds = forked(run, 120)
        changed = any(contents(room).get(name) != data for name, data in before.items())
        tally.add("lines", 1, Outcome(code, "", told, seconds, 0, code == -9, ()), changed)


def attack_stored(room: Path, rng: random.Random, tally: Tally) -> None:
    """Twenty damaged files of those that PiCo-Gen writes itself."""
    from tests.hostile.stored import attack, make_stored

    make_stored(room / "stored")
    for _ in range(20):
        fault = attack(room / "stored", room / "room", rng)
        tally.tried["stored files"] += 1
        if fault:
            tally.faults[f"stored: {fault[:200]}"] += 1


ATTACKS: tuple[Callable[[Path, random.Random, Tally], None], ...] = (
    attack_scores, attack_scores, attack_lines, attack_stored,
)  # fmt: skip


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    end, tally = time.monotonic() + 60 * given.minutes, Tally()
    cache = tempfile.mkdtemp(prefix="hostile-cache-")
    os.environ["PICOGEN_CACHE"] = cache
    print(f"seed {seed}", flush=True)
    number = 0
    while time.monotonic() < end:
        rng = random.Random(f"{seed} {number}")
        with tempfile.TemporaryDirectory(prefix="hostile-") as room:
            ATTACKS[number % len(ATTACKS)](Path(room), rng, tally)
        number += 1
        tried = ", ".join(f"{count} {kind}" for kind, count in tally.tried.items())
        print(f"round {number}: {tried}; {sum(tally.faults.values())} faults", flush=True)
    shutil.rmtree(cache, ignore_errors=True)
    print(f"peak memory {tally.peak / 1e6:.0f} MB")
    for fault, count in tally.faults.most_common():
        print(f"{count} × {fault}")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
