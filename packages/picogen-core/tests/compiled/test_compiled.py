"""The compiled parts of the core against numpy and torch."""

import numpy as np
import pytest
import torch
from numba.core import event
from picogen_core import BadCheckpoint
from picogen_core.compiled.jit import when_compiling
from picogen_core.compiled.linear import Linear
from picogen_core.compiled.weights import Packer, Weights, padded
from picogen_core.plugins.registry import registry
from picogen_core.testing.compiled.heads import COMPILED_CHECKS, compiled_loads_no_torch
from picogen_core.testing.heads import HeadSubject
from picogen_core.testing.kit import NotApplicable

torch.set_num_threads(1)

HEADS = [
    ("char-transformer", {"layers": 2, "heads": 2}, 64),
    ("char-transformer", {"layers": 1, "heads": 3, "width": 48}, 40),
    ("char-gru", {}, 32),
    ("char-gru", {"width": 20}, 24),
    ("char-memory", {"width": 48, "channels": 16}, 32),
    ("char-memory", {"width": 20, "channels": 36, "heads": 3, "layers": 2, "mlp": 17}, 24),
    ("parallel", {}, 24),
]
CHECKS = [check for check in COMPILED_CHECKS if check is not compiled_loads_no_torch]


@pytest.mark.parametrize("shape", [(1, 1), (16, 5), (33, 7), (70, 300), (128, 64), (31, 513)])
def test_a_product_has_the_same_bits_in_any_batch(shape: tuple[int, int]):
    rng = np.random.default_rng(0)
    weight = rng.standard_normal(shape).astype(np.float32)
    bias = rng.standard_normal(shape[0]).astype(np.float32)
    x = rng.standard_normal((21, shape[1])).astype(np.float32)
    linear = Linear(weight, bias)
    expected = x.astype(np.float64) @ weight.T + bias
    got = linear(x)
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())
    for rows in (1, 2, 3, 4, 5, 8, 11, 16):
        assert np.array_equal(linear(x[:rows]), got[:rows])


@pytest.mark.parametrize(("name", "options", "d_model"), HEADS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_compiled_heads_keep_the_contract(check, name: str, options: dict, d_model: int):
    entry = registry().get("head", name)
    lacks = ["it has no verify, so it drafts nothing"]
    lacks += [] if entry.spec.remembers else ["it forgets earlier patches"]
    try:
        check(HeadSubject(entry, options, d_model, "cpu"))
    except NotApplicable as why:
        assert str(why) in lacks


def test_weights_that_do_not_fit_are_told():
    tensors = {"head.a": np.zeros((2, 3), np.float32), "head.b": np.zeros(1, np.float32)}
    part = Weights(tensors, "model.safetensors").part("head.")
    assert sorted(part) == ["a", "b"] and len(part) == 2
    part.take("a", 2, 3)
    with pytest.raises(BadCheckpoint, match=r"tensor head\.a has shape \[2, 3\], .* \[3, 2\]"):
        part.take("a", 3, 2)
    with pytest.raises(BadCheckpoint, match=r"tensor head\.c is missing"):
        part.take("c")
    with pytest.raises(BadCheckpoint, match=r"1 tensors .* head\.b"):
        part.refuse_leftover()


def test_packed_parts_begin_on_cache_lines():
    packer = Packer()
    offsets = [packer.vector(np.full(n, n, np.float32)) for n in (1, 33, 16)]
    flat = packer.flat()
    assert flat.ctypes.data % 64 == 0 and all(offset % 16 == 0 for offset in offsets)
    assert [flat[offset] for offset in offsets] == [1, 33, 16]
    assert flat[offsets[0] + 1 : offsets[0] + padded(1)].sum() == 0


def test_compiling_is_told_once():
    told: list[int] = []
    with when_compiling(lambda: told.append(1)):
        for _ in range(3):
            event.start_event("numba:compile")
            event.end_event("numba:compile")
    event.start_event("numba:compile")
    assert told == [1]
