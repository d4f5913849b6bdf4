"""The backbones in JavaScript, for pages that compose."""

from __future__ import annotations

from importlib.resources import files

from picogen_core import Script

from picogen_backbones.options import (
    LlamaOptions,
    MambaOptions,
    QwenOptions,
    RwkvOptions,
    llama_sizes,
    mamba_heads,
    qwen_sizes,
)

_RMS_EPSILON = {"llama": 1e-6, "qwen": 1e-6, "mamba": 1e-5}  # as transformers configures them


def rwkv(options: RwkvOptions, d_model: int) -> Script:
    return Script(_read("rwkv.js"), "Rwkv", {"layers": options.layers, "head": options.head_size})


def llama(options: LlamaOptions, d_model: int) -> Script:
    heads, kv_heads, ffn = llama_sizes(d_model, options)
    sizes = {"heads": heads, "kv_heads": kv_heads, "head": d_model // heads, "ffn": ffn}
    return _attention("llama", options, sizes)


def qwen(options: QwenOptions, d_model: int) -> Script:
    heads, kv_heads, head, ffn = qwen_sizes(d_model, options)
    sizes = {"heads": heads, "kv_heads": kv_heads, "head": head, "ffn": ffn, "normed": 1}
    return _attention("qwen", options, sizes)


def _attention(name: str, options: LlamaOptions, sizes: dict[str, int]) -> Script:
    shared = {"layers": options.layers, "theta": options.rope_theta, "epsilon": _RMS_EPSILON[name]}
    return Script(_read("llama.js"), "Llama", {**sizes, **shared})


def mamba(options: MambaOptions, d_model: int) -> Script:
    sizes = {
        "layers": options.layers, "heads": mamba_heads(d_model, options),
        "head": options.head_size, "state": options.state_size, "kernel": options.conv_kernel,
        "epsilon": _RMS_EPSILON["mamba"],
    }  # fmt: skip
    return Script(_read("mamba.js"), "Mamba", sizes)


def _read(name: str) -> str:
    return (files("picogen_backbones.scripts") / name).read_text()
