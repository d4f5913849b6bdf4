"""Pieces a second from ABC to MusicXML, SVG and MIDI, with one and with two workers in turns.

OMP_NUM_THREADS=1 python benchmarks/convert.py --pieces 80 --rounds 2
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

from patches import tunes
from picogen_core.score.convert import convert_text
from picogen_core.score.helper import Converter

TARGETS = ("musicxml", "svg", "midi")


def pieces_a_second(pieces: list[str], workers: int) -> float:
    """Wall time, after a warm-up of two pieces a worker."""
    with Converter(workers) as converter, ThreadPoolExecutor(workers) as pool:

        def convert(piece: str) -> int:
            return len(convert_text(piece, TARGETS, converter).files)

        list(pool.map(convert, pieces[: 2 * workers]))
        begun = time.perf_counter()
        list(pool.map(convert, pieces))
        return len(pieces) / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pieces", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    pieces = tunes(given.pieces)
    for _ in range(given.rounds):
        for workers in (1, 2):
            rate = pieces_a_second(pieces, workers)
            print(f"{len(pieces)} tunes, {workers} workers: {rate:.1f} pieces a second", flush=True)


if __name__ == "__main__":
    main()
