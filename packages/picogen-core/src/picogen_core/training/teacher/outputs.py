"""Teacher outputs for a batch: computed in every step, or once per fixed crop and cached.

The teacher runs in fp32, and its outputs pass the cache's number format, cached or not. Cached
outputs are computed one crop at a time, so they depend on the teacher and the crop alone: not on
batch, order, rank, or the state of the cache. Without a cache whole batches are computed, which
costs less; the rows of a batch depend on seed and step alone. The two ways differ only by the order
of sums, mostly by less than the format can hold.

B rows  N valid target patches  M valid characters  V = 128 codes  E width of the teacher
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float, Float16, Int, UInt8
from torch import Tensor

from picogen_core.abc.patches import VOCABULARY
from picogen_core.data.batches import Batch
from picogen_core.model.student import GenericStudent

FLOOR = -30.0  # nats; far below fp32's relative precision of a sum that is 1
LARGEST = 65504.0  # of fp16


class BatchOutputs(NamedTuple):
    """Teacher outputs for a batch: valid characters in order, and hidden states of targets."""

    log_probabilities: Float[Tensor, "M V"] | None
    hidden: Float[Tensor, "N E"] | None


class OutputSource(Protocol):
    """A source of teacher outputs for batches."""

    def __call__(self, batch: Batch) -> BatchOutputs: ...


class CropOutputs(NamedTuple):
    """Teacher outputs for one crop, as stored on disk."""

    characters: UInt8[np.ndarray, " bytes"] | None = None
    hidden: UInt8[np.ndarray, " bytes"] | None = None


@dataclass(frozen=True)
class Format:
    """Number format of the cache: fp16.

    It holds all V log-probabilities of a character, or the `top_k` with their codes and the
    logarithm of the remaining mass. When read, that mass is shared evenly by the other codes.
    """

    top_k: int | None
    width: int | None  # of hidden states, if they are stored
    logits: bool = True  # if they are not stored, the teacher's head is not run

    @property
    def character_bytes(self) -> int:
        return 2 * VOCABULARY if self.top_k is None else 3 * self.top_k + 2

    @property
    def hidden_bytes(self) -> int:
        return 2 * (self.width or 0)

    def pack(self, logits: Float[Tensor, "M V"]) -> UInt8[np.ndarray, " bytes"]:
        logs = logits.float().log_softmax(-1)
        if self.top_k is None:
            return _bytes(_half_logs(logs)).reshape(-1)
        values, codes = logs.topk(self.top_k)
        rest = logs.scatter(1, codes, -math.inf).logsumexp(-1, keepdim=True)
        kept = _half_logs(torch.cat([values, rest], 1))
        rows = np.concatenate([_bytes(kept), _bytes(codes.to(torch.uint8))], 1)
        return rows.reshape(-1)

    def unpack(self, data: UInt8[np.ndarray, " bytes"]) -> Float[Tensor, "M V"]:
        if self.top_k is None:
            return _halves(data).reshape(-1, VOCABULARY).float()
        rows = data.reshape(-1, self.character_bytes)
        split = 2 * self.top_k + 2
        kept = _halves(rows[:, :split]).reshape(len(rows), -1).float()
        codes = torch.from_numpy(rows[:, split:].astype(np.int64))
        rest = kept[:, -1:] - math.log(VOCABULARY - self.top_k)
        return rest.expand(-1, VOCABULARY).scatter(1, codes, kept[:, :-1])

    def rounded(self, logits: Float[Tensor, "M V"]) -> Float[Tensor, "M V"]:
        """Return `logits` as they would be read after `pack`, on their device."""
        if self.top_k is not None:
            return self.unpack(self.pack(logits)).to(logits.device)
        return _half_logs(logits.float().log_softmax(-1)).float()

    def pack_hidden(self, hidden: Float[Tensor, "N E"]) -> UInt8[np.ndarray, " bytes"]:
        return _bytes(_half(hidden)).reshape(-1)

    def unpack_hidden(self, data: UInt8[np.ndarray, " bytes"]) -> Float[Tensor, "N E"]:
        assert self.width
        return _halves(data).reshape(-1, self.width).float()


def _half_logs(logs: Float[Tensor, "M K"]) -> Float16[Tensor, "M K"]:
    return logs.clamp(min=FLOOR).half()


def _half(hidden: Float[Tensor, "N E"]) -> Float16[Tensor, "N E"]:
    return hidden.float().clamp(-LARGEST, LARGEST).half()


def _bytes(values: Tensor) -> np.ndarray:
    rows: np.ndarray = values.contiguous().cpu().numpy()
    return rows.view(np.uint8)


def _halves(data: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(data).reshape(-1).view(np.float16))


class LiveTeacher:
    """Runs the model on every batch."""

    def __init__(self, model: GenericStudent, format: Format) -> None:
        self.model, self.format = model.eval().requires_grad_(False), format

    def __call__(self, batch: Batch) -> BatchOutputs:
        logits, hidden = _read(self.model, batch.patches, batch.lengths, self.format.logits)
        return BatchOutputs(
            None if logits is None else self.format.rounded(logits),
            _half(hidden).float() if self.format.width else None,
        )

    def compute(self, batch: Batch, row: int) -> CropOutputs:
        """Return the outputs for one row, as a cache stores them."""
        length = batch.lengths[row : row + 1]
        patches = batch.patches[row : row + 1, : int(length)]
        logits, hidden = _read(self.model, patches, length, self.format.logits)
        return CropOutputs(
            None if logits is None else self.format.pack(logits),
            self.format.pack_hidden(hidden) if self.format.width else None,
        )


class SampleTeacher:
    """Runs the model on batches of sampled text, in fp32.

    Sampled text does not repeat, so no cache and no number format is needed.
    """

    def __init__(self, model: GenericStudent, logits: bool, hidden: bool) -> None:
        self.model = model.eval().requires_grad_(False)
        self.logits, self.hidden = logits, hidden

    def __call__(self, batch: Batch) -> BatchOutputs:
        logits, hidden = _read(self.model, batch.patches, batch.lengths, self.logits)
        logs = None if logits is None else logits.float().log_softmax(-1)
        return BatchOutputs(logs, hidden.float() if self.hidden else None)


@torch.no_grad()
def _read(
    model: GenericStudent,
    patches: Int[Tensor, "B S P"],
    lengths: Int[Tensor, " B"],
    logits: bool,
) -> tuple[Float[Tensor, "M V"] | None, Float[Tensor, "N E"]]:
    """Return the logits of the valid characters, if they are wanted, and hidden states."""
    device = model.device
    patches, lengths = patches.to(device), lengths.to(device)
    with torch.autocast(device.type, enabled=False):
        if not logits:
            return None, model.hidden(patches, lengths)[0]
        output = model(patches, lengths)
    return output.logits[output.valid], output.hidden


def decode(format: Format, batch: Batch, answer: Callable[[int], CropOutputs]) -> BatchOutputs:
    """Return the outputs for all rows of a batch, one after another, as the losses read them."""
    answers = [answer(row) for row in range(len(batch.lengths))]
    device = batch.patches.device
    characters = [each.characters for each in answers if each.characters is not None]
    hidden = [each.hidden for each in answers if each.hidden is not None]
    return BatchOutputs(
        format.unpack(np.concatenate(characters)).to(device) if characters else None,
        format.unpack_hidden(np.concatenate(hidden)).to(device) if hidden else None,
    )
