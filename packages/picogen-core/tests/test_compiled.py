"""The compiled parts of the core against numpy and torch."""

import numpy as np
import pytest
import torch
from numba.core import event
from picogen_core import BadCheckpoint
from picogen_core.compiled.jit import when_compiling
from picogen_core.compiled.linear import Linear
from picogen_core.compiled.weights import Packer, Weights, padded
from picogen_core.registry import registry

torch.set_num_threads(1)

HEADS = [
    ("char-transformer", {"layers": 2, "heads": 2}, 64),
    ("char-transformer", {"layers": 1, "heads": 3, "width": 48}, 40),
    ("char-gru", {}, 32),
    ("char-gru", {"width": 20}, 24),
    ("parallel", {}, 24),
]


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


def test_nan_passes_through_a_head():
    head = registry().get("head", "char-gru")
    module = head.build({}, 32)
    tensors = {name: t.detach().numpy() for name, t in module.state_dict().items()}
    compiled = head.spec.compiled_step(head.options({}), 32, Weights(tensors, "here"))
    slots = np.zeros(1, np.int64)
    assert np.isnan(compiled.begin(np.full((1, 32), np.nan, np.float32), slots)).all()


@pytest.mark.parametrize(("name", "options", "d_model"), HEADS)
@torch.no_grad()
def test_compiled_heads_equal_torch(name: str, options: dict, d_model: int):
    torch.manual_seed(0)
    entry = registry().get("head", name)
    module = entry.build(options, d_model).eval()
    for parameter in module.parameters():
        parameter += 0.2 * torch.randn_like(parameter)
    tensors = {key: t.numpy() for key, t in module.state_dict().items()}
    weights = Weights(tensors, "here")
    head = entry.spec.compiled_step(entry.options(options), d_model, weights)
    weights.refuse_leftover()
    head.allocate(8)
    hidden, chars = torch.randn(5, d_model), torch.randint(3, 128, (5, 16))
    expected = module(hidden, chars).numpy()
    slots = np.array([6, 0, 3, 7, 2])

    def run(rows: list[int]) -> np.ndarray:
        steps = [head.begin(hidden[rows].numpy(), slots[rows])]
        steps += [head.step(chars[rows, j].numpy(), slots[rows]) for j in range(15)]
        return np.stack(steps, 1)

    together = run([0, 1, 2, 3, 4])
    np.testing.assert_allclose(together, expected, atol=1e-5 * np.abs(expected).max())
    assert np.array_equal(run([3])[0], together[3])
    assert np.array_equal(run([4, 1]), together[[4, 1]])


def test_rows_leave_a_patch_without_touching_the_others():
    entry = registry().get("head", "char-transformer")
    module = entry.build({"layers": 1}, 64).eval()
    tensors = {key: t.detach().numpy() for key, t in module.state_dict().items()}
    head = entry.spec.compiled_step(entry.options({"layers": 1}), 64, Weights(tensors, "here"))
    head.allocate(3)
    hidden = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    every, chars = np.arange(3), np.array([70, 80, 90])

    def last(leaving: bool) -> np.ndarray:
        head.begin(hidden, every)
        head.step(chars, every)
        rows = every[[0, 2]] if leaving else every
        return head.step(chars[rows], rows)[-1]

    assert np.array_equal(last(leaving=True), last(leaving=False))


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
