"""Run a causal head without the padding of patches, with the same result.

N patches  J ≤ P = 16 characters of a group  X channels of a result  D width

In tune books a patch holds 12 of 16 characters on average, in scores of many voices 8. After its
EOS is padding that no loss counts. Patches of similar length go through the head together, cut
to the longest of them. Measured on CPUs, where a head's cost is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from picogen_core.abc.patches import PAD, PATCH_SIZE

WIDTHS = 5, 7, 9, 12, PATCH_SIZE
FEWEST = 24  # patches that are worth a separate call; fewer join the next longer group


def by_length(
    causal: Callable[[Tensor, Tensor], Tensor],
    hidden: Float[Tensor, "N D"],
    patches: Int[Tensor, "N P"],
) -> Float[Tensor, "N P X"]:
    """Return `causal(hidden, patches)`, but 0 after the group's longest patch."""
    lengths = written(patches)
    groups, results = [], []
    shorter = -1
    for width in WIDTHS:
        rows = ((lengths > shorter) & (lengths <= width)).nonzero()[:, 0]
        if width < PATCH_SIZE and len(rows) < FEWEST:
            continue
        shorter = width
        cut = causal(hidden[rows], patches[rows, :width])
        groups.append(rows)
        results.append(torch.nn.functional.pad(cut, (0, 0, 0, PATCH_SIZE - width)))
    return torch.cat(results)[torch.cat(groups).argsort()]


def written(patches: Int[Tensor, "*N P"]) -> Int[Tensor, "*N"]:
    """Return the number of characters of each patch before its padding."""
    places = torch.arange(1, PATCH_SIZE + 1, device=patches.device)
    return ((patches != PAD) * places).amax(-1)
