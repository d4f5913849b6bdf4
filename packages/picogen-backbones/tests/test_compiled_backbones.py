"""Compiled steps at odd sizes, by the conformance kit; and wherever their arrays lie in memory."""

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from picogen_core.plugins.registry import registry
from picogen_core.testing.backbones import BackboneSubject
from picogen_core.testing.compiled.backbones import (
    COMPILED_CHECKS,
    compiled_loads_no_torch,
    compiled_rows_keep_their_bits,
)

torch.set_num_threads(1)

CASES = [
    ("gpt2", {"layers": 2, "heads": 3, "max_patches": 44}, 96),
    ("gpt2", {"layers": 1, "heads": 5, "max_patches": 44}, 35),
    ("llama", {"layers": 2, "heads": 6, "kv_heads": 2}, 96),
    ("llama", {"layers": 1, "heads": 1}, 32),
    ("qwen", {"layers": 2, "heads": 6, "kv_heads": 3, "head_size": 10}, 48),
    ("qwen", {"layers": 1, "heads": 4, "kv_heads": 1, "rope_theta": 500.0}, 64),
    ("rwkv", {"layers": 3, "head_size": 16}, 48),
    ("rwkv", {"layers": 1, "head_size": 32, "ffn": 70}, 32),
    ("mamba", {"layers": 2, "head_size": 16, "state_size": 24}, 40),
    ("mamba", {"layers": 1, "conv_kernel": 2, "expand": 1, "head_size": 8}, 40),
]
each = pytest.mark.parametrize(("name", "options", "d_model"), CASES)
CHECKS = [check for check in COMPILED_CHECKS if check is not compiled_loads_no_torch]


def subject(name: str, options: dict[str, Any], d_model: int) -> BackboneSubject:
    return BackboneSubject(registry().get("backbone", name), options, d_model, "cpu")


@each
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_compiled_steps_keep_the_contract(check, name, options, d_model):
    check(subject(name, options, d_model))


@each
def test_bits_do_not_hang_on_where_arrays_lie(monkeypatch, name, options, d_model):
    """Arrays that touch each other make LLVM take a loop's form without vector instructions."""
    whole, end = np.zeros(1 << 23, np.float32), 0
    arena = whole[-whole.ctypes.data % 64 // 4 :]

    def zeros(*shape: int) -> np.ndarray:
        nonlocal end
        size = int(np.prod(shape))
        begin, end = end, end + -(-size // 16) * 16
        return arena[begin : begin + size].reshape(shape)

    places = ("core.compiled.weights", "core.compiled.transformer")
    for module in (*places, "backbones.compiled.mamba", "backbones.compiled.rwkv"):
        monkeypatch.setattr(importlib.import_module(f"picogen_{module}"), "zeros", zeros)
    compiled_rows_keep_their_bits(subject(name, options, d_model))
    assert end > 0


def test_recurrent_backbones_say_so():
    found = {entry.name for entry in registry().all("backbone") if entry.spec.recurrent}
    assert {"rwkv", "mamba"} <= found and not {"gpt2", "llama", "qwen"} & found
