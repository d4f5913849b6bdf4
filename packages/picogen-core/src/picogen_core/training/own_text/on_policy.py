"""Batches sampled from the student: in which steps, after which headers, how long.

They depend only on (seed, step, row of the step) and the weights. So a killed run resumes to the
same weights, and N processes see the same as one process with N times the accumulation.
"""

from __future__ import annotations

import numpy as np

from picogen_core.abc.counters import FIRST, START
from picogen_core.abc.patches import BOS, PATCH_SIZE, Patches, decode, encode_prompt, line_starts
from picogen_core.data.batches import collate
from picogen_core.data.prepared.store import Encoded, read_patches
from picogen_core.generation.decoding.decode import Limits, write
from picogen_core.generation.decoding.piece import PieceWriter
from picogen_core.generation.engines.torch import TorchEngine
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.model.student import GenericStudent
from picogen_core.training.config import TrainConfig
from picogen_core.training.step_batches import MicroBatches, derive_seed

OWN = SamplingOptions(temperature=1.0, top_k=0, top_p=1.0)
"""The student's own distribution, which the gradients are of; only the codec's mask applies."""
SLOTS = 64
ON_POLICY = 1
"""Seeds a random stream of its own for these steps."""


def bernoulli_step(share: float, seed: int, step: int, purpose: int) -> bool:
    """Return whether a Bernoulli draw with probability `share` chooses this step."""
    return bool(np.random.default_rng([seed, step, purpose]).random() < share)


def on_policy_batches(
    config: TrainConfig, model: GenericStudent, batches: MicroBatches, step: int
) -> MicroBatches | None:
    """Return batches sampled from the student in place of these; None in a step on the data."""
    if not bernoulli_step(config.on_policy, config.seed, step, ON_POLICY):
        return None
    return write_batches(config, model, batches, step, ON_POLICY)


def write_batches(
    config: TrainConfig,
    model: GenericStudent,
    batches: MicroBatches,
    step: int,
    purpose: int,
    samples: int = 1,
) -> MicroBatches:
    """Return `samples` pieces per row, after its header: micro-batch n becomes n · samples + k.

    A row without a header, or whose header fills half of the patches, has an empty prompt. A piece
    has at most `sample_patches`; output that is not finite ends it.
    """
    limit = config.sample_patches or config.max_patches
    seed = derive_seed([config.seed, step, purpose])
    starts = []
    for number, batch in batches:
        for i, length in enumerate(batch.lengths.tolist()):
            row = number * config.batch_size + i
            prompt = _prompt(batch.patches[i, :length].numpy().astype(np.uint8), limit)
            starts += [PieceWriter(row * samples + k, prompt, seed) for k in range(samples)]
    if not starts:
        return []
    training = model.training
    engine = TorchEngine(model.eval(), min(SLOTS, len(starts)), limit)
    finished = (done.draft for done in write(engine, starts, OWN, Limits(limit)))
    codes = {draft.number: draft.codes for draft in finished if draft}
    model.train(training)
    pieces = {start.number: _join(start.prompt, codes[start.number]) for start in starts}
    written = []
    for number, batch in batches:
        first = number * config.batch_size
        for k in range(samples):
            rows = range(first, first + len(batch.lengths))
            chosen = [pieces[row * samples + k] for row in rows]
            encoded, given = [piece for piece, _ in chosen], [count for _, count in chosen]
            written.append((number * samples + k, collate(encoded, given=given)))
    return written


def _prompt(patches: Patches, limit: int) -> str:
    starts = line_starts(patches)
    header = int(starts[0]) if len(starts) else 0
    if patches[0, 0] != BOS or not 1 < header <= limit // 2:
        return ""
    return decode(patches[:header]) + START + FIRST  # given: all that follows is drawn


def _join(prompt: str, codes: Patches | None) -> tuple[Encoded, int]:
    """Return the piece with its notes, and the number of characters of its prompt."""
    begun = encode_prompt(prompt)
    rows = [begun.patches] if codes is None else [begun.patches, codes]
    encoded, _ = read_patches(np.concatenate(rows))
    return encoded, len(begun.patches) * PATCH_SIZE + len(begun.tail)
