"""`python -m tests.hostile --minutes 60 [--seed 1] [--only scores] [--json]`.

It attacks for so long, or until a whole series is done: 10,000 mutants and 240 bombs through four
commands, and the other counts of `ATTACKS`. It prints, by kind, what was tried and what went wrong,
and ends with exit code 1 if anything did.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from picogen_cli.defaults import SHIPPED
from picogen_core.generation.engines.kernels import compile_now

from tests.hostile.attacks import ATTACKS, Arena
from tests.hostile.forks import forked
from tests.hostile.stored import make_stored
from tests.hostile.tally import Tally


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", action="append", choices=list(ATTACKS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="hostile-") as place:
        folder = Path(place)
        os.environ["PICOGEN_CACHE"] = str(folder / "cache")
        make_stored(folder / "stored")
        forked(lambda: compile_now(SHIPPED), 3600)  # else commands do it behind them
        print(f"seed {seed}", file=sys.stderr, flush=True)
        attack(folder, given.only or list(ATTACKS), seed, given.minutes, tally)
    if given.json:
        print(json.dumps({"seed": seed, **tally.as_json()}, indent=1))
    else:
        print(tally.table())
        for fault, count in tally.told.most_common():
            print(f"{count} × {fault}")
    return 1 if tally.failed else 0


def attack(folder: Path, names: list[str], seed: int, minutes: float, tally: Tally) -> None:
    """Rounds, each of the attack that is furthest behind."""
    end, done = time.monotonic() + 60 * minutes, Counter[str]()
    while time.monotonic() < end:
        name = min(names, key=lambda name: done[name] / ATTACKS[name][1])
        run, rounds = ATTACKS[name]
        if done[name] == rounds:
            return
        rng = random.Random(f"{seed} {name} {done[name]}")
        with tempfile.TemporaryDirectory(prefix="room-", dir=folder) as room:
            run(Arena(Path(room), rng, tally, folder / "stored"))
        done[name] += 1
        told = ", ".join(f"{count} {kind}" for kind, count in tally.inputs.items())
        print(f"{name} {done[name]}/{rounds}: {told}; {tally.failed} faults", file=sys.stderr,
              flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
