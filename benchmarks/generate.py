"""How fast pieces are written, against NotaGen's own way and against the memory floor.

    OMP_NUM_THREADS=1 python benchmarks/generate.py notagen --prefix 256 --rounds 5
    OMP_NUM_THREADS=1 python benchmarks/generate.py student
    OMP_NUM_THREADS=1 python benchmarks/generate.py long
    OMP_NUM_THREADS=1 python benchmarks/generate.py equal
    OMP_NUM_THREADS=1 python benchmarks/generate.py whole --weights-path RUN --weights-path OTHER

`notagen`: NotaGen-small's shape with random weights; the reference encodes the whole prefix for
every patch and runs all 16 character steps, and so do the others here, so that all do the same.
Greedy characters have to be equal. The floor is the time that reading the weights and caches once,
the character decoder's for each step, takes at the rate at which a sum over 1 GB reads. Random
weights repeat themselves and are easily drafted; `real music` makes the model write a tune that
continues the prefix, so that patches end where real ones do and draft tokens come true as often as
for a model that writes like it. `student`: the demo's shape. `long`: one piece of
10,000 patches. `whole`: a patch as `picogen generate` writes it, sampling, codec, mask and text
included, against its model alone, which reads the same characters; behind prefixes of 8, 60 and
1,000 patches; pieces of the checkpoints take turns. `equal`: how many sampled characters do not
depend on engine and batch.
All times are of one thread's CPU, in turns; medians.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from decoding import (
    GREEDY,
    Follow,
    NoEnd,
    characters,
    cpu,
    drafting,
    draw_patches,
    prefix_of,
    real_lengths,
)
from notagen_reference import NotaGenReference, greedy
from patches import tunes
from picogen_core.abc.grammar import QuickConstraint
from picogen_core.abc.patches import PATCH_SIZE, encode
from picogen_core.compiled.jit import reduction
from picogen_core.generation.decoding.decode import Limits, draw_plain, write
from picogen_core.generation.decoding.piece import PieceWriter
from picogen_core.generation.decoding.speculative import draw_speculatively
from picogen_core.generation.decoding.spelled import draw_spelled
from picogen_core.generation.engines import Engine, Spelling, Verifying
from picogen_core.generation.engines.choose import EngineChoice, open_engine
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.locate import Checkpoint, locate
from picogen_core.model.student import GenericStudent
from picogen_core.runtime.progress import Quiet

MUSIC = 24  # patches of the tune that is followed
STUDENT = ModelConfig(
    d_model=128, max_patches=256, backbone="rwkv", backbone_options={"layers": 2}, head="char-gru"
)


@reduction
def _sum(x):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for i in range(x.shape[0]):
        total += x[i]
    return total


def show(name: str, seconds: list[float], base: list[float] | None = None) -> None:
    """Milliseconds a patch; how many times as fast as `base`, round by round."""
    line = f"{name:36} {1000 * statistics.median(seconds):9.1f} ms a patch"
    if base:
        ratios = [b / s for b, s in zip(base, seconds, strict=True)]
        line += f"  {statistics.median(ratios):6.1f} × ({min(ratios):.1f} … {max(ratios):.1f})"
    print(line, flush=True)


@contextmanager
def notagen_small() -> Iterator[tuple[NotaGenReference, Path]]:
    torch.manual_seed(0)
    reference = NotaGenReference(768, 12, 3, 2048).eval()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PICOGEN_CACHE"] = folder  # where a big .pth is imported to
        path = Path(folder) / "small.pth"
        torch.save({"model": reference.state_dict()}, path)
        yield reference, path


def bytes_a_patch(reference: NotaGenReference, prefix: int, steps: float) -> float:
    """The patch side's matrices once, the character side's at each step, the prefix's cache."""

    def matrices(module: torch.nn.Module) -> int:
        named = dict(module.named_parameters())
        return sum(p.numel() for name, p in named.items() if ".h." in name and p.dim() == 2)

    side, chars = reference.patch_level_decoder, reference.char_level_decoder
    width, layers = side.base.config.n_embd, side.base.config.n_layer
    head = matrices(chars) + 128 * width
    return 4 * (matrices(side) + steps * head + 2 * prefix * layers * width)


