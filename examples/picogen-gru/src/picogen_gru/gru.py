"""Stacked GRUs with pre-norm residuals (Cho et al., 2014, https://arxiv.org/abs/1406.1078).

Glossary: B rows, S patches, D width, L layers.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from picogen_gru.options import GruOptions


class Gru(nn.Module):
    """A backbone; its state is one hidden vector a layer, [B, L, D]."""

    def __init__(self, options: GruOptions, d_model: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(options.layers))
        grus = (nn.GRU(d_model, d_model, batch_first=True) for _ in range(options.layers))
        self.grus = nn.ModuleList(grus)
        self.dropout = nn.Dropout(options.dropout)
        self.last_norm = nn.LayerNorm(d_model)

    def forward(self, x: Float[Tensor, "B S D"]) -> Float[Tensor, "B S D"]:
        for norm, gru in zip(self.norms, self.grus, strict=True):
            x = x + self.dropout(gru(norm(x))[0])
        output: Tensor = self.last_norm(x)
        return output

    def initial_state(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> Float[Tensor, "B L D"]:
        width = self.last_norm.normalized_shape[0]
        return torch.zeros(batch, len(self.grus), width, device=device, dtype=dtype)

    def prefill(
        self, x: Float[Tensor, "B S D"], lengths: Int[Tensor, " B"], state: Float[Tensor, "B L D"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B L D"]]:
        """Packed sequences stop each row at its length, so that padding never enters the state."""
        finals = []
        for layer, (norm, gru) in enumerate(zip(self.norms, self.grus, strict=True)):
            packed = pack_padded_sequence(
                norm(x), lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            output, final = gru(packed, state[:, layer][None].contiguous())
            finals.append(final[0])
            mixed, _ = pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
            x = x + self.dropout(mixed)
        last = x[torch.arange(len(x), device=x.device), lengths - 1]
        return self.last_norm(last), torch.stack(finals, dim=1)

    def step(
        self, x: Float[Tensor, "B D"], state: Float[Tensor, "B L D"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B L D"]]:
        finals = []
        for layer, (norm, gru) in enumerate(zip(self.norms, self.grus, strict=True)):
            output, final = gru(norm(x)[:, None], state[:, layer][None].contiguous())
            finals.append(final[0])
            x = x + self.dropout(output[:, 0])
        return self.last_norm(x), torch.stack(finals, dim=1)
