"""Compiled steps against the modules they stand for: step by step, in prompts, in slots."""

import numpy as np
import pytest
import torch
from picogen_core.compiled.weights import Weights
from picogen_core.registry import registry

torch.set_num_threads(1)

CASES = [
    ("gpt2", {"layers": 2, "heads": 3, "max_patches": 40}, 96),
    ("gpt2", {"layers": 1, "heads": 5, "max_patches": 40}, 35),
    ("llama", {"layers": 2, "heads": 6, "kv_heads": 2}, 96),
    ("llama", {"layers": 1, "heads": 1}, 32),
    ("qwen", {"layers": 2, "heads": 6, "kv_heads": 3, "head_size": 10}, 48),
    ("qwen", {"layers": 1, "heads": 4, "kv_heads": 1, "rope_theta": 500.0}, 64),
    ("rwkv", {"layers": 3, "head_size": 16}, 48),
    ("rwkv", {"layers": 1, "head_size": 32, "ffn": 70}, 32),
    ("mamba", {"layers": 2, "head_size": 16, "state_size": 24}, 40),
    ("mamba", {"layers": 1, "conv_kernel": 2, "expand": 1, "head_size": 8}, 40),
]


def pair(name: str, options: dict, d_model: int):
    """The torch module with every parameter moved, and its compiled form with three slots."""
    torch.manual_seed(0)
    entry = registry().get("backbone", name)
    module = entry.build(options, d_model).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    tensors = {key: t.numpy() for key, t in module.state_dict().items()}
    weights = Weights(tensors, "here")
    compiled = entry.spec.compiled_step(entry.options(options), d_model, weights)
    weights.refuse_leftover()
    compiled.allocate(3, 40)
    return module, compiled


@pytest.mark.parametrize(("name", "options", "d_model"), CASES)
@torch.no_grad()
def test_compiled_steps_equal_torch(name: str, options: dict, d_model: int):
    module, compiled = pair(name, options, d_model)
    x = torch.randn(1, 37, d_model)
    expected = module(x)[0].numpy()
    rows = x[0].numpy()
    near = {"atol": 1e-5 * np.abs(expected).max(), "rtol": 0}

    at = {slot: np.full(37, slot) for slot in range(3)}
    prompt = compiled.extend(rows[:20], at[1][:20])
    np.testing.assert_allclose(prompt, expected[:20], **near)
    compiled.copy(1, 2)
    steps = [compiled.extend(rows[i : i + 1], at[1][:1])[0] for i in range(20, 37)]
    np.testing.assert_allclose(steps, expected[20:], **near)

    # The bits are the same from a copied state, and between rows of other slots.
    compiled.extend(rows[::-1][:5], at[0][:5])
    mixed = []
    for i in range(20, 37):
        both = compiled.extend(np.stack([rows[i], rows[3]]), np.array([2, 0]))
        mixed.append(both[0])
    assert np.array_equal(mixed, steps)
    compiled.clear(1)
    assert np.array_equal(compiled.extend(rows, at[1])[20:], steps)


def test_recurrent_backbones_say_so():
    found = {entry.name for entry in registry().all("backbone") if entry.spec.recurrent}
    assert {"rwkv", "mamba"} <= found and not {"gpt2", "llama", "qwen"} & found
