"""GPT-2: transformers' `GPT2Model` fed with patch embeddings; NotaGen's patch decoder.

Radford et al. 2019. Learned positions, LayerNorm (eps 1e-5) before each branch, `gelu_new`, dropout
after the embedding, on the attention weights and after each branch. Below `model.` the tensors
have the names and shapes of NotaGen's `patch_level_decoder.base.` (Conv1D weights are [in, out]),
without its unused `wte`.
"""

import torch
from jaxtyping import Float
from picogen_core import ConfigError
from torch import Tensor
from transformers import GPT2Config, GPT2Model

from picogen_backbones.cached import CachedDecoder, State
from picogen_backbones.options import Gpt2Options, gpt2_heads


class Gpt2(CachedDecoder):
    """GPT-2: [B, S, D] -> [B, S, D], S ≤ max_patches.

    Raises:
        ConfigError: heads do not divide d_model, or a piece is longer than the position table.
    """

    def __init__(self, options: Gpt2Options, d_model: int) -> None:
        heads = gpt2_heads(d_model, options)
        config = GPT2Config(
            vocab_size=1,
            n_positions=options.max_patches,
            n_embd=d_model,
            n_layer=options.layers,
            n_head=heads,
            embd_pdrop=options.dropout,
            attn_pdrop=options.dropout,
            resid_pdrop=options.dropout,
            bos_token_id=None,
            eos_token_id=None,
        )
        model = GPT2Model(config)
        del model.wte  # patches come in embedded: it would never get a gradient
        super().__init__(model, options.layers, heads, d_model // heads)
        self.max_patches = options.max_patches

    def forward(self, x: Float[Tensor, "B S D"]) -> Float[Tensor, "B S D"]:
        self._check_positions(x.shape[1])
        return super().forward(x)

    def initial_state(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        self._check_positions(max_patches)
        return super().initial_state(batch, max_patches, device, dtype)

    def _check_positions(self, patches: int) -> None:
        if patches > self.max_patches:
            raise ConfigError(
                f"{patches} patches are too many for backbone 'gpt2' with {self.max_patches}. "
                f"Use fewer, or train with --set backbone.max_patches={patches}."
            )
