"""Patches a second: the codec against a plain one that does the same, in turns on the same pieces.

    python benchmarks/patches.py --pieces 400 --rounds 7

The plain one goes character by character and returns lists, as NotaGen's own does. Before it is
timed, both have to give the same patches for every piece.
"""

from __future__ import annotations

import argparse
import re
import statistics
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from measure import in_turns
from picogen_core.abc.counters import strip_counters
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.patches import Patchilizer
from picogen_core.abc.reading.notes import split_tunes
from picogen_core.errors import BadInput

_BARLINES = ("|:", "::", ":|", "[|", "||", "|]", "|")
_SPLIT = re.compile("(" + "|".join(map(re.escape, _BARLINES)) + ")")


def plain_encode(text: str) -> list[list[int]]:
    """`Patchilizer.encode`, written down step by step."""
    lines = strip_counters(text).splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if line.startswith("[V:")), len(lines))
    patches = [[1] * 15 + [2]]
    for line in lines[:start]:
        patches += _to_patches(line)
    body = lines[start:]
    for number, line in enumerate(body):
        for bar in _bars(f"[r:{number}/{len(body) - 1 - number}]{line}"):
            patches += _to_patches(bar)
    return [*patches, [1] + [2] * 15]


def _bars(line: str) -> list[str]:
    bars = [""]
    after_text = False
    for part in _SPLIT.split(line):
        if part in _BARLINES:
            if after_text:
                bars.append("")
            bars[-1] += part
            after_text = False
        elif part:
            bars[-1] += part
            after_text = True
    if len(bars) > 1 and "V" not in bars[-1]:
        bars[-2:] = [bars[-2] + bars[-1]]
    return bars


def _to_patches(text: str) -> list[list[int]]:
    ids = [ord(character) for character in text]
    if len(ids) % 16:
        ids.append(2)
    while len(ids) % 16:
        ids.append(0)
    return [ids[i : i + 16] for i in range(0, len(ids), 16)]


def tunes(count: int) -> list[str]:
    """The first tunes of O'Neill's book inside music21, interleaved."""
    spec = find_spec("music21")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The benchmark reads tunes inside music21. Run: pip install music21")
    folder = Path(spec.submodule_search_locations[0]) / "corpus" / "oneills1850"
    pieces: list[str] = []
    for file in sorted(folder.glob("*.abc")):
        for tune in split_tunes(file.read_text(encoding="utf-8")):
            try:
                pieces.append(interleave(tune))
            except BadInput:
                continue
            if len(pieces) == count:
                return pieces
    return pieces


def _encode_all(encode: Callable[[str], object], pieces: list[str]) -> None:
    for piece in pieces:
        encode(piece)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pieces", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    pieces = tunes(given.pieces)
    codec = Patchilizer()
    for piece in pieces:
        assert codec.encode(piece).tolist() == plain_encode(piece)
    patches = sum(len(codec.encode(piece)) for piece in pieces)
    encoders = {"plain": plain_encode, "Patchilizer": codec.encode}
    tasks = {name: partial(_encode_all, encode, pieces) for name, encode in encoders.items()}
    times = in_turns(tasks, given.rounds)
    print(f"{len(pieces)} pieces, {patches} patches, median of {given.rounds} rounds in turns")
    for name, found in times.items():
        print(f"{name:12} {patches / found.median_cpu / 1000:8.0f} k patches a CPU second")
    ratios = [a / b for a, b in zip(*(found.cpu for found in times.values()), strict=True)]
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f})")


if __name__ == "__main__":
    main()