def bench_notagen(prefix: int, rounds: int, batch: int) -> None:
    rows = prefix_of(prefix)
    full, one = np.full(batch, PATCH_SIZE), np.array([1])
    lengths, big = real_lengths(), np.ones(1 << 28, np.float32)
    _sum(big[:1])
    many = np.arange(1, batch + 1)
    tune = encode(tunes(60)[-1])[1:-1][:MUSIC]
    with notagen_small() as (reference, path):
        checkpoint = locate(path, Quiet())
        places = prefix + 64
        engines = {
            name: open_engine(checkpoint, EngineChoice(name, "cpu"), batch + 1, places, Quiet())
            for name in ("numba", "torch")
        }
        prompt = rows.tolist()
        times: dict[str, list[float]] = {}

        def add(name: str, function: Callable[[], object], patches: int = 1) -> None:
            times.setdefault(name, []).append(cpu(function) / patches)

        def after_prefix(name: str, slots: np.ndarray) -> Engine:
            engine = engines[name]
            engine.read(0, rows)
            for slot in slots:
                engine.copy(0, int(slot))
            return engine

        def real_music(engine: Engine, drafts: bool) -> Callable[[], None]:
            drafter = drafting(engine, rows) if drafts else None
            draw: Any = draw_speculatively if drafts else draw_plain
            follow = Follow(characters(tune))
            piece = PieceWriter(0, guides=lambda: [follow]).begin(drafter=drafter)

            def written() -> None:
                for row in tune:
                    draw(engine, [1], [piece], GREEDY, False)
                    engine.advance(one, row[None])

            return written

        for turn in range(rounds):
            with torch.no_grad():
                drawn: list[list[int]] = []
                add("reference", lambda d=drawn: d.append(reference.draw_patch(prompt, [], greedy)))
            stopping = np.resize(np.roll(lengths, 7 * turn), batch)
            for name in engines:
                out: list[np.ndarray] = []

                def full_patch(
                    slots: np.ndarray, e: Engine, steps: np.ndarray = full, o: list = out
                ) -> None:
                    o.append(draw_patches(e, slots, steps))

                engine = after_prefix(name, one)
                add(f"{name}, alone", partial(full_patch, one, engine))
                assert out[0][0].tolist() == drawn[0], f"{name} draws other characters"
                engine = after_prefix(name, one)
                add(f"{name}, alone, real music", real_music(engine, False), len(tune))
                if isinstance(engine, Verifying):
                    engine = after_prefix(name, one)
                    piece = PieceWriter(0).begin(False, drafting(engine, rows))

                    def drafted(e: Verifying = engine, p: PieceWriter = piece) -> None:
                        draw_speculatively(e, [1], [p], GREEDY, False)
                        e.advance(one, np.frombuffer(p.rows[-1], np.uint8)[None])

                    add(f"{name}, alone, drafting", drafted)
                    assert list(piece.rows[-1]) == drawn[0], f"{name} drafts other characters"
                    engine = after_prefix(name, one)
                    music = real_music(engine, True)
                    add(f"{name}, alone, drafting, real music", music, len(tune))
                engine = after_prefix(name, many)
                add(f"{name}, {batch} at once", partial(full_patch, many, engine), batch)
                assert (out[1] == out[0]).all(), f"{name} draws other characters in a batch"
                engine = after_prefix(name, many)
                real = partial(draw_patches, engine, many, stopping)
                add(f"{name}, {batch} at once, real lengths", real, batch)
            add("floor", lambda: _sum(big))
        rates = [big.nbytes / seconds for seconds in times.pop("floor")]
        need = bytes_a_patch(reference, prefix, PATCH_SIZE)
        rate = statistics.median(rates) / 1e9
        print(f"NotaGen-small's shape, prefix {prefix}, {rounds} rounds")
        print(f"{need / 1e9:.2f} GB a patch, read at {rate:.1f} GB/s")
        for name, seconds in times.items():
            show(name, seconds, times["reference"] if name != "reference" else None)
        shares = [need / rate / s for rate, s in zip(rates, times["numba, alone"], strict=True)]
        print(f"numba, alone: {100 * statistics.median(shares):.0f} % of the memory floor "
              f"({100 * min(shares):.0f} … {100 * max(shares):.0f})")  # fmt: skip


@contextmanager
def student(path: Path | None) -> Iterator[Checkpoint]:
    """The checkpoint given, or the demo's shape with random weights."""
    if path:
        yield locate(path, Quiet())
        return
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "student", GenericStudent(STUDENT), {})
        yield locate(Path(folder) / "student", Quiet())


