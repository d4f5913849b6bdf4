"""Llama: transformers' `LlamaModel` fed with patch embeddings.

Touvron et al. 2023, arXiv:2302.13971. Rotary positions, RMSNorm before each branch, gated SiLU MLP.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaModel
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from picogen_backbones.cached import CachedDecoder
from picogen_backbones.options import LlamaOptions, llama_sizes


class Llama(CachedDecoder):
    """[B, S, D] -> [B, S, D]; tensors are named as in transformers, below `model.`.

    Raises:
        ConfigError: d_model, heads and kv_heads do not fit together.
    """

    def __init__(self, d_model: int, options: LlamaOptions) -> None:
        heads, kv_heads, ffn = llama_sizes(d_model, options)
        config = LlamaConfig(
            vocab_size=1,
            hidden_size=d_model,
            intermediate_size=ffn,
            num_hidden_layers=options.layers,
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            rope_parameters={"rope_type": "default", "rope_theta": options.rope_theta},
            attention_dropout=options.dropout,
            bos_token_id=None,
            eos_token_id=None,
        )
        model = LlamaModel(config)
        del model.embed_tokens  # patches come in embedded: it would never get a gradient
        super().__init__(model, options.layers, kv_heads, d_model // heads)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Llama":
        """Keep the rotary frequencies in float32: in bfloat16 they are 0.4 % off, a whole turn
        after a few hundred patches."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        rope = self.model.rotary_emb
        assert isinstance(rope, LlamaRotaryEmbedding)
        exact, _ = rope.compute_default_rope_parameters(rope.config)
        exact = exact.to(device=rope.inv_freq.device, dtype=torch.float32)
        rope.register_buffer("inv_freq", exact, persistent=False)
        return self
