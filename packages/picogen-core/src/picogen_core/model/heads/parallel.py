"""The first PiCo-Gen's head: it predicts the 16 characters of a patch independently.

N patches  D width of the model  P = 16 characters per patch  V = 128 codes
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY

State = dict[str, Tensor]


class Parallel(nn.Module):
    """A linear head. The state is a dict: logits [N, P, V] of the patch, and last position [N]."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.readout = nn.Linear(d_model, PATCH_SIZE * VOCABULARY)

    def forward(
        self, hidden: Float[Tensor, "N D"], patch: Int[Tensor, "N P"]
    ) -> Float[Tensor, "N P V"]:
        """Return the logits; the characters in `patch` are ignored."""
        result: Tensor = self.readout(hidden).unflatten(-1, (PATCH_SIZE, VOCABULARY))
        return result

    def begin(self, hidden: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N V"], State]:
        logits = self.readout(hidden).unflatten(-1, (PATCH_SIZE, VOCABULARY))
        position = torch.zeros(hidden.shape[0], dtype=torch.long, device=hidden.device)
        return logits[:, 0], {"logits": logits, "position": position}

    def step(self, chars: Int[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N V"], State]:
        """Return the next logits. Raises `IndexError` past 15 steps after `begin`."""
        position = state["position"] + 1
        rows = torch.arange(position.shape[0], device=position.device)
        return state["logits"][rows, position], {**state, "position": position}
