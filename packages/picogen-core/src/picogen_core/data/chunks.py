"""Preparation in chunks: runs of consecutive pieces, each made once and stored until all are made.

A chunk's file name has a digest of its pieces and settings. So an interrupted preparation continues
with the existing chunks, and a change of pieces or settings makes the chunk anew.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.patches import PATCH_SIZE, Patches
from picogen_core.data import FORMAT
from picogen_core.data.piece import Made, Rejected, Task, make
from picogen_core.data.prepared.store import Notes
from picogen_core.errors import BadInput
from picogen_core.runtime.files import write_atomic
from picogen_core.runtime.processes import process_pool
from picogen_core.runtime.shards import WHOLE, Shard
from picogen_core.score.file import read_file
from picogen_core.score.files.reader import FileReader

_WEIGHT = 64  # tunes a chunk; a score that has to be converted weighs as much as eight
_FILE_WEIGHT = 8
_AHEAD = 3  # chunks waiting for each worker


@dataclass(frozen=True)
class Settings:
    """Settings that the preparation of a piece depends on."""

    keys: str
    seed: int


@dataclass(frozen=True)
class Chunk:
    """Consecutive pieces, and the file for their result."""

    tasks: list[Task]
    settings: Settings
    path: Path


def cut_chunks(
    tasks: Iterable[Task], settings: Settings, folder: Path, shard: Shard = WHOLE
) -> Iterator[Chunk]:
    """Yield chunks in the order of the pieces, of a shard only its own."""
    waiting: list[Task] = []
    weight = number = 0
    for task in tasks:
        waiting.append(task)
        weight += _FILE_WEIGHT if task.piece.file else 1
        if weight >= _WEIGHT:
            if shard.holds(number):
                yield _chunk(waiting, settings, folder, number)
            waiting, weight, number = [], 0, number + 1
    if waiting and shard.holds(number):
        yield _chunk(waiting, settings, folder, number)


def refuse_missing(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield the chunks. Raises `BadInput` for one that no shard has made."""
    for chunk in chunks:
        if not chunk.path.is_file():
            raise BadInput(
                f"{chunk.path} is missing: a shard is not done, or had other sources or options. "
                "Run it (again), or make the rest here with --resume in place of --merge."
            )
        yield chunk


def make_chunks(chunks: Iterable[Chunk], jobs: int) -> Iterator[Chunk]:
    """Make the missing chunks, `jobs` at a time, and yield all chunks in order.

    Raises:
        BadInput: a worker was killed from outside.
    """
    if jobs == 1:
        with FileReader() as reader:
            for chunk in chunks:
                if not is_made(chunk.path):
                    _make_chunk(chunk, reader)
                yield chunk
        return
    waiting: deque[tuple[Chunk, Future[None] | None]] = deque()
    try:
        with process_pool(jobs) as pool:
            for chunk in chunks:
                made = is_made(chunk.path)
                waiting.append((chunk, None if made else pool.submit(_make_in_worker, chunk)))
                while len(waiting) > _AHEAD * jobs:
                    yield _finished(*waiting.popleft())
            while waiting:
                yield _finished(*waiting.popleft())
    except BrokenProcessPool:
        raise BadInput(
            "a worker was killed, perhaps for want of memory. Fewer --jobs need less; "
            "--resume goes on with what is there."
        ) from None


@dataclass(frozen=True)
class Read:
    """A finished chunk: facts of its pieces, and their arrays.

    pieces:  for each piece `Made` or `Rejected` as a mapping; `first` is the place of a made
             piece's first key in the arrays, `keys` its keys, `pitches` its melody.
    """

    pieces: list[dict[str, Any]]
    patches: list[Patches]
    notes: list[Notes]


def is_made(path: Path) -> bool:
    """Return whether a chunk is complete, without pieces that failed by a fault of the machine."""
    try:
        return not any(piece.get("passing") for piece in read_chunk(path).pieces)
    except Exception:  # a damaged file can make the reader raise anything
        return False


