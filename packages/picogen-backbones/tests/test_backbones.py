"""What the contract promises, of all backbones: call, prefill and step agree."""

from typing import Any

import pytest
import torch
from picogen_backbones.plugin import picogen_backbones
from picogen_core import ConfigError
from picogen_core.model.state_tree import merge_states, select_rows
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

torch.set_num_threads(1)
SPECS = {spec.name: spec for spec in picogen_backbones()}
D = 32
SMALL: dict[str, dict[str, Any]] = {
    "gpt2": {"layers": 2, "heads": 2, "max_patches": 24},
    "llama": {"layers": 2, "heads": 4, "kv_heads": 2},
    "mamba": {"layers": 2, "head_size": 8, "state_size": 6, "chunk": 4},
    "qwen": {"layers": 2, "heads": 4, "kv_heads": 2, "head_size": 6},
    "rwkv": {"layers": 3, "head_size": 8, "chunk": 4},
}
LENGTHS = torch.tensor([5, 12, 1])
CPU = torch.device("cpu")


def lively(name: str, **options: Any) -> Any:
    """A small backbone in evaluation mode whose every part matters."""
    torch.manual_seed(0)
    spec = SPECS[name]
    module = spec.build(spec.config()(**{**SMALL[name], **options}), D)
    assert isinstance(module, nn.Module)
    for parameter in module.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return module.eval()


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


every = pytest.mark.parametrize("name", list(SMALL))


@every
@torch.no_grad()
def test_prefill_then_step_equals_the_call(name: str) -> None:
    module, x, more = lively(name), noise(3, 12, D), noise(3, 7, D, seed=2)
    output, state = module.prefill(x, LENGTHS, module.initial_state(3, 20, CPU, x.dtype))
    outputs = [output]
    for t in range(7):
        output, state = module.step(more[:, t], state)
        outputs.append(output)
    for row, length in enumerate(LENGTHS.tolist()):
        whole = module(torch.cat([x[row, :length], more[row]])[None])[0, length - 1 :]
        torch.testing.assert_close(torch.stack(outputs)[:, row], whole, atol=1e-5, rtol=0)


@every
@torch.no_grad()
def test_the_past_matters_and_the_future_does_not(name: str) -> None:
    module, x = lively(name), noise(2, 10, D)
    changed = x.clone()
    changed[:, 4] = noise(2, D, seed=3)
    difference = (module(changed) - module(x)).abs().amax((0, 2))
    assert difference[:4].max() < 1e-6
    assert difference[4:].min() > 1e-3


@every
@torch.no_grad()
def test_padding_never_enters_the_state(name: str) -> None:
    module, x = lively(name), noise(3, 12, D)
    spoilt = x.clone()
    for row, length in enumerate(LENGTHS.tolist()):
        spoilt[row, length:] = float("nan")
    clean = module.prefill(x, LENGTHS, module.initial_state(3, 20, CPU, x.dtype))
    dirty = module.prefill(spoilt, LENGTHS, module.initial_state(3, 20, CPU, x.dtype))
    assert torch.equal(clean[0], dirty[0])
    for key, tensor in clean[1].items():
        assert torch.equal(tensor, dirty[1][key]), key
    for row, length in enumerate(LENGTHS.tolist()):
        for key in {"keys", "values"} & set(clean[1]):
            assert clean[1][key][row, :, :, :length].any()
            assert not clean[1][key][row, :, :, length:].any()


@every
@torch.no_grad()
def test_a_slot_is_refilled_while_its_neighbours_go_on(name: str) -> None:
    module, x, other, after = lively(name), noise(3, 12, D), noise(1, 9, D, seed=4), noise(3, D)
    _, state = module.prefill(x, LENGTHS, module.initial_state(3, 20, CPU, x.dtype))
    _, fresh = module.prefill(other, torch.tensor([9]), module.initial_state(1, 20, CPU, x.dtype))
    mixed = merge_states([select_rows(state, torch.tensor([2, 0])), fresh])
    output, _ = module.step(after, mixed)
    pasts = (x[2, :1], x[0, :5], other[0])
    for row, past in enumerate(pasts):
        expected = module(torch.cat([past, after[row : row + 1]])[None])[0, -1]
        torch.testing.assert_close(output[row], expected, atol=1e-5, rtol=0)


