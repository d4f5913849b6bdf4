"""Damaged checkpoints, runs and prepared data are refused in one line, or do no harm."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picogen_core import BadInput
from picogen_core.data.prepared.index import open_data
from picogen_core.runtime.reading import parse_json, parse_toml

from tests.hostile.mutants import mutant
from tests.hostile.stored import READERS, attack, make_stored

JSON = b'{"id": "a", "bars": 16, "seed": 3, "deep": [[1, 2.5e3], {"x": null}], "t": true}'
TOML = b'lr = 0.001\nname = "a"\n[backbone]\nname = "rwkv"\nlayers = 4\nlist = [1, 2, [3]]\n'


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    make_stored(folder)
    return folder


def test_what_is_not_damaged_is_read(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored, tmp_path / "room")
    assert sum(len(readers) for _, readers in READERS.values()) == 10
    for _, readers in READERS.values():
        for reader in readers:
            reader(tmp_path / "room")


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.randoms(use_true_random=False))
def test_a_damaged_file_is_refused_by_all_that_read_it(
    stored: Path, tmp_path: Path, rng: random.Random
) -> None:
    kind, done = attack(stored, tmp_path / "room", rng)
    assert done.faults() == [], (kind, done.err)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.randoms(use_true_random=False))
def test_texts_are_values_or_value_errors(rng: random.Random) -> None:
    for good, parse in ((JSON, parse_json), (TOML, parse_toml)):
        try:
            parse(mutant(good, rng).decode("utf-8", "replace"))
        except ValueError:
            continue


@pytest.mark.parametrize("shard", ["patches", "patch_offsets", "notes", "note_offsets"])
def test_a_flipped_bit_anywhere_in_a_shard_is_seen(
    stored: Path, tmp_path: Path, shard: str
) -> None:
    rng = np.random.default_rng(0)
    for file in (stored / "data").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / f"{shard}.npy"
    good = path.read_bytes()
    for place in rng.integers(len(good), size=40):
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        with pytest.raises(BadInput, match="damaged"):
            open_data(tmp_path)
    path.write_bytes(good)
    assert len(open_data(tmp_path)) == 12
