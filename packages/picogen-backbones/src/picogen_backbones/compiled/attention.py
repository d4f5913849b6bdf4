"""gpt2, llama and qwen for `picogen_core.compiled.transformer`, from their tensors' names."""

from __future__ import annotations

import numpy as np
from picogen_core.compiled.transformer import Layer, Layout, Transformer
from picogen_core.compiled.weights import Floats, Weights

from picogen_backbones.options import (
    Gpt2Options,
    LlamaOptions,
    QwenOptions,
    QwenSizes,
    gpt2_heads,
    llama_sizes,
    qwen_sizes,
)


def gpt2(options: Gpt2Options, d_model: int, weights: Weights) -> Transformer:
    """Return GPT-2. Raises `BadCheckpoint` for a missing or misshapen tensor."""
    positions = weights.take("model.wpe.weight", options.max_patches, d_model)
    return Transformer.gpt2(
        weights.part("model."), d_model, gpt2_heads(d_model, options), options.layers, positions
    )


def llama(options: LlamaOptions, d_model: int, weights: Weights) -> Transformer:
    """Return Llama. Raises `BadCheckpoint` for a missing or misshapen tensor."""
    heads, kv_heads, ffn = llama_sizes(d_model, options)
    sizes = QwenSizes(heads, kv_heads, d_model // heads, ffn)
    return _rotary(d_model, sizes, options.layers, options.rope_theta, weights, head_norms=False)


def qwen(options: QwenOptions, d_model: int, weights: Weights) -> Transformer:
    """Return Qwen3. Raises `BadCheckpoint` for a missing or misshapen tensor."""
    sizes = qwen_sizes(d_model, options)
    return _rotary(d_model, sizes, options.layers, options.rope_theta, weights, head_norms=True)


def _rotary(
    d_model: int, sizes: QwenSizes, layers: int, theta: float, weights: Weights, head_norms: bool
) -> Transformer:
    queries, keys = sizes.heads * sizes.head_size, sizes.kv_heads * sizes.head_size
    layout = Layout(
        d_model, *sizes, layers, eps=1e-6, gated=True, centred=False, head_norms=head_norms,
        rope_theta=theta,
    )  # fmt: skip

    def layer(number: int) -> Layer:
        part = weights.part(f"model.layers.{number}.")

        def stacked(*rows: tuple[str, int]) -> Floats:
            return np.concatenate([part.take(f"{name}.weight", n, d_model) for name, n in rows])

        norms = None
        if head_norms:
            q, k = (part.take(f"self_attn.{name}_norm.weight", sizes.head_size) for name in "qk")
            norms = q, k
        return Layer(
            norm1=(part.take("input_layernorm.weight", d_model), None),
            qkv=(
                stacked(
                    ("self_attn.q_proj", queries), ("self_attn.k_proj", keys),
                    ("self_attn.v_proj", keys),
                ),
                None,
            ),
            out=(part.take("self_attn.o_proj.weight", d_model, queries), None),
            norm2=(part.take("post_attention_layernorm.weight", d_model), None),
            up=(stacked(("mlp.gate_proj", sizes.ffn), ("mlp.up_proj", sizes.ffn)), None),
            down=(part.take("mlp.down_proj.weight", d_model, sizes.ffn), None),
            head_norms=norms,
        )  # fmt: skip

    final = weights.take("model.norm.weight", d_model)
    return Transformer(layout, [layer(i) for i in range(layers)], (final, None))