@every
@torch.no_grad()
def test_ragged_rows_across_chunks_kept_dropped_and_refilled(name: str) -> None:
    """Pieces whose lengths lie about the edges of chunks of 32: a prefill, steps, some rows kept,
    others put in their place, more steps; always what a call on the whole piece gives."""
    sizes = {"gpt2": {"max_patches": 72}, "mamba": {"chunk": 32}, "rwkv": {"chunk": 32}}
    module = lively(name, **sizes.get(name, {}))
    lengths, x = torch.tensor([65, 1, 31, 32, 33, 64]), noise(6, 65, D)
    fresh_lengths, other = torch.tensor([2, 33]), noise(2, 33, D, seed=4)
    after = noise(6, 6, D, seed=2)
    pasts = [x[row, :length] for row, length in enumerate(lengths.tolist())]

    output, state = module.prefill(x, lengths, module.initial_state(6, 72, CPU, x.dtype))
    check_outputs(module, output, pasts, name)
    for t in range(3):
        output, state = module.step(after[:, t], state)
        pasts = [torch.cat([past, after[row, t : t + 1]]) for row, past in enumerate(pasts)]
        check_outputs(module, output, pasts, name)
    kept = [5, 0, 3]
    _, fresh = module.prefill(other, fresh_lengths, module.initial_state(2, 72, CPU, x.dtype))
    state = merge_states([fresh, select_rows(state, torch.tensor(kept))])
    pasts = [other[0, :2], other[1], *(pasts[row] for row in kept)]
    for t in range(3, 6):
        output, state = module.step(after[:5, t], state)
        pasts = [torch.cat([past, after[row, t : t + 1]]) for row, past in enumerate(pasts)]
        check_outputs(module, output, pasts, name)


def check_outputs(module: Any, output: Tensor, pasts: list[Tensor], name: str) -> None:
    expected = torch.stack([module(past[None])[0, -1] for past in pasts])
    torch.testing.assert_close(output, expected, atol=1e-4 if name == "mamba" else 1e-5, rtol=0)


@every
@torch.no_grad()
def test_a_state_that_does_not_grow_costs_the_same_at_any_length(name: str) -> None:
    """Bytes of the state after few and many patches, and the work of a step from it."""
    module = lively(name)
    seen = []
    for patches in (2, 20):
        state = module.initial_state(1, patches + 1, CPU, torch.float32)
        x = noise(1, patches, D)
        _, state = module.prefill(x, torch.tensor([patches]), state)
        with FlopCounterMode(display=False) as counter:
            module.step(x[:, 0], state)
        seen.append((sum(t.nbytes for t in state.values()), counter.get_total_flops()))
    assert (seen[0] == seen[1]) == (name in {"mamba", "rwkv"}), seen


@every
def test_every_state_tensor_has_the_batch_first(name: str) -> None:
    module = lively(name)
    shapes = {k: tuple(t.shape) for k, t in module.initial_state(5, 20, CPU, torch.float32).items()}
    if name == "rwkv":
        assert shapes == {"att": (5, 3, D), "wkv": (5, 3, 4, 8, 8), "ffn": (5, 3, D)}
    elif name == "mamba":
        assert shapes == {"conv": (5, 2, 2 * D + 2 * 6, 4), "ssm": (5, 2, 8, 8, 6)}
    else:
        size = {"gpt2": 16, "llama": 8, "qwen": 6}[name]
        cache = (5, 2, 2, 20, size)
        assert shapes == {"keys": cache, "values": cache, "length": (5,)}


@every
def test_autocast_and_bfloat16_cost_no_more_than_rounding(name: str) -> None:
    """Measured against float32 arithmetic on weights and inputs that bfloat16 has rounded once:
    how much that moves the output depends on the weights drawn, not on the code."""
    module, rounded, x = lively(name), lively(name), noise(2, 9, D)
    for parameter in rounded.parameters():
        parameter.data = parameter.data.bfloat16().float()
    expected = module(x).detach()
    limit = 4 * (rounded(x.bfloat16().float()) - expected).norm()
    with torch.autocast("cpu", torch.bfloat16):
        output = module(x)
        state = module.initial_state(2, 12, CPU, x.dtype)
        prefilled, state = module.prefill(x, torch.tensor([9, 4]), state)
        stepped, _ = module.step(x[:, 0], state)
    assert (output.float() - expected).norm() < limit
    assert (prefilled[0] - output[0, -1]).norm() < 0.02 * output[0, -1].norm()
    assert stepped.isfinite().all()
    output.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    half = module.to(torch.bfloat16)(x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert (half.float() - expected).norm() < limit


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen"])
@torch.no_grad()
def test_a_full_state_says_so(name: str) -> None:
    module, x = lively(name), noise(1, 3, D)
    state = module.initial_state(1, 3, CPU, x.dtype)
    _, state = module.prefill(x, torch.tensor([3]), state)
    with pytest.raises(ValueError, match="4 patches do not fit into a state made for 3"):
        module.step(x[:, 0], state)


def test_gpt2_refuses_more_patches_than_positions() -> None:
    module = lively("gpt2")
    with pytest.raises(ConfigError, match=r"25 patches .* --set backbone.max_patches=25"):
        module(noise(1, 25, D))
    with pytest.raises(ConfigError, match="30 patches"):
        module.initial_state(1, 30, CPU, torch.float32)


@pytest.mark.parametrize("name", ["llama", "qwen"])
def test_rotary_frequencies_survive_bfloat16(name: str) -> None:
    module = lively(name)
    before = module.model.rotary_emb.inv_freq.clone()
    after = module.to(torch.bfloat16).model.rotary_emb.inv_freq
    assert after.dtype == torch.float32
    assert torch.equal(after, before)
