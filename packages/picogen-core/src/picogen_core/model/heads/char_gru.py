"""A GRU over the characters of a patch, started by the hidden state.

N patches  D width of the model  W width of the cell  P = 16 characters per patch  V = 128 codes

h_0 = tanh(start(hidden)), h_j = GRU(embed(c_j), h_{j−1}), logits of c_{j+1} = readout(h_j).
Cho et al. 2014, arXiv:1406.1078; one matrix product a character instead of a transformer's layers.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from picogen_core.abc.patches import VOCABULARY

State = dict[str, Tensor]


class CharGru(nn.Module):
    """A GRU head. The state is a dict: memory [N, W]."""

    def __init__(self, d_model: int, width: int) -> None:
        super().__init__()
        self.start = nn.Linear(d_model, width)
        self.embed = nn.Embedding(VOCABULARY, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.readout = nn.Linear(width, VOCABULARY)

    def forward(
        self, hidden: Float[Tensor, "N D"], patch: Int[Tensor, "N P"]
    ) -> Float[Tensor, "N P V"]:
        """Return teacher-forced logits: j sees the hidden state and the characters before j."""
        first = self._first(hidden)
        later, _ = self.gru(self.embed(patch[:, :-1]), first[None])
        result: Tensor = self.readout(torch.cat([first[:, None], later], 1))
        return result

    def begin(self, hidden: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N V"], State]:
        memory = self._first(hidden)
        return self.readout(memory), {"memory": memory}

    def step(self, chars: Int[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N V"], State]:
        weights = self.gru.all_weights[0]
        memory = torch.gru_cell(self.embed(chars), state["memory"], *weights)
        return self.readout(memory), {"memory": memory}

    def _first(self, hidden: Float[Tensor, "N D"]) -> Float[Tensor, "N W"]:
        # Under autocast the product is bfloat16; the recurrence keeps the weights' type.
        return torch.tanh(self.start(hidden)).to(self.embed.weight.dtype)
