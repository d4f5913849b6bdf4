"""Llama: transformers' `LlamaModel` fed with patch embeddings.

Touvron et al. 2023, arXiv:2302.13971. Rotary positions, RMSNorm before each branch, gated SiLU MLP.
"""

from transformers import LlamaConfig, LlamaModel

from picogen_backbones.options import LlamaOptions, llama_sizes
from picogen_backbones.rotary import RotaryDecoder


class Llama(RotaryDecoder):
    """Llama: [B, S, D] -> [B, S, D]; tensors are named as in transformers, below `model.`.

    Raises:
        ConfigError: d_model, heads and kv_heads do not fit together.
    """

    def __init__(self, options: LlamaOptions, d_model: int) -> None:
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
