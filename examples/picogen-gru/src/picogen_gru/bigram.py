"""A head that sees the hidden state of its patch and the character before.

Glossary: N patches, D width of the model, W inner width, P = 16 characters, V = 128 codes.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from picogen_gru.options import BigramOptions

CODES = 128


class Bigram(nn.Module):
    """A head; its state is what the hidden state says of the patch, [N, W]."""

    def __init__(self, options: BigramOptions, d_model: int) -> None:
        super().__init__()
        width = options.width
        self.hidden = nn.Linear(d_model, width)
        self.before = nn.Embedding(CODES + 1, width)  # one more: nothing before
        self.logits = nn.Linear(width, CODES)

    def forward(self, hidden: Float[Tensor, "N D"], patch: Int[Tensor, "N P"]) -> Tensor:
        before = F.pad(patch[:, :-1], (1, 0), value=CODES)
        return self._guess(self.hidden(hidden)[:, None], before)

    def begin(
        self, hidden: Float[Tensor, "N D"]
    ) -> tuple[Float[Tensor, "N V"], Float[Tensor, "N W"]]:
        seen = self.hidden(hidden)
        nothing = torch.full(hidden.shape[:1], CODES, device=hidden.device)
        return self._guess(seen, nothing), seen

    def step(
        self, chars: Int[Tensor, " N"], state: Float[Tensor, "N W"]
    ) -> tuple[Float[Tensor, "N V"], Float[Tensor, "N W"]]:
        return self._guess(state, chars), state

    def _guess(self, seen: Tensor, before: Tensor) -> Tensor:
        logits: Tensor = self.logits(torch.tanh(seen + self.before(before)))
        return logits
