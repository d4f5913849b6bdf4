"""Mamba-2: against its definition, its initialisation, its cost, and whom its layers call."""

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from picogen_backbones.mamba import Mamba
from picogen_backbones.mamba_kernels import NAMES, by_device
from picogen_backbones.options import MambaOptions
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

torch.set_num_threads(1)


def awake(d_model: int, **options: Any) -> Mamba:
    torch.manual_seed(0)
    module = Mamba(MambaOptions(**options), d_model).eval()
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return module


def mix_by_definition(mixer: Any, x: Tensor) -> Tensor:
    """One layer without its norm and residual, one patch and one head at a time: [S, D]."""
    heads, size, states = mixer.num_heads, mixer.head_dim, mixer.ssm_state_size
    inner = heads * size
    z, conv_in, dt = (x @ mixer.in_proj.weight.T).split([inner, inner + 2 * states, heads], -1)
    width = mixer.conv_kernel_size
    before = torch.cat([torch.zeros(width - 1, conv_in.shape[1]), conv_in])
    taps = mixer.conv1d.weight[:, 0]
    memory, outputs = torch.zeros(heads, size, states), []
    for t in range(len(x)):
        mixed = F.silu((before[t : t + width].T * taps).sum(1) + mixer.conv1d.bias)
        value, b, c = mixed.split([inner, states, states])
        y = torch.empty(heads, size)
        for h, v in enumerate(value.view(heads, size)):
            delta = F.softplus(dt[t, h] + mixer.dt_bias[h])
            decay = torch.exp(-delta * mixer.A_log[h].exp())
            memory[h] = decay * memory[h] + delta * torch.outer(v, b)
            y[h] = memory[h] @ c + mixer.D[h] * v
        gated = y.flatten() * F.silu(z[t])
        normed = gated / (gated.square().mean() + 1e-5).sqrt() * mixer.norm.weight
        outputs.append(mixer.out_proj.weight @ normed)
    return torch.stack(outputs)