def read_facts(path: Path) -> list[dict[str, Any]]:
    """Return the pieces of a chunk without their patches and notes."""
    with np.load(path, allow_pickle=False) as shards:
        return _facts(shards)


def read_chunk(path: Path) -> Read:
    """Return a whole chunk."""
    with np.load(path, allow_pickle=False) as shards:
        return Read(
            _facts(shards),
            _split(shards["patches"], shards["patch_counts"]),
            _split(shards["notes"], shards["note_counts"]),
        )


def _facts(shards: Any) -> list[dict[str, Any]]:
    pieces: list[dict[str, Any]] = json.loads(shards["facts"].tobytes())
    pitches = iter(_split(shards["pitches"], shards["pitch_counts"]))
    for piece in pieces:
        if "reason" not in piece:
            piece["pitches"] = next(pitches)
    return pieces


def _split(values: NDArray[Any], counts: NDArray[np.int64]) -> list[NDArray[Any]]:
    return np.split(values, np.cumsum(counts)[:-1]) if len(counts) else []


def _chunk(tasks: list[Task], settings: Settings, folder: Path, number: int) -> Chunk:
    digest = hashlib.sha256(f"{FORMAT}\n{settings}\n".encode())
    for task in tasks:
        piece = task.piece
        facts = [piece.name, piece.abc, piece.provenance, piece.licence, task.tags, piece.fault]
        facts.append(_digest(piece.file))
        digest.update(json.dumps(facts).encode())
    return Chunk(tasks, settings, folder / f"{number:06d}-{digest.hexdigest()[:20]}.npz")


def _digest(file: Path | None) -> str:
    try:
        return hashlib.sha256(read_file(file)).hexdigest() if file else ""
    except BadInput as error:  # the piece will be rejected for it
        return str(error)


def _finished(chunk: Chunk, future: Future[None] | None) -> Chunk:
    if future is not None:
        future.result()
    return chunk


@lru_cache(maxsize=1)
def _worker_reader() -> FileReader:
    return FileReader()


def _make_in_worker(chunk: Chunk) -> None:
    _make_chunk(chunk, _worker_reader())


def _make_chunk(chunk: Chunk, reader: FileReader) -> None:
    keys, seed = chunk.settings.keys, chunk.settings.seed
    pieces: list[dict[str, Any]] = []
    made: list[Made] = []
    shards = 0
    for task in chunk.tasks:
        result = make(task, keys, seed, reader)
        if isinstance(result, Rejected):
            pieces.append(asdict(result))
            continue
        made.append(result)
        pieces.append(
            {
                "name": result.name,
                "text": hashlib.sha256(result.text.encode()).hexdigest(),
                "row": result.row,
                "first": shards,
                "keys": [(version.key, version.semitones) for version in result.keys],
                "left_out": result.left_out,
                "midi": result.midi,
            }
        )
        shards += len(result.keys)
    _write(chunk.path, pieces, made)


def _write(path: Path, pieces: list[dict[str, Any]], made: list[Made]) -> None:
    versions = [version.encoded for piece in made for version in piece.keys]
    patches = [version.patches for version in versions]
    notes = [version.notes for version in versions]
    pitches = [np.array(piece.pitches, np.int16) for piece in made]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        facts=np.frombuffer(json.dumps(pieces).encode(), np.uint8),
        patches=np.concatenate([np.zeros((0, PATCH_SIZE), np.uint8), *patches]),
        patch_counts=np.array([len(array) for array in patches], np.int64),
        notes=np.concatenate([np.zeros((0, 4), np.int32), *notes]),
        note_counts=np.array([len(array) for array in notes], np.int64),
        pitches=np.concatenate([np.zeros(0, np.int16), *pitches]),
        pitch_counts=np.array([len(array) for array in pitches], np.int64),
    )
    write_atomic(path, buffer.getvalue())
