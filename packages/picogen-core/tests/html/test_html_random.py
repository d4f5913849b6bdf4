"""Random numbers of a page are numpy's."""

from pathlib import Path

import numpy as np
from picogen_core.html.scripts import read_script

from .node import needs_node, run


@needs_node
def test_uniforms_are_those_of_numpy(tmp_path: Path) -> None:
    seeds = [[0, 1], [7, 3], [2**32 + 5, 1], [2**70, 12, 4], [4294967295, 1]]
    body = """return given.map((seed) => {
        const random = new Random(seed.map(BigInt));
        return Array.from({ length: 40 }, () => random.uniform());
    });"""
    given = [[str(one) for one in seed] for seed in seeds]
    made = run(tmp_path, read_script("random.js"), body, given)
    assert made == [np.random.default_rng(seed).random(40).tolist() for seed in seeds]
