"""Preparation in parts: runs of consecutive pieces, each made once and stored until all are made.

A part's file name has a digest of its pieces and settings. So an interrupted preparation continues
with the existing parts, and a change of pieces or settings makes the part anew.
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

_WEIGHT = 64  # tunes a part; a score that has to be converted weighs as much as eight
_FILE_WEIGHT = 8
_AHEAD = 3  # parts waiting for each worker


@dataclass(frozen=True)
class Settings:
    """Settings that the preparation of a piece depends on."""

    keys: str
    seed: int


@dataclass(frozen=True)
class Part:
    """Consecutive pieces, and the file for their result."""

    tasks: list[Task]
    settings: Settings
    path: Path


def cut_parts(
    tasks: Iterable[Task], settings: Settings, folder: Path, shard: Shard = WHOLE
) -> Iterator[Part]:
    """Yield parts in the order of the pieces, of a shard only its own."""
    waiting: list[Task] = []
    weight = number = 0
    for task in tasks:
        waiting.append(task)
        weight += _FILE_WEIGHT if task.piece.file else 1
        if weight >= _WEIGHT:
            if shard.holds(number):
                yield _part(waiting, settings, folder, number)
            waiting, weight, number = [], 0, number + 1
    if waiting and shard.holds(number):
        yield _part(waiting, settings, folder, number)


def refuse_missing(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts. Raises `BadInput` for one that no shard has made."""
    for part in parts:
        if not part.path.is_file():
            raise BadInput(
                f"{part.path} is missing: a shard is not done, or had other sources or options. "
                "Run it (again), or make the rest here with --resume in place of --merge."
            )
        yield part


def make_parts(parts: Iterable[Part], jobs: int) -> Iterator[Part]:
    """Make the missing parts, `jobs` at a time, and yield all parts in order.

    Raises:
        BadInput: a worker was killed from outside.
    """
    if jobs == 1:
        with FileReader() as reader:
            for part in parts:
                if not is_made(part.path):
                    _make_part(part, reader)
                yield part
        return
    waiting: deque[tuple[Part, Future[None] | None]] = deque()
    try:
        with process_pool(jobs) as pool:
            for part in parts:
                made = is_made(part.path)
                waiting.append((part, None if made else pool.submit(_make_in_worker, part)))
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
    """A finished part: facts of its pieces, and their arrays.

    pieces:  for each piece `Made` or `Rejected` as a mapping; `first` is the place of a made
             piece's first key in the arrays, `keys` its keys, `pitches` its melody.
    """

    pieces: list[dict[str, Any]]
    patches: list[Patches]
    notes: list[Notes]


def is_made(path: Path) -> bool:
    """Return whether a part is complete, without pieces that failed by a fault of the machine."""
    try:
        return not any(piece.get("passing") for piece in read_part(path).pieces)
    except Exception:  # a damaged file can make the reader raise anything
        return False


def read_facts(path: Path) -> list[dict[str, Any]]:
    """Return the pieces of a part without their patches and notes."""
    with np.load(path, allow_pickle=False) as shards:
        return _facts(shards)


def read_part(path: Path) -> Read:
    """Return a whole part."""
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


def _part(tasks: list[Task], settings: Settings, folder: Path, number: int) -> Part:
    digest = hashlib.sha256(f"{FORMAT}\n{settings}\n".encode())
    for task in tasks:
        piece = task.piece
        facts = [piece.name, piece.abc, piece.provenance, piece.licence, task.tags, piece.fault]
        facts.append(_digest(piece.file))
        digest.update(json.dumps(facts).encode())
    return Part(tasks, settings, folder / f"{number:06d}-{digest.hexdigest()[:20]}.npz")


def _digest(file: Path | None) -> str:
    try:
        return hashlib.sha256(read_file(file)).hexdigest() if file else ""
    except BadInput as error:  # the piece will be rejected for it
        return str(error)


def _finished(part: Part, future: Future[None] | None) -> Part:
    if future is not None:
        future.result()
    return part


@lru_cache(maxsize=1)
def _worker_reader() -> FileReader:
    return FileReader()


def _make_in_worker(part: Part) -> None:
    _make_part(part, _worker_reader())


def _make_part(part: Part, reader: FileReader) -> None:
    keys, seed = part.settings.keys, part.settings.seed
    pieces: list[dict[str, Any]] = []
    made: list[Made] = []
    shards = 0
    for task in part.tasks:
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
    _write(part.path, pieces, made)


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
