"""The scan of Mamba-2: against its definition and transformers' own, values and gradients."""

import inspect
from typing import Any

import pytest
import torch
from picogen_backbones import mamba_kernels
from picogen_backbones.ssd import chunk_scan, ssd_chunked, ssd_loop
from torch import Tensor
from transformers.models.mamba2 import modeling_mamba2

torch.set_num_threads(1)
mamba_kernels.install()
PLAIN: Any = inspect.unwrap(modeling_mamba2.mamba2_chunk_scan.kernel)


def draw(rows: int, patches: int, heads: int, size: int, states: int, dtype: Any) -> list[Tensor]:
    torch.manual_seed(0)
    x = torch.randn(rows, patches, heads, size, dtype=dtype)
    dt = torch.rand(rows, patches, heads, dtype=dtype)
    b, c = torch.randn(2, rows, patches, states, dtype=dtype)
    state = torch.randn(rows, states, heads, size, dtype=dtype)
    return [x, dt, -2 * torch.rand_like(dt), b, c, torch.randn(heads, dtype=dtype), state]


def with_gradients(function: Any, inputs: list[Tensor], *options: Any) -> list[Tensor]:
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    outputs = function(*inputs, *options)
    torch.manual_seed(1)
    loss: Any = sum(
        (output * torch.randn(output.shape, dtype=output.dtype)).sum() for output in outputs
    )
    return [*(o.detach() for o in outputs), *torch.autograd.grad(loss, inputs)]


@pytest.mark.parametrize("chunk", [1, 4, 11, 64])
def test_values_and_gradients_are_those_of_the_definition(chunk: int) -> None:
    inputs = draw(2, 11, 3, 5, 4, torch.float64)
    expected = with_gradients(ssd_loop, inputs)
    for found, wanted in zip(with_gradients(ssd_chunked, inputs, chunk), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-10)


def test_strong_decays_hide_no_weak_ones() -> None:
    """Patches that forget all, e^(−3000), among others that forget next to nothing, e^(−0.001)."""
    inputs = draw(1, 32, 3, 5, 4, torch.float32)
    inputs[2] = torch.full_like(inputs[2], -1e-3)
    inputs[2][:, 4:20:3] = -3000.0
    expected = with_gradients(ssd_loop, inputs)
    for found, wanted in zip(with_gradients(ssd_chunked, inputs, 32), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=2e-4, rtol=2e-5)


def test_float32_is_as_near_the_definition_as_transformers_is() -> None:
    """Decays from none at all to e^(−32) a patch; 150 patches, chunks of 64."""
    x, _, _, b, c, skip, state = draw(2, 150, 4, 8, 16, torch.float32)
    raw = 3 * torch.randn(x.shape[:3]) - 2
    a, bias = -torch.tensor([0.01, 1.0, 4.0, 16.0]), torch.randn(4)
    b, c = b[:, :, None], c[:, :, None]

    def run(scan: Any, dtype: Any) -> list[Tensor]:
        def call(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, *rest: Tensor) -> Any:
            skip, bias, state = rest
            options = {"D": skip, "dt_bias": bias, "initial_states": state, "dt_softplus": True}
            return scan(x, dt, a, b, c, chunk_size=64, return_final_states=True, **options)

        inputs = [x, raw, a, b, c, skip, bias, state.permute(0, 2, 3, 1)]
        return with_gradients(call, [tensor.to(dtype) for tensor in inputs])

    for found, wanted in zip(
        run(chunk_scan, torch.float32), run(PLAIN, torch.float32), strict=True
    ):
        torch.testing.assert_close(found, wanted, atol=1e-5 * float(wanted.abs().max()), rtol=0)


def test_more_groups_are_left_to_transformers() -> None:
    x, dt, _, b, c, skip, _ = draw(1, 6, 4, 3, 5, torch.float32)
    two = torch.stack([b, c], 2), torch.stack([c, b], 2)
    a = -torch.ones(4)
    found = modeling_mamba2.mamba2_chunk_scan(x, dt, a, *two, 4, D=skip)
    assert torch.equal(found, PLAIN(x, dt, a, *two, 4, D=skip))
