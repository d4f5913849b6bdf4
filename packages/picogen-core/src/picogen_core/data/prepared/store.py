"""Prepared data on disk: an index of pieces, patch shards and note shards in memory maps.

index.jsonl   one JSON row a piece and key: path, key, original (its own key), semitones from that,
              cluster, split, provenance, licence, counts
patches.npy   [all patches, 16] uint8;  patch_offsets.npy  [pieces + 1] int64
notes.npy     [all notes, 4] int32: flat character position in the piece (patch · 16 + j),
              voice, diatonic step, octave mark;  note_offsets.npy  [pieces + 1] int64
digests.json  of the four, block by block
report.json   counts, and a reason for every rejected tune
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.patches import BOS, EOS, PAD, PATCH_SIZE, VOCABULARY, Patches, encode
from picogen_core.abc.reading.notes import Note, read_notes
from picogen_core.data.prepared.block_digests import check_digests, write_digests
from picogen_core.data.types import IndexRow
from picogen_core.errors import BadInput, reason
from picogen_core.plugins.options import check_fields
from picogen_core.runtime.files import written_aside
from picogen_core.runtime.reading import check_file, parse_json, read_text

INDEX = "index.jsonl"
_MAX_INDEX = 4 << 30  # bytes
_ROWS = 1 << 20  # that are checked together
_COMMON = frozenset({"key", "licence", "meter", "split"})

Notes = NDArray[np.int32]
"""[M, 4]: flat character position, voice, diatonic step, octave mark."""


@dataclass(frozen=True)
class Encoded:
    """A piece in the form that the model reads."""

    patches: Patches
    notes: Notes


def encode_piece(text: str) -> Encoded:
    """Return patches, and the index of notes that the reader finds in the same characters."""
    return encode_and_read(text)[0]


def encode_and_read(text: str) -> tuple[Encoded, dict[str, tuple[Note, ...]]]:
    """Return `encode_piece`, and the notes that were read for it."""
    return read_patches(encode(text))


def read_patches(patches: Patches) -> tuple[Encoded, dict[str, tuple[Note, ...]]]:
    """Return existing patches with the notes of their text; text that is not ABC has none."""
    flat = patches.reshape(-1)
    places = np.flatnonzero((flat != PAD) & (flat != BOS) & (flat != EOS))
    stream = flat[places].tobytes().decode("ascii")
    voices = read_notes(stream)
    rows = [
        (places[note.start], voice, note.step, int(note.octave))
        for voice, notes in enumerate(voices.values())
        for note in notes
        if note.pitch is not None
    ]
    return Encoded(patches, np.array(sorted(rows), dtype=np.int32).reshape(-1, 4)), voices


class Dataset:
    """Pieces in order. `rows[i]` is the index row of piece i.

    Patches and notes stay where they are, in memory maps as a rule: splits and selections are
    views. A piece is read when it is taken.
    """

    def __init__(
        self,
        rows: Sequence[dict[str, Any]],
        patches: Patches,
        patch_offsets: NDArray[np.int64],
        notes: Notes,
        note_offsets: NDArray[np.int64],
    ) -> None:
        self.rows = list(rows)
        self._arrays = [(patches, notes)]
        ends = (patch_offsets[:-1], patch_offsets[1:], note_offsets[:-1], note_offsets[1:])
        self._places = np.stack([np.zeros(len(rows), np.int64), *ends], axis=1)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Encoded:
        number, a, b, c, d = self._places[i].tolist()
        patches, notes = self._arrays[number]
        return Encoded(np.asarray(patches[a:b]), np.asarray(notes[c:d]))

    def lengths(self) -> NDArray[np.int64]:
        """[pieces] patches of each piece."""
        found: NDArray[np.int64] = self._places[:, 2] - self._places[:, 1]
        return found

    def digest(self) -> str:
        """sha256 of all patches, in order."""
        seen = hashlib.sha256()
        for i in range(len(self)):
            seen.update(np.ascontiguousarray(self[i].patches).data.cast("B"))
        return seen.hexdigest()

    def split(self, name: str) -> Dataset:
        """Return the pieces whose row has `split: name`."""
        return self.select([i for i, row in enumerate(self.rows) if row.get("split") == name])

    def select(self, indices: Sequence[int]) -> Dataset:
        """Return the pieces of these indices, a view."""
        return self._view(
            [self.rows[i] for i in indices], self._arrays, self._places[np.array(indices, int)]
        )

    def in_source_keys(self) -> Dataset:
        """Return each piece once, in its source's key: transpositions are not unseen music."""
        return self.select([i for i, row in enumerate(self.rows) if row.get("original", True)])

    @classmethod
    def joined(cls, datasets: Sequence[Dataset]) -> Dataset:
        """Return the pieces of several datasets, one after the other, a view."""
        rows = [row for data in datasets for row in data.rows]
        arrays = [pair for data in datasets for pair in data._arrays]
        firsts = np.cumsum([0, *(len(data._arrays) for data in datasets)])
        places = [
            data._places + np.array([first, 0, 0, 0, 0])
            for first, data in zip(firsts, datasets, strict=False)
        ]
        return cls._view(rows, arrays, np.concatenate(places))

    @classmethod
    def _view(
        cls,
        rows: list[dict[str, Any]],
        arrays: list[tuple[Patches, Notes]],
        places: NDArray[np.int64],
    ) -> Dataset:
        """places: [pieces, 5] number of the arrays, begin and end of its patches and its notes."""
        view = cls.__new__(cls)
        view.rows, view._arrays, view._places = rows, arrays, places
        return view


