"""Bits per character on held-out pieces: of a model, and of a character bigram as baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from picogen_core.abc.counters import START
from picogen_core.abc.patches import EOS, PAD, VOCABULARY
from picogen_core.data.batches import eval_batches
from picogen_core.data.crops import crop
from picogen_core.data.prepared.store import Dataset
from picogen_core.evaluation.summaries import Value
from picogen_core.model.student import GenericStudent

RESAMPLES = 1000


@dataclass(frozen=True)
class Likelihood:
    """Nats and character counts per piece, in the dataset's order of length."""

    nats: tuple[float, ...]
    characters: tuple[int, ...]

    @property
    def nats_per_character(self) -> float:
        return sum(self.nats) / sum(self.characters)

    @property
    def bits_per_character(self) -> float:
        return self.nats_per_character / math.log(2)

    def value(self, seed: int = 0) -> Value:
        """Return bits per character, with a 95 % bootstrap interval over pieces."""
        nats, counts = np.array(self.nats), np.array(self.characters)
        draws = np.random.default_rng(seed).integers(len(nats), size=(RESAMPLES, len(nats)))
        bits = nats[draws].sum(1) / counts[draws].sum(1) / math.log(2)
        low, high = np.percentile(bits, [2.5, 97.5])
        return Value(
            self.bits_per_character, "bit/character", len(nats), float(low), float(high), "lower"
        )


def music_characters(patches: Int[Tensor, "N P"]) -> Bool[Tensor, "N P"]:
    """Return a mask of the ABC characters: no counter `[r:i/n]`, no BOS, EOS or padding."""
    start = torch.tensor(list(START.encode()), device=patches.device)
    marked = (patches[:, : len(start)] == start).all(1)
    closing = patches == ord("]")
    closed = closing.cumsum(1)
    counter = marked[:, None] & ((closed == 0) | ((closed == 1) & closing))
    return (patches > EOS) & ~counter


@torch.no_grad()
def evaluate(
    model: GenericStudent,
    data: Dataset,
    batch_size: int,
    max_patches: int,
    music_only: bool = False,
) -> Likelihood:
    """Return the teacher-forced likelihood in fp32 of every piece, cropped at its head.

    Characters are counted as in NotaGen: all but padding in patches 1 … S − 1. Counters, EOS and
    the EOS patch are included and cost next to nothing. `music_only` excludes them.
    """
    training = model.training
    model.eval()
    nats: list[float] = []
    counts: list[int] = []
    for batch in eval_batches(data, batch_size, max_patches):
        batch = batch.to(model.device)
        output = model(batch.patches, batch.lengths)
        losses = torch.nn.functional.cross_entropy(
            output.logits.float().transpose(1, 2), output.characters, reduction="none"
        )
        rows = len(batch.lengths)
        targets = output.characters
        counted = music_characters(targets) if music_only else targets != PAD
        per_patch = (losses * counted).sum(1).double()
        nats += torch.zeros(rows).double().index_add_(0, output.row.cpu(), per_patch.cpu()).tolist()
        per_patch_count = counted.sum(1)
        counts += (
            torch.zeros(rows).long().index_add_(0, output.row.cpu(), per_patch_count.cpu()).tolist()
        )
    model.train(training)
    return Likelihood(tuple(nats), tuple(counts))


def bigram_likelihood(
    train: Dataset,
    held_out: Dataset,
    max_patches: int,
    music_only: bool = False,
    smoothing: float = 0.1,
) -> Likelihood:
    """Return the likelihood under a character bigram with additive smoothing.

    It counts the same characters as `evaluate`.
    """
    counts = np.full((VOCABULARY, VOCABULARY), smoothing)
    for i in range(len(train)):
        before, after = _pairs(crop(train[i], max_patches, None).patches)
        np.add.at(counts, (before, after), 1)
    nll = -np.log(counts / counts.sum(1, keepdims=True))
    nats, numbers = [], []
    for i in np.argsort(held_out.lengths(), kind="stable"):
        before, after = _pairs(crop(held_out[int(i)], max_patches, None).patches, music_only)
        nats.append(float(nll[before, after].sum()))
        numbers.append(len(after))
    return Likelihood(tuple(nats), tuple(numbers))


def _pairs(patches: np.ndarray, music_only: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return each target character with its predecessor; the BOS patch is no target."""
    flat = patches.reshape(-1)
    music = music_characters(torch.from_numpy(patches.astype(np.int64))).numpy().reshape(-1)
    kept = np.flatnonzero(flat != PAD)
    targets = (kept >= patches.shape[1]) & (music[kept] if music_only else True)
    return flat[kept[:-1]][targets[1:]], flat[kept[1:]][targets[1:]]
