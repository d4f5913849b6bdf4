"""REINFORCE: the student samples pieces, a `Feedback` rewards them, better ones become likelier.

B rows  N patches  P = 16 characters per patch  M sampled characters  R pieces per step  K features
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import BOS, decode
from picogen_core.data.batches import Batch
from picogen_core.generation.decoding.piece import CODEC
from picogen_core.model.student import GenericStudent, Output
from picogen_core.plugins.protocols import Feedback
from picogen_core.runtime.devices import Autocast
from picogen_core.training.config import TrainConfig
from picogen_core.training.objective import Objective
from picogen_core.training.own_text.on_policy import bernoulli_step, write_batches
from picogen_core.training.processes import Processes
from picogen_core.training.step_batches import MicroBatches, derive_seed


@dataclass(frozen=True)
class Rewarded:
    """Sampled pieces of one step in this process: an `ExtraGradient`.

    characters: sampled in all processes.
    advantages: [B] of each micro-batch.
    purpose:    seeds a separate random stream.
    """

    name: str
    weight: float
    batches: MicroBatches
    advantages: Sequence[Float[Tensor, " B"]]
    characters: float
    purpose: int
    parts: Mapping[str, float]

    @property
    def totals(self) -> Sequence[str]:
        return [f"{self.name}/surrogate"]

    def add(
        self,
        model: GenericStudent,
        autocast: Autocast,
        device: torch.device,
        seed: Sequence[int],
    ) -> dict[str, float]:
        """Add the gradient of −Σ advantage · ln p(piece) / sampled characters, times the weight.

        Williams 1992. The value itself is not meaningful; see the logged parts.
        """
        total = 0.0
        for (number, batch), advantages in zip(self.batches, self.advantages, strict=True):
            if not advantages.any():
                continue
            torch.manual_seed(derive_seed([*seed, self.purpose, number]))
            there = batch.to(device)
            with autocast:
                output = model(there.patches, there.lengths)
            row, logs = log_probabilities(output, there)
            loss = -(advantages.to(device)[row] * logs).sum() / self.characters
            torch.autograd.backward(loss * self.weight)
            total += float(loss.detach())
        return {f"{self.name}/surrogate": total, **self.parts}


def rewarded_pieces(
    config: TrainConfig,
    objective: Objective,
    model: GenericStudent,
    batches: MicroBatches,
    step: int,
    fraction: float,
    processes: Processes,
) -> list[Rewarded]:
    """Return this step's pieces to reward, sampled after the headers of `batches`."""
    found = []
    for name, (term, feedback) in objective.feedback.items():
        weight, purpose = term.weight_at(fraction), zlib.crc32(name.encode())
        if not weight or not bernoulli_step(feedback.share, config.seed, step, purpose):
            continue
        written = write_batches(config, model, batches, step, purpose, feedback.samples)
        features = _gathered(config, feedback, written, processes)
        rewards = feedback.rewards(features)
        advantages = torch.from_numpy(normalised(rewards)).float()
        mine = [_places(config, number, batch, feedback.samples) for number, batch in written]
        drawn_here = sum(int(drawn_characters(batch).sum()) for _, batch in written)
        (characters,) = processes.sum([float(drawn_here)])
        parts = {"rewarded": float(np.isfinite(rewards).sum()), **feedback.parts(features)}
        found.append(
            Rewarded(
                name=name,
                weight=weight,
                batches=written,
                advantages=[advantages[places] for places in mine],
                characters=max(1.0, characters),
                purpose=purpose,
                parts={f"{name}/{part}": value for part, value in parts.items()},
            )
        )
    return found


def _places(config: TrainConfig, number: int, batch: Batch, samples: int) -> Int[Tensor, " B"]:
    """Return the indices of a sampled micro-batch's pieces among the R of the step."""
    source, k = divmod(number, samples)
    return (source * config.batch_size + torch.arange(len(batch.lengths))) * samples + k


def _gathered(
    config: TrainConfig,
    feedback: Feedback,
    written: MicroBatches,
    processes: Processes,
) -> Float[np.ndarray, "R K"]:
    """Return the features of the step's pieces in all processes; NaN where there are none."""
    count = config.micro_batches * config.batch_size * feedback.samples
    mine = np.full((count, len(feedback.features(""))), np.nan)
    for number, batch in written:
        places = _places(config, number, batch, feedback.samples).tolist()
        for i, place in enumerate(places):
            codes = batch.patches[i, : int(batch.lengths[i])].numpy().astype(np.uint8)
            mine[place] = feedback.features(strip_counters(decode(codes)))
    there = np.isfinite(mine)
    numbers = [*np.where(there, mine, 0.0).ravel(), *there.ravel().astype(float)]
    values, counts = np.array(processes.sum(numbers)).reshape(2, *mine.shape)
    return np.where(counts > 0, values, np.nan)


def normalised(rewards: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    """Return advantages: rewards at mean 0 and variance 1, 0 for a piece without one."""
    there = np.isfinite(rewards)
    spread = rewards[there].std() if there.any() else 0.0
    if not spread > 0:
        return np.zeros_like(rewards)
    return np.where(there, (rewards - rewards[there].mean()) / spread, 0.0)


def drawn_characters(batch: Batch) -> Tensor:
    """Return the mask [B S P] of sampled characters; after BOS, which ends a piece, is padding."""
    closing = batch.patches[..., :1] == BOS
    first = torch.arange(batch.patches.shape[2], device=batch.patches.device) == 0
    return batch.targets() & (~closing | first)


def log_probabilities(
    output: Output, batch: Batch
) -> tuple[Int[Tensor, " M"], Float[Tensor, " M"]]:
    """Return the row of every sampled character, and ln of its probability when it was sampled.

    The distribution is the model's under the codec's mask, as in `SamplingOptions.mask`.
    """
    chosen = drawn_characters(batch)[output.row, output.patch]
    allowed = torch.from_numpy(CODEC).to(chosen.device, torch.bool)
    logits = output.logits.float().masked_fill(~allowed, -torch.inf)
    logs = logits[chosen].log_softmax(-1)
    row = output.row[:, None].expand_as(chosen)[chosen]
    return row, logs.gather(1, output.characters[chosen][:, None])[:, 0]