def characters_before(patches: Patches) -> NDArray[np.int64]:
    """[patches + 1] number of characters before each patch of a piece that a loss counts
    (`picogen_core.model.student.counted`)."""
    ends = patches == EOS
    behind = (np.cumsum(ends, axis=1, dtype=np.uint8) > ends) & (patches[:, :1] != BOS)
    counts = np.count_nonzero((patches != PAD) & ~behind, axis=1)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def from_encoded(rows: Sequence[dict[str, Any]], pieces: Sequence[Encoded]) -> Dataset:
    """Return a dataset in memory."""
    empty = Encoded(np.zeros((0, PATCH_SIZE), np.uint8), np.zeros((0, 4), np.int32))
    patches = [piece.patches for piece in pieces]
    notes = [piece.notes for piece in pieces]
    return Dataset(
        rows,
        np.concatenate([empty.patches, *patches]),
        np.cumsum([0, *map(len, patches)], dtype=np.int64),
        np.concatenate([empty.notes, *notes]),
        np.cumsum([0, *map(len, notes)], dtype=np.int64),
    )


def write_shards(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    pieces: Iterable[Encoded],
    report: dict[str, Any],
) -> dict[str, Any]:
    """Write a piece for each row, and the index last, so that an index always has its shards.

    Each row gets its number of `patches`; the report, which is returned, their sum.
    """
    counts: dict[str, list[int]] = {"patches": [], "notes": []}
    with written_aside(folder, last=INDEX) as aside:
        with (
            (aside / "patches.raw").open("wb") as patches,
            (aside / "notes.raw").open("wb") as notes,
        ):
            for piece in pieces:
                counts["patches"].append(len(piece.patches))
                counts["notes"].append(len(piece.notes))
                patches.write(np.ascontiguousarray(piece.patches, np.uint8).data)
                notes.write(np.ascontiguousarray(piece.notes, np.int32).data)
        patch_counts, note_counts = counts["patches"], counts["notes"]
        _finish_shard(aside, "patch", "patches", np.dtype(np.uint8), PATCH_SIZE, patch_counts)
        _finish_shard(aside, "note", "notes", np.dtype(np.int32), 4, note_counts)
        report = report | {"patches": sum(patch_counts)}
        write_digests(aside)
        (aside / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        with (aside / INDEX).open("wb") as index:
            for row, count in zip(rows, patch_counts, strict=True):
                index.write(json.dumps(row | {"patches": count}).encode() + b"\n")
    return report


def _finish_shard(
    folder: Path, one: str, name: str, dtype: np.dtype[Any], width: int, counts: list[int]
) -> None:
    """Write the raw file as .npy, and its offsets."""
    raw = folder / f"{name}.raw"
    with (folder / f"{name}.npy").open("wb") as file:
        header = {"descr": dtype.str, "fortran_order": False, "shape": (sum(counts), width)}
        np.lib.format.write_array_header_1_0(file, header)
        with raw.open("rb") as data:
            shutil.copyfileobj(data, file, 1 << 20)
    raw.unlink()
    offsets = np.cumsum([0, *counts], dtype=np.int64)
    np.save(folder / f"{one}_offsets.npy", offsets)


def read_dataset(folder: Path) -> Dataset:
    """Return the dataset that `write_shards` wrote; the shards stay on disk.

    All of them are read once to check their digests.

    Raises:
        BadInput: a file is missing, damaged or does not fit the index.
    """
    rows = read_rows(folder / INDEX)
    check_digests(folder)
    patches = _load(folder / "patches.npy", np.uint8, PATCH_SIZE)
    notes = _load(folder / "notes.npy", np.int32, 4)
    patch_offsets = _load_offsets(folder / "patch_offsets.npy", len(rows), len(patches))
    note_offsets = _load_offsets(folder / "note_offsets.npy", len(rows), len(notes))
    _check_values(folder, patches, patch_offsets, notes, note_offsets)
    return Dataset(rows, patches, patch_offsets, notes, note_offsets)


def _load(path: Path, dtype: type[np.generic], *width: int) -> NDArray[Any]:
    """Return [rows, *width], mapped from the file. Raises `BadInput` for other contents."""
    try:
        check_file(path)
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header can make numpy's reader raise anything
        raise _damaged(path, reason(error)) from None
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape[1:] != width:
        raise _damaged(path, "it holds other numbers")
    return array


def _load_offsets(path: Path, pieces: int, end: int) -> NDArray[np.int64]:
    offsets = np.array(_load(path, np.int64))
    if len(offsets) != pieces + 1:
        raise _damaged(path, "it does not fit the index")
    if offsets[0] != 0 or offsets[-1] != end or (np.diff(offsets) < 0).any():
        raise _damaged(path, "its offsets do not fit the shard")
    return offsets


def _check_values(
    folder: Path,
    patches: Patches,
    patch_offsets: NDArray[np.int64],
    notes: Notes,
    note_offsets: NDArray[np.int64],
) -> None:
    if (np.diff(patch_offsets) < 2).any():
        raise _damaged(folder / "patch_offsets.npy", "a piece has no music")
    for start in range(0, len(patches), _ROWS):
        if (patches[start : start + _ROWS] >= VOCABULARY).any():
            raise _damaged(folder / "patches.npy", "it holds what is no character")
    ends = np.diff(patch_offsets) * PATCH_SIZE
    for start in range(0, len(notes), _ROWS):
        some = notes[start : start + _ROWS, 0]
        piece = np.searchsorted(note_offsets, np.arange(start, start + len(some)), "right") - 1
        if (some < 0).any() or (some >= ends[piece]).any():
            raise _damaged(folder / "notes.npy", "a note lies outside its piece")


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(f"{path}: damaged ({why}). Prepare it again.")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSONL index.

    Raises:
        BadInput: no such file, or a line is not a JSON object.
    """
    if not path.exists():
        raise BadInput(
            f"{path}: there is no such index. Make one with: picogen data SOURCE --output-dir DIR"
        )
    try:
        text = read_text(path, _MAX_INDEX)
    except (OSError, UnicodeDecodeError) as error:
        why = f" ({error.strerror})" if isinstance(error, OSError) else ""
        raise BadInput(f"{path}: not a text file, so no JSONL index{why}.") from None
    rows = []
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise BadInput(f"{path}, line {number}: not JSON ({why}).") from None
        if not isinstance(row, dict):
            raise BadInput(f"{path}, line {number}: not a JSON object.")
        check_fields(IndexRow, row, f"{path}, line {number}")
        rows.append(share_strings(row))
    return rows


def share_strings(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the index with one copy of the strings that many rows have."""
    return {
        sys.intern(key): sys.intern(value) if key in _COMMON and type(value) is str else value
        for key, value in row.items()
    }