def bench_student(rounds: int, path: Path | None) -> None:
    lengths = real_lengths()
    with student(path) as checkpoint:
        for batch in (1, 4, 16, 64):
            slots, times = np.arange(batch), {"torch": [], "numba": []}
            count = max(4, 128 // batch)
            for name in times:
                engine = open_engine(checkpoint, EngineChoice(name, "cpu"), batch, 256, Quiet())
                for slot in slots:
                    engine.read(int(slot), prefix_of(8))
                times[name].append(engine)
            engines = {name: values.pop() for name, values in times.items()}
            for _ in range(rounds):
                for name, engine in engines.items():
                    steps = np.resize(lengths, (count, batch))
                    seconds = cpu(
                        lambda e=engine, s=steps, n=slots: [draw_patches(e, n, one) for one in s]
                    )
                    times[name].append(seconds / count / batch)
            show(f"torch, {batch} at once", times["torch"])
            show(f"numba, {batch} at once", times["numba"], times["torch"])


def bench_long(patches: int, path: Path | None) -> None:
    with student(path) as checkpoint:
        engine = open_engine(checkpoint, EngineChoice("numba", "cpu"), 1, 256, Quiet())
        start = PieceWriter(1, "K:C\n", 0, guides=lambda: [NoEnd()])
        begun, characters = time.process_time(), 0
        pieces = write(engine, [start], SamplingOptions(), Limits(patches + 2))
        for number, written in enumerate(pieces, 1):
            characters += len(written.text) + 1
            if number % (patches // 10) == 0:
                seconds = time.process_time() - begun
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(f"up to {number:6}: {1e6 * seconds / characters:6.1f} µs a character, "
                      f"{1e6 * seconds / (patches // 10):6.1f} a patch, {memory:.1f} MB at most",
                      flush=True)  # fmt: skip
                begun, characters = time.process_time(), 0


class WholePieces:
    """A checkpoint that writes pieces behind a prefix, and reads each again without sampling."""

    def __init__(self, path: Path, prefix: int) -> None:
        checkpoint = locate(path, Quiet())
        self._engine = open_engine(
            checkpoint, EngineChoice("numba", "cpu"), 2, prefix + 80, Quiet()
        )
        self._rows, self._count = prefix_of(prefix), 0

    def piece(self) -> tuple[float, float]:
        """CPU seconds per patch of one piece: as it is written, and of the model alone."""
        self._count += 1
        guides = [QuickConstraint(300)]
        piece = PieceWriter(self._count, "L:1/8\nM:4/4\nK:C\n", guides=lambda: guides).begin()
        begun = len(piece.rows)
        self._engine.read(0, self._rows)
        self._engine.read(1, self._rows)
        whole = cpu(lambda: self._write(piece, begun + 64))
        rows = np.frombuffer(b"".join(piece.rows[begun:]), np.uint8).reshape(-1, PATCH_SIZE)
        model = cpu(lambda: self._read(rows))
        return whole / len(rows), model / len(rows)

    def _write(self, piece: PieceWriter, patches: int) -> None:
        draw = draw_spelled if isinstance(self._engine, Spelling) else draw_plain
        sampling, one = SamplingOptions(), np.array([0])
        while not piece.over and len(piece.rows) < patches:
            draw(self._engine, [0], [piece], sampling, False)
            piece.last_text()
            self._engine.advance(one, np.frombuffer(piece.rows[-1], np.uint8)[None])

    def _read(self, rows: np.ndarray) -> None:
        one = np.array([1])
        for row in rows:
            self._engine.begin(one)
            for code in row[: np.flatnonzero(row)[-1]].astype(np.int64):
                self._engine.step(one, np.array([code]))
            self._engine.advance(one, row[None])


def bench_whole(paths: list[Path], rounds: int) -> None:
    for prefix in (8, 60, 1000):
        writers = [WholePieces(path, prefix) for path in paths]
        found: list[list[tuple[float, float]]] = [[] for _ in writers]
        for turn in range(4 + 3 * rounds):
            for pairs, writer in zip(found, writers, strict=True):
                seconds = writer.piece()
                if turn >= 4:  # places of the automaton are known by then
                    pairs.append(seconds)
        print(f"behind {prefix} patches")
        base = statistics.median(whole for whole, _ in found[0])
        for path, pairs in zip(paths, found, strict=True):
            whole, model = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(a / b for a, b in pairs)
            line = f"{path.name:24} {1e6 * whole:6.0f} µs per patch, {ratio:.2f} × its model's"
            print(f"{line} {1e6 * model:.0f}, {whole / base:.2f} × {paths[0].name}", flush=True)


def bench_equal(pieces: int, path: Path | None) -> None:
    with student(path) as checkpoint:
        found: dict[str, dict[int, np.ndarray]] = {}
        for name, batch in (("numba", 16), ("numba", 1), ("torch", 16), ("torch", 1)):
            engine = open_engine(checkpoint, EngineChoice(name, "cpu"), batch, 64, Quiet())
            starts = [PieceWriter(k, "K:C\n", 0, guides=lambda: [NoEnd()]) for k in range(pieces)]
            written = write(engine, starts, SamplingOptions(), Limits(48))
            found[f"{name}, {batch} at once"] = {
                one.number: one.draft.codes for one in written if one.draft is not None
            }
        first, *others = found
        for other in others:
            pairs = [(found[first][k], found[other][k]) for k in range(pieces)]
            same = sum(int(np.array_equal(a, b)) for a, b in pairs)
            characters = sum(int((a == b)[a > 0].sum()) for a, b in pairs)
            total = sum(int((a > 0).sum()) for a, _ in pairs)
            share = 100 * characters / total
            print(f"{first} and {other}: {same} of {pieces} pieces")
            print(f"  {share:.3f} % of {total} characters are the same", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("notagen", "student", "long", "equal", "whole"))
    parser.add_argument("--prefix", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pieces", type=int, default=200)
    parser.add_argument(
        "--weights-path", type=Path, action="append", default=[],
        help="a student instead of random weights; of `whole` several",
    )  # fmt: skip
    given = parser.parse_args()
    first = given.weights_path[0] if given.weights_path else None
    torch.set_num_threads(1)
    {
        "notagen": lambda: bench_notagen(given.prefix, given.rounds, given.batch),
        "student": lambda: bench_student(given.rounds, first),
        "long": lambda: bench_long(10_000, first),
        "equal": lambda: bench_equal(given.pieces, first),
        "whole": lambda: bench_whole(given.weights_path, given.rounds),
    }[given.what]()


if __name__ == "__main__":
    main()
