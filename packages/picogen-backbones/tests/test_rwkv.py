"""RWKV-7: the chunked form against the definition, the initialisation, and the official package."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from picogen_backbones import rwkv
from picogen_backbones.options import RwkvOptions
from picogen_backbones.rwkv import MAX_DECAY, Rwkv
from picogen_backbones.wkv import wkv_loop, wkv_parallel, wkv_sequential
from torch import Tensor

torch.set_num_threads(1)


def streams(patches: int, slowest: float = 0.0, fastest: float = 1.0) -> list[Tensor]:
    """r, log w, k, v, a, b and a state that is not empty; log w between two parts of its range."""
    torch.manual_seed(0)
    shape = 2, patches, 3, 8
    kappa, eta = F.normalize(torch.randn(shape), dim=-1), torch.rand(shape)
    log_w = MAX_DECAY * (slowest + (fastest - slowest) * torch.rand(shape))
    r, k, v = (torch.randn(shape) for _ in range(3))
    tensors = [r, log_w, k, v, -kappa, kappa * eta, torch.randn(2, 3, 8, 8)]
    return [tensor.requires_grad_() for tensor in tensors]


def awake(options: RwkvOptions, d_model: int) -> Rwkv:
    torch.manual_seed(0)
    module = Rwkv(options, d_model).eval()
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return module


@pytest.mark.parametrize("chunked", [wkv_parallel, wkv_sequential])
@pytest.mark.parametrize("chunk", [1, 8, 32, 64])
@pytest.mark.parametrize(("slowest", "fastest"), [(0.0, 1.0), (1.0, 1.0), (0.0, 1e-4)])
def test_chunked_equals_the_loop_and_so_do_gradients(
    chunked: Callable[..., Any], chunk: int, slowest: float, fastest: float
) -> None:
    results = []
    for form in (wkv_loop, lambda *s: chunked(*s, chunk)):
        inputs = streams(70, slowest, fastest)
        output, state = form(*inputs)
        weights = torch.linspace(-1, 1, output.numel()).view(output.shape)
        ((weights * output).sum() + (state * state.detach().cos()).sum()).backward()
        results.append((output, state, *(x.grad for x in inputs)))
    for ours, reference in zip(results[1], results[0], strict=True):
        assert reference is not None and ours is not None
        scale = max(1.0, reference.abs().max().item())
        assert (ours - reference).abs().max().item() < 2e-6 * scale


def test_the_loop_is_the_papers_matrix_product() -> None:
    r, log_w, k, v, a, b, state = (x[:1].detach() for x in streams(3))
    memory = state[0, 0].double()
    for t in range(3):
        r_t, w_t, k_t, v_t, a_t, b_t = (x[0, t, 0].double() for x in (r, log_w.exp(), k, v, a, b))
        memory = memory @ (torch.diag(w_t) + torch.outer(a_t, b_t)) + torch.outer(v_t, k_t)
        output, _ = wkv_loop(*(x[:, : t + 1] for x in (r, log_w, k, v, a, b)), state)
        torch.testing.assert_close(output[0, t, 0].double(), memory @ r_t, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_size_of_a_chunk_changes_nothing() -> None:
    x = torch.randn(2, 37, 32)
    outputs = [awake(RwkvOptions(layers=2, head_size=8, chunk=c), 32)(x) for c in (1, 5, 64)]
    torch.testing.assert_close(outputs[1], outputs[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(outputs[2], outputs[0], atol=1e-5, rtol=0)


def test_initialisation_is_the_official_one() -> None:
    torch.manual_seed(0)
    width, size, layers = 128, 16, 3
    att = {
        name.removeprefix("blocks.1.att."): tensor
        for name, tensor in Rwkv(RwkvOptions(layers=layers, head_size=size), width)
        .state_dict()
        .items()
    }
    for n in (0, 1, 50, 127):
        linear = n / (width - 1) - 0.5
        zigzag = (n % size - (size - 1) / 2) / ((size - 1) / 2)
        zigzag *= abs(zigzag)
        decay = -6 + 6 * (n / (width - 1)) ** (1 + (1 / (layers - 1)) ** 0.3)
        expected = {
            "w0": decay + 0.5 + zigzag * 2.5,
            "a0": -0.19 + zigzag * 0.3 + linear * 0.4,
            "v0": 0.73 - linear * 0.4,
            "k_k": 0.71 - linear * 0.1,
            "k_a": 1.02,
            "x_r": 1 - (n / width) ** (0.2 * 2 / 3),
            "x_w": 1 - (n / width) ** (0.9 * 2 / 3),
        }
        for name, value in expected.items():
            assert att[name][0, 0, n].item() == pytest.approx(value, abs=1e-5), name
    ranks = {name: att[name].shape[1] for name in ("w1", "a1", "v1", "g1")}
    assert ranks == {"w1": 32, "a1": 32, "v1": 32, "g1": 64}
    assert att["r_k"].eq(-0.04).all()
    assert not any(att[name].any() for name in ("w1", "a1", "v1", "g1", "output.weight"))
    gram = att["w2"] @ att["w2"].T
    torch.testing.assert_close(gram, 0.01 * torch.eye(32), atol=1e-5, rtol=0)
    for name, scale in (("receptance", 0.5), ("key", 0.05), ("value", 0.5)):
        bound = scale / math.sqrt(width)
        assert 0.99 * bound < att[f"{name}.weight"].abs().max().item() <= bound
    assert att["ln_x.weight"][0].item() == pytest.approx((2 / 3) ** 0.7)


@pytest.mark.parametrize("patches", [1, 5])
def test_the_recurrence_stays_in_float32(patches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def watched(form: Callable[..., Any]) -> Callable[..., Any]:
        def run(*streams: Any) -> Any:
            dtypes = {x.dtype for x in streams if isinstance(x, Tensor)}
            seen.append(dtypes == {torch.float32} and not torch.is_autocast_enabled("cpu"))
            return form(*streams)

        return run

    for name in ("wkv_loop", "wkv_chunked"):
        monkeypatch.setattr(rwkv, name, watched(getattr(rwkv, name)))
    module, x = awake(RwkvOptions(layers=2, head_size=8), 16), torch.randn(2, patches, 16)
    with torch.autocast("cpu", torch.bfloat16):
        module(x)
    module.to(torch.bfloat16)(x.bfloat16())
    assert seen == [True] * 4


def test_one_layer_works() -> None:
    module = Rwkv(RwkvOptions(layers=1, head_size=8), 16)
    assert all(parameter.isfinite().all() for parameter in module.parameters())
    assert module(torch.randn(1, 3, 16)).isfinite().all()


@torch.no_grad()
def test_equals_the_rwkv_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exported under the official names, with a random embedding and an identity as the head."""
    for flag, value in (("RWKV_JIT_ON", "0"), ("RWKV_CUDA_ON", "0"), ("RWKV_V7_ON", "1")):
        monkeypatch.setenv(flag, value)
    official = pytest.importorskip("rwkv.model", reason="the rwkv package is not installed")
    assert hasattr(official, "RWKV_x070"), "rwkv was imported before without RWKV_V7_ON=1"
    width, module = 32, awake(RwkvOptions(layers=3, head_size=8, chunk=4), 32)
    table = torch.randn(9, width)
    tensors = {**module.state_dict(), "emb.weight": table, "head.weight": torch.eye(width)}
    for name in ("v0", "v1", "v2"):  # the package wants them in the first layer, and ignores them
        tensors[f"blocks.0.att.{name}"] = tensors[f"blocks.1.att.{name}"]
    torch.save(tensors, tmp_path / "ours.pth")
    oracle = official.RWKV(model=str(tmp_path / "ours"), strategy="cpu fp32")

    codes = [3, 1, 4, 1, 5, 8, 2, 6, 5, 3, 5]
    theirs, their_state = oracle.forward(codes, None, full_output=True)
    x = table[codes][None]
    torch.testing.assert_close(module(x)[0], theirs, atol=1e-4, rtol=0)
    state = module.initial_state(1, 20, x.device, x.dtype)
    _, state = module.prefill(x, torch.tensor([len(codes)]), state)
    for layer in range(3):
        for offset, name in enumerate(("att", "wkv", "ffn")):
            expected = their_state[3 * layer + offset].view(state[name][0, layer].shape)
            torch.testing.assert_close(state[name][0, layer], expected, atol=1e-4, rtol=0)
    for code in (7, 0):
        expected, their_state = oracle.forward([code], their_state)
        output, state = module.step(table[code][None], state)
        torch.testing.assert_close(output[0], expected, atol=1e-4, rtol=0)
