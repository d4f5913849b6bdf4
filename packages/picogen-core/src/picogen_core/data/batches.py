"""Batches: from crops to padded rows of patches with the index of their notes.

B rows  S patches of the longest row  P = 16  M notes of the batch
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from picogen_core.abc.patches import PAD, PATCH_SIZE
from picogen_core.data.crops import Crops, crop
from picogen_core.data.prepared.store import Dataset, Encoded

POOL = 64  # batches whose rows are sorted by length together


@dataclass(frozen=True)
class Batch:
    """Right-padded rows. Notes are given by row, patch in the row and character in the patch.

    `items` is each row's number among the fixed crops, -1 for a random crop. The first `given`
    characters of a row, at 16 per patch, are no target: the BOS patch, or a prompt.
    """

    items: Int[Tensor, " B"]
    patches: Int[Tensor, "B S P"]
    lengths: Int[Tensor, " B"]
    note_row: Int[Tensor, " M"]
    note_patch: Int[Tensor, " M"]
    note_char: Int[Tensor, " M"]
    note_voice: Int[Tensor, " M"]
    note_step: Int[Tensor, " M"]
    note_octave: Bool[Tensor, " M"]
    given: Int[Tensor, " B"]

    def targets(self) -> Bool[Tensor, "B S P"]:
        """Return the mask of characters to predict, counted by a loss or not."""
        device = self.patches.device
        place = torch.arange(self.patches.shape[1] * PATCH_SIZE, device=device)
        behind = place >= self.given[:, None]
        return behind.view(self.patches.shape) & (self.patches != PAD)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def collate(
    pieces: list[Encoded],
    items: NDArray[np.int64] | None = None,
    given: list[int] | None = None,
) -> Batch:
    """Return a batch, padded to the longest piece, with the notes of all rows in one list."""
    lengths = [len(piece.patches) for piece in pieces]
    patches = np.zeros((len(pieces), max(lengths), PATCH_SIZE), np.int64)
    for row, piece in enumerate(pieces):
        patches[row, : lengths[row]] = piece.patches
    notes = np.concatenate([piece.notes for piece in pieces]).astype(np.int64)
    rows = np.repeat(np.arange(len(pieces)), [len(piece.notes) for piece in pieces])
    patch, char = np.divmod(notes[:, 0], PATCH_SIZE)
    return Batch(
        items=torch.full((len(pieces),), -1) if items is None else torch.from_numpy(items),
        patches=torch.from_numpy(patches),
        lengths=torch.tensor(lengths),
        note_row=torch.from_numpy(rows),
        note_patch=torch.from_numpy(patch),
        note_char=torch.from_numpy(char),
        note_voice=torch.from_numpy(notes[:, 1].copy()),
        note_step=torch.from_numpy(notes[:, 2].copy()),
        note_octave=torch.from_numpy(notes[:, 3] > 0),
        given=torch.tensor(given or [PATCH_SIZE] * len(pieces)),
    )


def epoch_order(
    lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return a random order of all pieces in batches of similar length, for less padding."""
    order = rng.permutation(len(lengths))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), POOL * batch_size):
        pool = order[start : start + POOL * batch_size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


@dataclass(frozen=True)
class Sampling:
    """Division of an epoch into steps of `micro_batches` with `batch_size` pieces each.

    This process takes every `processes`-th micro-batch, beginning with number `rank`.
    """

    batch_size: int
    micro_batches: int
    max_patches: int
    seed: int
    rank: int = 0
    processes: int = 1

    @property
    def rows(self) -> int:
        """Pieces per step."""
        return self.batch_size * self.micro_batches

    def steps(self, pieces: int) -> int:
        """Return the steps per epoch."""
        return -(-pieces // self.rows)


def train_steps(
    data: Dataset, crops: Crops | None, sampling: Sampling, epoch: int, first: int = 0
) -> Iterator[list[tuple[int, Batch]]]:
    """Yield this process's micro-batches of each step from `first` on, numbered within the step.

    An epoch is each of the fixed `crops` once, or a random crop of each piece if they are None.
    The order depends on (seed, epoch) and the rows of a step alone, a random crop on (seed, epoch,
    piece). So N processes see the same as one process with N times the accumulation. The rows of a
    step are sorted by length before they are divided, so that processes wait little for each other.
    The last step of an epoch may have fewer micro-batches, and none for some process.
    """

    def cut(items: NDArray[np.int64]) -> Batch:
        if crops is not None:
            return collate([crops.cut(data, int(i)) for i in items], items)
        seeds = ([sampling.seed, epoch, int(i)] for i in items)
        rngs = map(np.random.default_rng, seeds)
        drawn = zip(items, rngs, strict=True)
        return collate([crop(data[int(i)], sampling.max_patches, rng) for i, rng in drawn])

    lengths = data.lengths() if crops is None else crops.lengths()
    rng = np.random.default_rng([sampling.seed, epoch])
    size = sampling.batch_size
    for items in epoch_order(lengths, sampling.rows, rng)[first:]:
        starts = range(sampling.rank * size, len(items), sampling.processes * size)
        yield [(start // size, cut(items[start : start + size])) for start in starts]


def eval_batches(data: Dataset, batch_size: int, max_patches: int) -> Iterator[Batch]:
    """Yield every piece once, in order of length, cropped at its head."""
    order = np.argsort(data.lengths(), kind="stable")
    for start in range(0, len(order), batch_size):
        yield collate(
            [crop(data[int(i)], max_patches, None) for i in order[start : start + batch_size]]
        )
