"""Random pieces for checks of heads that remember, and code that writes them.

Glossary: B pieces, S patches of a piece, K patches written, P = 16 characters of a patch, V = 128
character codes, D width. Pieces and patches differ in length; a patch is text, its EOS, padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from picogen_core.abc.patches import EOS, PAD, PATCH_SIZE, VOCABULARY
from picogen_core.testing.modules import ModuleSubject, assert_batch_first

PRINTABLE = (32, 127)
LENGTHS = (9, 1, 6)
WINDOW = 32  # characters, of a head with such an option


@dataclass(frozen=True)
class Pieces:
    """Patches of pieces, right-padded, and the hidden states that predict them."""

    hidden: Float[Tensor, "B S D"]
    patches: Int[Tensor, "B S P"]
    lengths: Int[Tensor, " B"]

    @property
    def there(self) -> Bool[Tensor, "B S"]:
        return (
            torch.arange(self.patches.shape[1], device=self.lengths.device) < self.lengths[:, None]
        )

    def rows(self, rows: Sequence[int]) -> Pieces:
        """Return some of the pieces, in this order."""
        chosen = list(rows)
        return Pieces(self.hidden[chosen], self.patches[chosen], self.lengths[chosen])

    def call(self, module: Any) -> Float[Tensor, "B S P V"]:
        """Return the logits, 0 at padding."""
        there = self.there
        row, index = there.nonzero(as_tuple=True)
        logits = module(self.hidden[there], self.patches[there], row, index + 1)
        assert logits.shape == (len(row), PATCH_SIZE, VOCABULARY), f"logits are {logits.shape}"
        found = logits.new_zeros(*self.patches.shape, VOCABULARY)
        found[there] = logits
        result: Tensor = found.masked_fill((self.patches == PAD)[..., None], 0.0)
        return result


def make_pieces(subject: ModuleSubject, seed: int, lengths: Sequence[int] = LENGTHS) -> Pieces:
    """Return random pieces; half of their patches are full."""
    generator = torch.Generator().manual_seed(seed)
    shape = len(lengths), max(lengths)
    counts = torch.randint(2, 2 * PATCH_SIZE, shape, generator=generator).clamp(max=PATCH_SIZE)
    patches = torch.randint(*PRINTABLE, (*shape, PATCH_SIZE), generator=generator)
    places = torch.arange(PATCH_SIZE)
    patches[places == counts[..., None] - 1] = EOS
    patches[(counts == PATCH_SIZE)[..., None] & (places == PATCH_SIZE - 1)] = ord("C")
    patches[places >= counts[..., None]] = PAD
    there = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    patches[~there] = PAD
    return Pieces(
        subject.noise(*shape, subject.d_model, seed=seed),
        patches.to(subject.device),
        torch.tensor(lengths, device=subject.device),
    )


def empty_memory(module: Any, pieces: Pieces) -> Any:
    """Return an empty memory with room for the pieces."""
    rows, patches = pieces.patches.shape[:2]
    return module.initial_memory(rows, patches, pieces.hidden.device, pieces.hidden.dtype)


def write(
    module: Any, pieces: Pieces, memory: Any, patches: Iterable[int]
) -> tuple[Float[Tensor, "B K P V"], Any]:
    """Return the logits of K patches, written character by character, and the memory after them.

    All rows are stepped to the end of the patch, with other characters after their own end.
    """
    noise = torch.Generator().manual_seed(7)
    rows, written = len(pieces.lengths), []
    for t in patches:
        patch = pieces.patches[:, t]
        other = torch.randint(*PRINTABLE, patch.shape, generator=noise).to(patch.device)
        chars = torch.where(patch != PAD, patch, other)
        logits, state = module.begin(pieces.hidden[:, t], memory)
        found = [logits]
        for j in range(PATCH_SIZE - 1):
            logits, state = module.step(chars[:, j], state)
            found.append(logits)
        memory = module.close(patch, state)
        assert_batch_first(memory, rows)
        written.append(torch.stack(found, 1) * (patch != PAD)[..., None])
    return torch.stack(written, 1), memory


def narrowed(subject: ModuleSubject) -> ModuleSubject | None:
    """Return the subject with a short window in characters; None without such an option."""
    if "window" not in subject.entry.config().model_fields:
        return None
    options = {**subject.options, "window": WINDOW}
    return type(subject)(subject.entry, options, subject.d_model, subject.device)
