"""Backbones of unusual sizes: transformers' own models by another way, trained whole, and begun as
transformers begins them."""

from typing import Any

import pytest
import torch
from picogen_backbones.plugin import picogen_backbones
from picogen_core import BackboneSpec, ConfigError
from picogen_core.plugins.registry import registry
from torch import nn
from transformers import (
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
    Mamba2Config,
    Mamba2Model,
    Qwen3Config,
    Qwen3Model,
)

torch.set_num_threads(1)
SPECS: dict[str, BackboneSpec] = {spec.name: spec for spec in picogen_backbones()}
UNUSUAL: dict[str, dict[str, Any]] = {
    "gpt2": {"layers": 3, "heads": 5, "max_patches": 23, "dropout": 0.0},
    "llama": {"layers": 3, "heads": 6, "kv_heads": 2, "ffn": 37, "rope_theta": 123.0},
    "mamba": {
        "layers": 3, "head_size": 12, "state_size": 7, "expand": 3, "conv_kernel": 3, "chunk": 5,
    },
    "qwen": {
        "layers": 3, "heads": 6, "kv_heads": 3, "head_size": 14, "ffn": 37, "rope_theta": 123.0,
    },
    "rwkv": {"layers": 3, "head_size": 12, "ffn": 37, "chunk": 5},
}  # fmt: skip
WIDTH = 60
ROPE = {"rope_type": "default", "rope_theta": 123.0}
THEIRS: dict[str, Any] = {
    "gpt2": lambda: GPT2Model(
        GPT2Config(vocab_size=3, n_embd=60, n_layer=3, n_head=5, n_positions=23)
    ),
    "llama": lambda: LlamaModel(
        LlamaConfig(
            vocab_size=3, hidden_size=60, intermediate_size=37, num_hidden_layers=3,
            num_attention_heads=6, num_key_value_heads=2, rope_parameters=ROPE,
        )
    ),
    "mamba": lambda: Mamba2Model(
        Mamba2Config(
            vocab_size=3, hidden_size=60, num_hidden_layers=3, num_heads=15, head_dim=12,
            state_size=7, expand=3, conv_kernel=3, chunk_size=11, n_groups=1,
        )
    ),
    "qwen": lambda: Qwen3Model(
        Qwen3Config(
            vocab_size=3, hidden_size=60, intermediate_size=37, num_hidden_layers=3, head_dim=14,
            num_attention_heads=6, num_key_value_heads=3, rope_parameters=ROPE,
        )
    ),
}  # fmt: skip


def build(name: str, d_model: int, options: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    spec = SPECS[name]
    return spec.build(spec.config()(**options), d_model)


@pytest.mark.parametrize("name", list(THEIRS))
@torch.no_grad()
def test_unusual_sizes_are_transformers_own_model(name: str) -> None:
    ours, theirs = build(name, WIDTH, UNUSUAL[name]).eval(), THEIRS[name]().eval()
    for parameter in ours.parameters():
        parameter += 0.1 * torch.randn_like(parameter)
    report = theirs.load_state_dict(ours.model.state_dict(), strict=False)
    assert not report.unexpected_keys and len(report.missing_keys) == 1  # its token table
    x = torch.randn(2, 19, WIDTH)
    expected = theirs(inputs_embeds=x).last_hidden_state
    torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", list(SPECS))
def test_each_parameter_of_unusual_sizes_gets_a_gradient(name: str) -> None:
    module = build(name, WIDTH, UNUSUAL[name])
    for parameter in module.parameters():  # out of the zeros that some start with
        parameter.data += 0.1 * torch.randn_like(parameter)
    module(torch.randn(2, 19, WIDTH)).square().sum().backward()
    for key, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), key


DEFAULT_STARTS: dict[str, tuple[dict[str, Any], Any]] = {
    "gpt2": (
        {"layers": 4, "heads": 4, "max_patches": 256},
        lambda: GPT2Model(
            GPT2Config(vocab_size=3, n_embd=256, n_layer=4, n_head=4, n_positions=256)
        ),
    ),
    "llama": (
        {"layers": 4, "heads": 4, "ffn": 640},
        lambda: LlamaModel(
            LlamaConfig(
                vocab_size=3, hidden_size=256, intermediate_size=640, num_hidden_layers=4,
                num_attention_heads=4,
            )
        ),
    ),
    "qwen": (
        {"layers": 4, "heads": 4, "ffn": 640, "head_size": 64},
        lambda: Qwen3Model(
            Qwen3Config(
                vocab_size=3, hidden_size=256, intermediate_size=640, num_hidden_layers=4,
                num_attention_heads=4, num_key_value_heads=4, head_dim=64,
            )
        ),
    ),
}  # fmt: skip


def pooled(model: nn.Module) -> dict[str, torch.Tensor]:
    """The values of the parameters of one name, of all layers."""
    groups: dict[str, list[torch.Tensor]] = {}
    for key, parameter in model.named_parameters():
        name = ".".join(part for part in key.split(".") if not part.isdigit())
        groups.setdefault(name, []).append(parameter.detach().flatten())
    return {name: torch.cat(values) for name, values in groups.items()}


@pytest.mark.parametrize("name", list(DEFAULT_STARTS))
def test_the_start_is_transformers_own(name: str) -> None:
    options, theirs = DEFAULT_STARTS[name]
    found, expected = pooled(build(name, 256, options).model), pooled(theirs())
    assert len(expected.keys() - found.keys()) == 1 and not found.keys() - expected.keys()
    for key, values in found.items():
        if expected[key].std() == 0:
            assert torch.equal(values, expected[key]), key
        else:
            assert values.std().item() == pytest.approx(expected[key].std().item(), rel=0.05), key
            assert abs(values.mean().item()) < 0.05 * values.std().item(), key


@pytest.mark.parametrize("name", list(SPECS))
def test_an_unknown_option_is_refused_and_the_nearest_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match="layer_s") as fault:
        registry().get("backbone", name).options({"layer_s": 2})
    assert "layers" in str(fault.value) and "\n" not in str(fault.value)
