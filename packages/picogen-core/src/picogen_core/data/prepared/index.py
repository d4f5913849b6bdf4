"""The data of `--data`: a prepared folder, or an index of ABC files in either dialect.

PiCo-Gen's dialect has one row per real file: {"path": "folder/file.abc"}. NotaGen's names a piece
and a key: {"path": "AUG/name", "key": "G"}, whose file is AUG/G/name_G.abc. In the first the path
exists. Paths are relative to the index, or to the current folder as in NotaGen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from picogen_core.abc.patches import drop_empty_lines, split_body
from picogen_core.data.prepared.store import (
    Dataset,
    encode_piece,
    from_encoded,
    read_dataset,
    read_rows,
)
from picogen_core.errors import BadInput, reason
from picogen_core.runtime.reading import read_text
from picogen_core.score.file import MAX_BYTES


def open_all(paths: Sequence[Path]) -> Dataset:
    """Return the datasets of several paths, joined. Raises `BadInput` as `open_data`."""
    return Dataset.joined([open_data(path) for path in paths])


def open_data(path: Path) -> Dataset:
    """Return the dataset of a prepared folder, or of the files in an index.

    Raises:
        BadInput: a file is missing or damaged; the message names the row.
    """
    if path.is_dir():
        return read_dataset(path)
    if path.name == "index.jsonl" and (path.parent / "patches.npy").is_file():
        return read_dataset(path.parent)
    rows = read_rows(path)
    if not rows:
        raise BadInput(f"{path}: the index has no rows.")
    pieces = []
    for number, row in enumerate(rows, 1):
        file = _locate(path, number, row)
        try:
            text = drop_empty_lines(read_text(file, MAX_BYTES))
            if not split_body(text)[1]:
                raise BadInput(
                    "it has no line that starts with [V:, so no music in NotaGen's form."
                )
            pieces.append(encode_piece(text))
        except Exception as error:  # a damaged text can make the reader raise anything
            raise BadInput(f"{path}, row {number}: {file}: {reason(error)}") from None
    return from_encoded(rows, pieces)


def _locate(index: Path, number: int, row: dict[str, Any]) -> Path:
    if not isinstance(row.get("path"), str):
        raise BadInput(f'{index}, row {number}: it has no "path".')
    name = Path(row["path"])
    tried = [base / name for base in (index.parent, Path())]
    if isinstance(row.get("key"), str):
        keyed = name.parent / row["key"] / f"{name.name}_{row['key']}.abc"
        tried += [base / keyed for base in (index.parent, Path())]
    for file in tried:
        if file.is_file():
            return file
    raise BadInput(
        f"{index}, row {number}: no file {tried[-1]}. Restore the file, "
        "or take the row out of the index."
    )


def fingerprints(dataset: Dataset) -> set[str]:
    """Return one digest of diatonic intervals per melody, the same in every key."""
    names = set()
    for i in range(len(dataset)):
        notes = dataset[i].notes
        steps = notes[notes[:, 1] == 0, 2] if len(notes) else notes.reshape(-1)
        intervals = (steps[1:] - steps[:-1]).astype("int16").tobytes()
        names.add(hashlib.sha256(intervals).hexdigest())
    return names


def shared_pieces(train: Dataset, evaluation: Dataset) -> int:
    """Return how many melodies of `evaluation` are in `train` as well."""
    return len(fingerprints(train) & fingerprints(evaluation))
