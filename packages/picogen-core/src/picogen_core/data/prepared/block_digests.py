"""Digests of shards by block, to detect and locate damage of prepared data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from picogen_core.errors import BadInput
from picogen_core.runtime.reading import open_file, read_json

DIGESTS = "digests.json"
SHARDS = ("patches.npy", "patch_offsets.npy", "notes.npy", "note_offsets.npy")
BLOCK = 4 << 20


class Digests(BaseModel):
    """`files` has each shard's digests of its blocks of `block` bytes, in hexadecimal."""

    block: int
    files: dict[str, list[str]]


def write_digests(folder: Path) -> None:
    """Write the digests of the shards in a folder."""
    files = {name: list(_digests(folder / name, BLOCK)) for name in SHARDS}
    (folder / DIGESTS).write_text(json.dumps({"block": BLOCK, "files": files}, indent=1) + "\n")


def check_digests(folder: Path) -> None:
    """Check the shards in a folder; data without digests passes.

    Raises:
        BadInput: a block has changed.
    """
    file = folder / DIGESTS
    if not file.exists():
        return
    try:
        known = Digests.model_validate(read_json(file))
        if not 1 <= known.block <= BLOCK or set(known.files) != set(SHARDS):
            raise ValueError
    except (OSError, ValueError, ValidationError):
        raise BadInput(f"{file}: damaged. Prepare it again.") from None
    for name, wanted in known.files.items():
        path = folder / name
        try:
            found = list(_digests(path, known.block))
        except OSError as error:
            raise BadInput(
                f"{path}: cannot be read ({error.strerror}). Prepare it again."
            ) from None
        if found != wanted:
            pairs = zip(found, wanted, strict=False)
            block = next((i for i, (a, b) in enumerate(pairs) if a != b), len(found))
            raise BadInput(
                f"{path}: damaged (its bytes from {block * known.block:,} on are not those that "
                "were prepared). Prepare it again."
            )


def _digests(path: Path, block: int) -> Iterator[str]:
    with open_file(path) as file:
        while data := file.read(block):
            yield hashlib.blake2b(data, digest_size=16).hexdigest()
