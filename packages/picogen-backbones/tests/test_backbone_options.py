"""Sizes are really passed on, faults say what next, and discovery loads nothing heavy."""

import subprocess
import sys

import pytest
from picogen_backbones.options import (
    Gpt2Options,
    LlamaOptions,
    MambaOptions,
    QwenOptions,
    RwkvOptions,
    gpt2_heads,
    llama_sizes,
    mamba_heads,
    qwen_sizes,
    rwkv_heads,
)
from picogen_backbones.plugin import picogen_backbones
from picogen_core import BackboneSpec, ConfigError

SPECS: dict[str, BackboneSpec] = {spec.name: spec for spec in picogen_backbones()}


def shapes(name: str, d_model: int, **options: object) -> dict[str, tuple[int, ...]]:
    spec = SPECS[name]
    module = spec.build(spec.config()(**options), d_model)
    return {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}  # type: ignore[attr-defined]


def test_the_plugin_module_loads_no_torch() -> None:
    code = (
        "import sys, picogen_backbones.plugin as p; list(p.picogen_backbones());"
        "[s.config() for s in p.picogen_backbones()];"
        "print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_names() -> None:
    assert list(SPECS) == ["gpt2", "llama", "mamba", "qwen", "rwkv"]


def test_llama_gets_its_sizes() -> None:
    found = shapes("llama", 48, layers=3, heads=4, kv_heads=2, ffn=40)
    assert found["model.layers.2.self_attn.k_proj.weight"] == (24, 48)
    assert found["model.layers.2.self_attn.q_proj.weight"] == (48, 48)
    assert found["model.layers.0.mlp.gate_proj.weight"] == (40, 48)
    assert "model.layers.3.mlp.gate_proj.weight" not in found
    assert not any("embed" in key for key in found)


def test_qwen_gets_its_sizes() -> None:
    found = shapes("qwen", 48, layers=3, heads=4, kv_heads=2, head_size=10, ffn=40)
    assert found["model.layers.2.self_attn.q_proj.weight"] == (40, 48)
    assert found["model.layers.2.self_attn.k_proj.weight"] == (20, 48)
    assert found["model.layers.2.self_attn.o_proj.weight"] == (48, 40)
    assert found["model.layers.0.self_attn.q_norm.weight"] == (10,)
    assert found["model.layers.0.self_attn.k_norm.weight"] == (10,)
    assert found["model.layers.0.mlp.gate_proj.weight"] == (40, 48)
    assert "model.layers.3.mlp.gate_proj.weight" not in found
    assert not any("embed" in key for key in found)


def test_mamba_gets_its_sizes_under_mamba_ssms_names() -> None:
    options = {"layers": 2, "head_size": 8, "state_size": 5, "expand": 3, "conv_kernel": 3}
    found = shapes("mamba", 16, chunk=8, **options)
    heads, inner, convolved = 6, 48, 48 + 2 * 5
    assert {k.removeprefix("model.layers.1."): v for k, v in found.items() if ".1." in k} == {
        "norm.weight": (16,),
        "mixer.A_log": (heads,),
        "mixer.D": (heads,),
        "mixer.dt_bias": (heads,),
        "mixer.in_proj.weight": (inner + convolved + heads, 16),
        "mixer.conv1d.weight": (convolved, 1, 3),
        "mixer.conv1d.bias": (convolved,),
        "mixer.norm.weight": (inner,),
        "mixer.out_proj.weight": (16, inner),
    }
    assert found["model.norm_f.weight"] == (16,)
    assert not any("embed" in key or ".2." in key for key in found)
    built = SPECS["mamba"].build(MambaOptions(layers=1, chunk=7), 64)
    assert built.model.layers[0].mixer.chunk_size == 7  # type: ignore[attr-defined]


def test_gpt2_gets_its_sizes_under_notagens_names() -> None:
    found = shapes("gpt2", 48, layers=2, heads=3, max_patches=17)
    assert found["model.wpe.weight"] == (17, 48)
    assert found["model.h.1.attn.c_attn.weight"] == (48, 144)  # [in, out]
    assert found["model.h.1.mlp.c_fc.weight"] == (48, 192)
    assert {"model.h.0.ln_1.weight", "model.h.0.ln_2.bias", "model.ln_f.weight"} <= set(found)
    assert not any("wte" in key for key in found)


def test_rwkv_gets_its_sizes() -> None:
    found = shapes("rwkv", 48, layers=2, head_size=16, ffn=40)
    assert found["blocks.1.att.r_k"] == (3, 16)
    assert found["blocks.1.ffn.key.weight"] == (40, 48)
    assert found["blocks.0.ln0.weight"] == (48,)
    assert found["blocks.1.att.v1"] == (48, 32)
    assert not {"blocks.0.att.v0", "blocks.1.ln0.weight", "blocks.2.ln1.weight"} & set(found)


def test_rope_theta_and_dropout_reach_the_models() -> None:
    llama, qwen, gpt2 = SPECS["llama"], SPECS["qwen"], SPECS["gpt2"]
    built = llama.build(LlamaOptions(layers=1, rope_theta=500.0, dropout=0.2), 32)
    assert built.model.config.rope_parameters["rope_theta"] == 500.0  # type: ignore[attr-defined]
    assert built.model.rotary_emb.inv_freq[1].item() == pytest.approx(500 ** (-2 / 32))  # type: ignore[attr-defined]
    assert built.model.layers[0].self_attn.attention_dropout == 0.2  # type: ignore[attr-defined]
    built = qwen.build(QwenOptions(layers=1, rope_theta=500.0, head_size=32, dropout=0.2), 64)
    assert built.model.rotary_emb.inv_freq[1].item() == pytest.approx(500 ** (-2 / 32))  # type: ignore[attr-defined]
    assert built.model.layers[0].self_attn.attention_dropout == 0.2  # type: ignore[attr-defined]
    model = gpt2.build(Gpt2Options(layers=1, dropout=0.3), 64).model  # type: ignore[attr-defined]
    block = model.h[0]
    places = (model.drop, block.attn.attn_dropout, block.attn.resid_dropout, block.mlp.dropout)
    assert [place.p for place in places] == [0.3] * 4


@pytest.mark.parametrize(
    ("d_model", "options", "expected"),
    [
        (256, LlamaOptions(), (4, 4, 704)),
        (48, LlamaOptions(), (1, 1, 128)),
        (512, LlamaOptions(heads=8, kv_heads=2, ffn=1000), (8, 2, 1000)),
    ],
)
def test_llama_defaults(d_model: int, options: LlamaOptions, expected: tuple[int, ...]) -> None:
    assert llama_sizes(d_model, options) == expected


@pytest.mark.parametrize(
    ("d_model", "options", "expected"),
    [
        (256, QwenOptions(), (4, 4, 64, 704)),
        (256, QwenOptions(head_size=128, kv_heads=2), (4, 2, 128, 704)),
        (50, QwenOptions(heads=3, head_size=16), (3, 3, 16, 160)),
    ],
)
def test_qwen_defaults(d_model: int, options: QwenOptions, expected: tuple[int, ...]) -> None:
    assert qwen_sizes(d_model, options) == expected


def test_gpt2_has_a_head_for_64_channels() -> None:
    assert [gpt2_heads(d, Gpt2Options()) for d in (32, 128, 768, 1280)] == [1, 2, 12, 20]


def test_a_width_that_does_not_fit_says_what_to_try() -> None:
    with pytest.raises(ConfigError) as fault:
        rwkv_heads(500, RwkvOptions())
    assert str(fault.value) == (
        "d_model=500 is not a multiple of backbone.head_size=64 (backbone 'rwkv', "
        "picogen-backbones 0.2.0). Try 512, or --set backbone.head_size=50."
    )
    with pytest.raises(ConfigError) as fault:
        mamba_heads(500, MambaOptions())
    assert str(fault.value) == (
        "backbone.expand · d_model = 1000 is not a multiple of backbone.head_size=64 (backbone "
        "'mamba', picogen-backbones 0.2.0). Try 512, or --set backbone.head_size=50."
    )
    with pytest.raises(ConfigError, match=r"heads=6 .*'gpt2'.* Try 66, or --set backbone.heads=4"):
        gpt2_heads(64, Gpt2Options(heads=6))
    with pytest.raises(ConfigError, match=r"kv_heads=3 .*'llama'.*Try --set backbone.kv_heads=2"):
        llama_sizes(64, LlamaOptions(heads=4, kv_heads=3))
    with pytest.raises(ConfigError, match=r"kv_heads=3 .*'qwen'"):
        qwen_sizes(64, QwenOptions(heads=4, kv_heads=3, head_size=16))
    with pytest.raises(ConfigError, match=r"heads=6 .*'qwen'"):
        qwen_sizes(64, QwenOptions(heads=6))
    with pytest.raises(ConfigError, match="3 channels per head; rotary positions need an even"):
        llama_sizes(12, LlamaOptions(heads=4))
