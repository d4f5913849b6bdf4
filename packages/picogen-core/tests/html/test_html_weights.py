"""Weights that a page reads are those that were packed."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from picogen_core.html.scripts import read_script
from picogen_core.html.weights import (
    Packed,
    pack_floats,
    pack_integers,
    pack_to_fit,
    round_mantissa,
)

from .node import needs_node, run

_READ = """
const made = await readWeights(given.text, given.facts);
return Object.fromEntries(Object.entries(made).map(([name, values]) => [name, [...values]]));
"""


def _arrays() -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(1)
    shapes = {"b.weight": (5, 7), "a.bias": (5,), "c.row": (1, 1, 9)}
    made = {name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    made["a.bias"][:3] = 0.0, -0.0, 1e-30
    return made


@needs_node
@pytest.mark.parametrize("bits", [23, 19, 15, 10])
def test_floats_come_back_rounded_to_so_many_bits(bits: int, tmp_path: Path) -> None:
    arrays = _arrays()
    packed = pack_floats(arrays, bits)
    assert _read(packed, tmp_path) == {
        name: round_mantissa(array, bits).ravel().tolist() for name, array in arrays.items()
    }


@needs_node
def test_integers_come_back_as_their_row_scales_them(tmp_path: Path) -> None:
    packed = pack_integers(_arrays())
    read = _read(packed, tmp_path)
    assert read["a.bias"] == _arrays()["a.bias"].tolist()
    assert read == {name: array.ravel().tolist() for name, array in packed.arrays.items()}
    error = np.abs(packed.arrays["b.weight"] - _arrays()["b.weight"]).max(1)
    assert (error <= np.abs(_arrays()["b.weight"]).max(1) / 254 * 1.001).all()


def test_rounding_is_to_the_nearest_and_ties_to_even() -> None:
    values = np.array([1 + 2**-11, 1 + 3 * 2**-11, -(1 + 2**-12), 0.1], np.float32)
    assert (round_mantissa(values, 10) == values.astype(np.float16).astype(np.float32)).all()


def test_as_many_bits_are_kept_as_fit() -> None:
    rng = np.random.default_rng(2)
    arrays = {"w": rng.normal(0, 1, (100, 100)).astype(np.float32)}
    whole = pack_to_fit(arrays, 10**6)
    assert whole is not None
    assert whole.facts["bits"] == 23
    some = pack_to_fit(arrays, 30_000)
    assert some is not None
    assert 10 <= some.facts["bits"] < 23
    assert len(some.text) <= 30_000 < len(pack_floats(arrays, some.facts["bits"] + 1).text)
    assert pack_to_fit(arrays, 15_000) is None


def _read(packed: Packed, folder: Path) -> dict[str, list[float]]:
    given = {"text": packed.text, "facts": packed.facts}
    return dict(run(folder, read_script("weights.js"), _READ, given))
