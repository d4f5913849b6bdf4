"""Weights as text in a page: float32 with as many bits as fit, or int8.

W weights  m kept bits of the mantissa, of 23

The exponents of weights are similar, so they are deflated. Signs and mantissas are not, so they are
packed without compression. Bytes are written in base 85, five characters for four.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MANTISSA = 23
LEAST_BITS = 10
"""Bits of the mantissa, as in float16."""

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Packed:
    """Packed weights: `text` in base 85, `facts` of its format as JSON data, `arrays` after
    unpacking."""

    text: str
    facts: dict[str, Any]
    arrays: dict[str, NDArray[np.float32]]

    def keeps(self, arrays: Arrays) -> bool:
        """Return whether unpacking gives these arrays, bit for bit."""
        return all(np.array_equal(self.arrays[name], array) for name, array in arrays.items())


def pack_floats(arrays: Arrays, bits: int = MANTISSA) -> Packed:
    """Return arrays packed with `bits` bits of mantissa, rounded to nearest, ties to even."""
    flat = np.concatenate([arrays[name].ravel() for name in sorted(arrays)])
    rounded = round_mantissa(flat, bits)
    words = rounded.view(np.uint32)
    exponents = _exponents(rounded)
    rest = (words >> (MANTISSA - bits) & ((1 << bits) - 1)) | (words >> 31 << bits)
    width = bits + 1
    shifts = np.arange(width - 1, -1, -1, dtype=np.uint32)
    packed = np.packbits((rest[:, None] >> shifts & 1).astype(np.uint8)).tobytes()
    facts = {"bits": bits, "exponents": len(exponents), "shapes": _shapes(arrays)}
    return Packed(_text(exponents + packed), facts, _split(rounded, arrays))


def pack_integers(arrays: Arrays) -> Packed:
    """Return arrays packed as 8-bit integers with a scale per row; vectors stay floats."""
    matrices = {name: a for name, a in sorted(arrays.items()) if a.ndim > 1 and a.shape[0] > 1}
    rows = {name: a.reshape(a.shape[0], -1) for name, a in matrices.items()}
    scales = {
        name: np.maximum(np.abs(a).max(1), 1e-30) / np.float32(127) for name, a in rows.items()
    }
    levels = {name: np.rint(a / scales[name][:, None]).astype(np.int8) for name, a in rows.items()}
    plain = [
        *scales.values(),
        *(a.ravel() for name, a in sorted(arrays.items()) if name not in rows),
    ]
    small = b"".join(a.astype("<f4").tobytes() for a in plain)
    large = b"".join(a.tobytes() for a in levels.values())
    packed = zlib.compress(large, 6, -15)
    facts = {
        "bits": 0, "levels": len(packed), "shapes": _shapes(arrays),
        "rows": {name: len(a) for name, a in rows.items()},
    }  # fmt: skip
    made = {name: levels[name] * scales[name][:, None] for name in rows}
    read = {
        name: made.get(name, a).astype(np.float32).reshape(a.shape) for name, a in arrays.items()
    }
    return Packed(_text(packed + small), facts, read)


def pack_to_fit(arrays: Arrays, room: int) -> Packed | None:
    """Return arrays packed with as many bits as they use, or as `room` allows; None below
    `LEAST_BITS`.

    Weights that were stored as float16 use 10 bits, so nothing of them is lost.
    """
    flat = np.concatenate([arrays[name].ravel() for name in sorted(arrays)])
    exponents = len(_exponents(flat))
    left = (room // 5 * 4 - exponents) * 8
    bits = min(max(LEAST_BITS, used_bits(flat)), left // flat.size - 1)
    while bits >= LEAST_BITS:  # rounding may change an exponent
        packed = pack_floats(arrays, bits)
        if len(packed.text) <= room:
            return packed
        bits -= 1
    return None


def used_bits(values: NDArray[np.float32]) -> int:
    """Return the bits of the mantissa up to the last that is set in any value."""
    together = int(np.bitwise_or.reduce(values.view(np.uint32))) & ((1 << MANTISSA) - 1)
    lowest = together & -together
    return MANTISSA + 1 - lowest.bit_length() if lowest else 0


def _exponents(values: NDArray[np.float32]) -> bytes:
    words = values.view(np.uint32)
    return zlib.compress((words >> MANTISSA & 0xFF).astype(np.uint8).tobytes(), 6, -15)


def round_mantissa(values: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """Return the nearest floats with `bits` bits of mantissa."""
    lost = MANTISSA - bits
    if not lost:
        return values.astype(np.float32)
    words = np.ascontiguousarray(values, np.float32).view(np.uint32)
    half = np.uint32((1 << (lost - 1)) - 1) + (words >> lost & 1)
    return ((words + half) >> lost << lost).astype(np.uint32).view(np.float32)


def _shapes(arrays: Arrays) -> dict[str, int]:
    return {name: arrays[name].size for name in sorted(arrays)}


def _split(flat: NDArray[np.float32], arrays: Arrays) -> dict[str, NDArray[np.float32]]:
    made, start = {}, 0
    for name in sorted(arrays):
        shape = arrays[name].shape
        made[name] = flat[start : start + arrays[name].size].reshape(shape)
        start += arrays[name].size
    return made


def _text(data: bytes) -> str:
    """Return base 85 without `<`, which could end the enclosing script."""
    return base64.b85encode(data, pad=True).replace(b"<", b",").decode("ascii")
