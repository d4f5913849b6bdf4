"""Qwen3: transformers' `Qwen3Model` fed with patch embeddings.

Yang et al. 2025, arXiv:2505.09388. Llama with an RMSNorm on the queries and keys of each head, and
with heads whose width need not be d_model / heads.
"""

from transformers import Qwen3Config, Qwen3Model

from picogen_backbones.options import QwenOptions, qwen_sizes
from picogen_backbones.rotary import RotaryDecoder


class Qwen(RotaryDecoder):
    """Qwen3: [B, S, D] -> [B, S, D]; tensors are named as in transformers, below `model.`.

    Raises:
        ConfigError: d_model, heads, kv_heads and head_size do not fit together.
    """

    def __init__(self, options: QwenOptions, d_model: int) -> None:
        sizes = qwen_sizes(d_model, options)
        config = Qwen3Config(
            vocab_size=1,
            hidden_size=d_model,
            intermediate_size=sizes.ffn,
            num_hidden_layers=options.layers,
            num_attention_heads=sizes.heads,
            num_key_value_heads=sizes.kv_heads,
            head_dim=sizes.head_size,
            rope_parameters={"rope_type": "default", "rope_theta": options.rope_theta},
            attention_dropout=options.dropout,
            bos_token_id=None,
            eos_token_id=None,
        )
        model = Qwen3Model(config)
        del model.embed_tokens  # patches come in embedded: it would never get a gradient
        super().__init__(model, options.layers, sizes.kv_heads, sizes.head_size)
