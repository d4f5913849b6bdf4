"""The cost of preparing many pieces: CPU time and memory of one process.

    python studies/many_pieces.py 10000 --output-dir out/many

The pieces are made up: bars of Aird's tunes in a new order, with notes moved by a step. One in ten
is a near-copy of one of the last thousand. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from time import process_time

from picogen_core.data.corpora import read_corpus
from picogen_core.data.prepare import prepare, prepare_shard
from picogen_core.data.types import SourcePiece
from picogen_core.runtime.shards import WHOLE

COPIES = 0.1
_BARS = 16
_MOVED = 0.15
_LETTERS = "CDEFGABcdefgab"


def bars_by_meter() -> dict[tuple[str, str], list[str]]:
    """Return bars of plain notes by meter and unit."""
    found = defaultdict(list)
    for piece in read_corpus("airds"):
        fields = dict(re.findall(r"^([A-Z]):\s*(\S+)", piece.abc, re.M))
        if "M" in fields and "L" in fields and "V" not in fields:
            body = re.sub(r"^([A-Za-z]:|%).*$", "", piece.abc, flags=re.M)
            bars = [bar.strip() for bar in body.split("|")]
            found[fields["M"], fields["L"]] += [b for b in bars if re.fullmatch(r"[A-Ga-g2 ]+", b)]
    return {key: bars for key, bars in found.items() if len(bars) > 100}


def made_up(count: int, seed: int = 0) -> Iterator[SourcePiece]:
    """Yield pieces of about 90 notes."""
    rng = random.Random(seed)
    bars = bars_by_meter()
    meters = sorted(bars)
    latest: deque[tuple[tuple[str, str, str], list[str]]] = deque(maxlen=1000)
    for number in range(count):
        if latest and rng.random() < COPIES:
            head, chosen = rng.choice(latest)
            chosen = [moved(bar, 0.01, rng) for bar in chosen]
        else:
            meter = rng.choice(meters)
            head = (*meter, rng.choice("CDFG"))
            chosen = [moved(rng.choice(bars[meter]), _MOVED, rng) for _ in range(_BARS)]
        latest.append((head, chosen))
        lines = "|\n".join("|".join(chosen[i : i + 4]) for i in range(0, _BARS, 4))
        header = "X:1\nM:{}\nL:{}\nK:{}\n".format(*head)
        yield SourcePiece(f"{number}", f"{header}{lines}|]\n", "made up", "CC0")


def moved(bar: str, share: float, rng: random.Random) -> str:
    """Return a bar with a share of its notes a step higher or lower."""

    def step(letter: str) -> str:
        place = _LETTERS.find(letter)
        if place < 0 or rng.random() > share:
            return letter
        return _LETTERS[min(max(place + rng.choice((-1, 1)), 0), len(_LETTERS) - 1)]

    return "".join(map(step, bar))


def measure(count: int, folder: Path) -> dict[str, float]:
    """Prepare so many pieces. The parts are made first, so that the rest can be seen alone."""
    start = process_time()
    prepare_shard(made_up(count), folder, WHOLE)
    parts = process_time()
    memory = peak()
    report = prepare(made_up(count), folder, merge=True).report
    return {
        "pieces": report["pieces"],
        "clusters": report["clusters"],
        "notes": report["notes"],
        "CPU s, parts": round(parts - start, 1),
        "CPU s, merge": round(process_time() - parts, 1),
        "MB, parts": memory,
        "MB, merge": peak(),
    }


def peak() -> int:
    """Return the largest memory of this process so far in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--output-dir", type=Path, required=True)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.count, arguments.output_dir)))
