"""Mamba-2: transformers' `Mamba2Model` fed with patch embeddings.

Dao and Gu 2024, "Transformers are SSMs", arXiv:2405.21060. Below `model.` the tensors have the
names and shapes of mamba-ssm's `backbone.`, without its `embedding`.

    B rows  S patches  D width  E inner width (E = expand · D)  H heads
    K channels per head (E = H · K)  N size of the state of a channel
    W patches that the convolution sees  C its channels (E + 2N)  L layers

h_t = exp(Δ_t A) h_{t−1} + Δ_t x_t B_tᵀ [K, N], one per head;  y_t = h_t C_t + D x_t.
"""

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import Mamba2Config, Mamba2Model
from transformers.cache_utils import Cache

from picogen_backbones import mamba_kernels
from picogen_backbones.cached import cache_name
from picogen_backbones.options import MambaOptions, mamba_heads

State = dict[str, Tensor]

mamba_kernels.install()


class LayerStates(Cache):
    """View of the state for the layers of one call, which read it (`filled`) or write it."""

    def __init__(
        self, conv: Float[Tensor, "B L C W"], ssm: Float[Tensor, "B L H K N"], filled: bool
    ) -> None:
        super().__init__(layers=[])
        self.conv, self.ssm, self.filled = conv, ssm, filled

    def get_conv_state(self, layer_idx: int, state_idx: int = 0) -> Tensor | None:
        return self.conv[:, layer_idx] if self.filled else None

    def get_recurrent_state(self, layer_idx: int, state_idx: int = 0) -> Tensor | None:
        return self.ssm[:, layer_idx] if self.filled else None

    def is_recording_past(self, layer_idx: int, state_idx: int = 0) -> bool:
        return False

    def update_conv_state(
        self, conv_states: Tensor, layer_idx: int, state_idx: int = 0, **kwargs: Any
    ) -> Tensor:
        """Store the last W inputs [B, C, S] of the convolution; return them."""
        width = self.conv.shape[-1]
        padded = nn.functional.pad(conv_states, (width, 0))
        self.conv[:, layer_idx] = padded[..., -width:]
        return conv_states

    def update_recurrent_state(
        self, recurrent_states: Tensor, layer_idx: int, state_idx: int = 0, **kwargs: Any
    ) -> Tensor:
        self.ssm[:, layer_idx] = recurrent_states
        return recurrent_states


class Mamba(nn.Module):
    """Mamba-2: [B, S, D] -> [B, S, D]; S has no limit. The state is a dict of fixed size:

    conv [B, L, C, W] and ssm [B, L, H, K, N] (always float32, as it sums over the whole piece).
    `step` writes into its argument, so that state must not be used again. For two continuations,
    select rows of it first.

    Raises:
        ConfigError: head_size does not divide expand · d_model.
    """

    def __init__(self, options: MambaOptions, d_model: int) -> None:
        super().__init__()
        heads = mamba_heads(d_model, options)
        inner = options.expand * d_model
        config = Mamba2Config(
            vocab_size=1,
            hidden_size=d_model,
            num_hidden_layers=options.layers,
            num_heads=heads,
            head_dim=options.head_size,
            state_size=options.state_size,
            expand=options.expand,
            conv_kernel=options.conv_kernel,
            chunk_size=options.chunk,
            n_groups=1,
            pad_token_id=None,
            bos_token_id=None,
            eos_token_id=None,
        )
        self.model = Mamba2Model(config)
        del self.model.embeddings  # patches come in embedded: it would never get a gradient
        initialise(self.model)
        self._cache_name = cache_name(self.model, "cache_params")
        self.conv_shape = options.layers, inner + 2 * options.state_size, options.conv_kernel
        self.ssm_shape = options.layers, heads, options.head_size, options.state_size

    def forward(self, x: Float[Tensor, "B S D"]) -> Float[Tensor, "B S D"]:
        hidden: Tensor = self.model(inputs_embeds=x, use_cache=False).last_hidden_state
        return hidden.to(x.dtype)

    def initial_state(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """Return an empty state; `max_patches` has no effect."""
        return {
            "conv": torch.zeros(batch, *self.conv_shape, device=device, dtype=dtype),
            "ssm": torch.zeros(batch, *self.ssm_shape, device=device),
        }

    def prefill(
        self, x: Float[Tensor, "B S D"], lengths: Int[Tensor, " B"], state: State
    ) -> tuple[Float[Tensor, "B D"], State]:
        """Return the outputs and a new state; 1 ≤ lengths ≤ S. `state` is ignored and unchanged.

        Rows are moved to the right end, where the layers keep masked patches out of the state.
        """
        patches = x.shape[1]
        source = torch.arange(patches, device=x.device) - patches + lengths[:, None]
        valid = source >= 0
        index = source.clamp(min=0)[:, :, None].expand_as(x)
        moved = x.gather(1, index).masked_fill(~valid[:, :, None], 0)
        fresh = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
        hidden = self._extend(moved, LayerStates(**fresh, filled=False), valid)
        return hidden[:, -1], fresh

    def step(self, x: Float[Tensor, "B D"], state: State) -> tuple[Float[Tensor, "B D"], State]:
        hidden = self._extend(x[:, None], LayerStates(**state, filled=True), None)
        return hidden[:, 0], state

    def _extend(
        self, x: Float[Tensor, "B S D"], states: LayerStates, mask: Tensor | None
    ) -> Float[Tensor, "B S D"]:
        output = self.model(
            inputs_embeds=x, use_cache=True, attention_mask=mask, **{self._cache_name: states}
        )
        hidden: Tensor = output.last_hidden_state
        return hidden.to(x.dtype)


@torch.no_grad()
def initialise(model: Mamba2Model) -> None:
    """Initialise a model as mamba-ssm does (modules/mamba2.py, models/mixer_seq_simple.py).

    Projections and convolution are uniform in ±1/√fan-in, the last projection of a layer is divided
    by √L, and A is uniform in [1, 16], one per head. transformers initialises differently.
    """
    layers = len(model.layers)
    for block in model.layers:
        mixer: Any = block.mixer
        mixer.in_proj.reset_parameters()
        mixer.conv1d.reset_parameters()
        mixer.out_proj.reset_parameters()
        mixer.out_proj.weight /= math.sqrt(layers)
        mixer.A_log.copy_(torch.empty_like(mixer.A_log).uniform_(1, 16).log())