@torch.no_grad()
def test_a_layer_is_what_the_paper_says() -> None:
    module, x = awake(16, layers=1, head_size=8, state_size=5, chunk=4), torch.randn(11, 16)
    block: Any = module.model.layers[0]

    def rms(x: Tensor, weight: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight

    hidden = x + mix_by_definition(block.mixer, rms(x, block.norm.weight))
    expected = rms(hidden, module.model.norm_f.weight)
    torch.testing.assert_close(module(x[None])[0], expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_size_of_a_chunk_changes_nothing() -> None:
    x = torch.randn(2, 37, 32)
    outputs = [awake(32, layers=2, head_size=8, chunk=c)(x) for c in (1, 5, 64)]
    torch.testing.assert_close(outputs[1], outputs[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(outputs[2], outputs[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_state_that_is_not_empty_is_ignored_by_prefill() -> None:
    module, x = awake(32, layers=2, head_size=8), torch.randn(2, 9, 32)
    lengths = torch.tensor([9, 3])
    empty = module.initial_state(2, 9, x.device, x.dtype)
    used = {name: torch.randn_like(tensor) for name, tensor in empty.items()}
    before = {name: tensor.clone() for name, tensor in used.items()}
    expected, result = module.prefill(x, lengths, empty), module.prefill(x, lengths, used)
    assert torch.equal(result[0], expected[0])
    for name in used:
        assert torch.equal(result[1][name], expected[1][name])
        assert torch.equal(used[name], before[name])


@torch.no_grad()
def test_bfloat16_keeps_the_sums_in_float32() -> None:
    module = awake(32, layers=2, head_size=8).to(torch.bfloat16)
    x = torch.randn(2, 5, 32).bfloat16()
    state = module.initial_state(2, 9, x.device, x.dtype)
    output, state = module.prefill(x, torch.tensor([5, 2]), state)
    output, state = module.step(x[:, 0], state)
    assert output.dtype == state["conv"].dtype == torch.bfloat16
    assert state["ssm"].dtype == torch.float32


def test_initialisation_is_mamba_ssms() -> None:
    torch.manual_seed(0)
    width, layers = 256, 4
    module = Mamba(MambaOptions(layers=layers, head_size=8), width)
    for block in module.model.layers:
        mixer: Any = block.mixer
        bounds = {
            mixer.in_proj.weight: 1 / math.sqrt(width),
            mixer.out_proj.weight: 1 / math.sqrt(2 * width * layers),
            mixer.conv1d.weight: 1 / math.sqrt(4),
            mixer.conv1d.bias: 1 / math.sqrt(4),
        }
        for weight, bound in bounds.items():
            assert 0.98 * bound < weight.abs().max().item() <= bound
            assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
        decay, delta = mixer.A_log.exp(), F.softplus(mixer.dt_bias)
        assert 1 <= decay.min().item() < 3 and 14 < decay.max().item() <= 16
        assert 0.00099 < delta.min().item() < 0.002 and 0.05 < delta.max().item() < 0.101
        assert mixer.D.eq(1).all() and mixer.norm.weight.eq(1).all()


def test_work_is_linear_in_length() -> None:
    """Multiplications of a training step at width 512, on the meta device."""
    with torch.device("meta"):
        module, lengths, work = Mamba(MambaOptions(layers=1), 512), (64, 512, 4096), []
        for patches in lengths:
            with FlopCounterMode(display=False) as counter:
                module(torch.empty(1, patches, 512)).sum().backward()
            work.append(counter.get_total_flops())
    for i in (1, 2):
        exponent = math.log(work[i] / work[i - 1]) / math.log(lengths[i] / lengths[i - 1])
        assert exponent <= 1.1, exponent


class OnCuda:
    """As much of a CUDA tensor as there is without CUDA."""

    is_cuda = True


def test_the_device_of_the_tensor_decides() -> None:
    def plain(x: Any) -> str:
        return "plain"

    def kernel(x: Any) -> str:
        return "kernel"

    kernel.__wrapped__ = plain  # type: ignore[attr-defined]
    chosen: Any = by_device(kernel)
    assert chosen(torch.zeros(1)) == "plain"
    assert chosen(OnCuda()) == "kernel"


FAKE_KERNELS = """
import importlib.machinery, sys, types
class Kernel(Exception): pass
def kernel(*args, **kwargs): raise Kernel
class Anything(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return kernel if name in KERNELS else sys.modules.setdefault(
            f"{self.__name__}.{name}", Anything(f"{self.__name__}.{name}"))
KERNELS = {"causal_conv1d_fn", "causal_conv1d_update", "selective_state_update",
           "mamba_split_conv1d_scan_combined", "mamba_chunk_scan_combined"}
for name in ("mamba_ssm", "causal_conv1d"):
    sys.modules[name] = Anything(name)
    sys.modules[name].__path__ = []
    sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
"""
USE = """
import torch
from picogen_backbones.mamba import Mamba
from picogen_backbones.options import MambaOptions
from transformers.models.mamba2 import modeling_mamba2 as theirs
class OnCuda: is_cuda = True
taken = []
for name in NAMES:
    try: getattr(theirs, name)(OnCuda())
    except Kernel: taken.append(name)
assert taken == list(NAMES), taken
module, x = Mamba(MambaOptions(layers=1, head_size=8), 16), torch.randn(2, 5, 16)
module.train()(x).sum().backward()
with torch.no_grad():
    state = module.eval().initial_state(2, 9, x.device, x.dtype)
    _, state = module.prefill(x, torch.tensor([5, 2]), state)
    module(x), module.step(x[:, 0], state)
print("no kernel met a CPU tensor")
"""


def test_kernels_that_can_be_imported_never_meet_a_cpu_tensor() -> None:
    code = f"{FAKE_KERNELS}\nNAMES = {NAMES!r}\n{USE}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "no kernel met a CPU tensor", done.stderr
