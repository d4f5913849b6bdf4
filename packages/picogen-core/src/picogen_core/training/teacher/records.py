"""Records of bytes on disk, each written once and in any order; a damaged one counts as missing.

NAME.crc         [records] uint32, CRC-32 of each record, 0 for a missing one
NAME-0000.bin …  the records one after another, at most a shard's bytes per file

A record is whole if its bytes match its CRC. So a killed writer, a second process that writes the
same, a cut file or a flipped bit does no harm: such a record is computed and written again.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHARD = 1 << 28


class Records:
    """Records of the given `sizes` in bytes. The files are created at once, as holes.

    Raises `OSError` if they cannot be created.
    """

    def __init__(self, folder: Path, name: str, sizes: NDArray[np.int64], shard: int = SHARD):
        folder.mkdir(parents=True, exist_ok=True)
        ends = np.cumsum(sizes)
        self.sizes, self.file = sizes, (ends - sizes) // shard  # by where the record begins
        firsts = np.searchsorted(self.file, np.arange(int(self.file[-1]) + 1 if len(sizes) else 0))
        bases = (ends - sizes)[np.minimum(firsts, len(sizes) - 1)]
        self.offset = ends - sizes - bases[self.file]
        used = np.bincount(self.file, weights=sizes, minlength=len(firsts)).astype(np.int64)
        self.paths = [folder / f"{name}-{number:04}.bin" for number in range(len(firsts))]
        self.maps = [_map(path, int(size)) for path, size in zip(self.paths, used, strict=True)]
        self.crc_path = folder / f"{name}.crc"
        self.crcs = _map(self.crc_path, 4 * len(sizes)).view(np.uint32)

    def read(self, i: int) -> NDArray[np.uint8] | None:
        """Return record i, or None if it is missing or damaged."""
        if not self.crcs[i]:
            return None
        start = int(self.offset[i])
        data = self.maps[self.file[i]][start : start + int(self.sizes[i])]
        return data if _crc(data) == self.crcs[i] else None

    def write(self, i: int, data: NDArray[np.uint8]) -> None:
        """Write record i. Raises `OSError`, e.g. for a full disk, with no record changed."""
        assert data.nbytes == self.sizes[i], f"record {i}: {data.nbytes} bytes, not {self.sizes[i]}"
        _put(self.paths[self.file[i]], int(self.offset[i]), data)
        _put(self.crc_path, 4 * i, np.array([_crc(data)], np.uint32))

    def missing(self) -> int:
        """Return the number of records that were never written."""
        return int(np.count_nonzero(self.crcs == 0))


def _crc(data: NDArray[np.uint8]) -> int:
    return zlib.crc32(data.data) or 1


def _map(path: Path, size: int) -> NDArray[np.uint8]:
    if size == 0:
        return np.zeros(0, np.uint8)
    with path.open("ab") as file:
        if file.tell() != size:
            file.truncate(size)
    return np.memmap(path, np.uint8, mode="r", shape=(size,))


def _put(path: Path, offset: int, data: NDArray[np.generic]) -> None:
    """Write without the memory map, through which a full disk would kill the process."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data.tobytes())
