"""What the student writes for its own training: in which steps, behind which headers, how far.

All of it depends on (seed, step, row of the step) and on the weights alone, so that a run goes on
to the same weights after a kill, and N processes see what one sees that accumulates N times as
much.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from picogen_core.abc.counters import FIRST, START
from picogen_core.abc.patches import BOS, PATCH_SIZE, Patches, decode, encode_prompt, line_starts
from picogen_core.data.batches import Batch, collate
from picogen_core.data.prepared.store import Encoded, read_patches
from picogen_core.generation.decoding.decode import Limits, write
from picogen_core.generation.decoding.piece import Piece
from picogen_core.generation.engines.torch import TorchEngine
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.model.student import GenericStudent
from picogen_core.training.config import TrainConfig

OWN = SamplingOptions(temperature=1.0, top_k=0, top_p=1.0)
"""The student's own distribution, of which the gradients are; only the codec's mask is on."""
SLOTS = 64
ON_POLICY = 1
"""Tells the random numbers of these steps from others of the same (seed, step)."""

Numbered = list[tuple[int, Batch]]


def drawn(numbers: Sequence[int]) -> int:
    """A seed made of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def takes_place(share: float, seed: int, step: int, purpose: int) -> bool:
    """Whether this is one of the `share` of steps that serve a purpose."""
    return bool(np.random.default_rng([seed, step, purpose]).random() < share)


def on_policy_batches(
    config: TrainConfig, model: GenericStudent, batches: Sequence[tuple[int, Batch]], step: int
) -> Numbered | None:
    """What the student writes in place of these micro-batches; None in a step of the data."""
    if not takes_place(config.on_policy, config.seed, step, ON_POLICY):
        return None
    return write_batches(config, model, batches, step, ON_POLICY)


def write_batches(
    config: TrainConfig,
    model: GenericStudent,
    batches: Sequence[tuple[int, Batch]],
    step: int,
    purpose: int,
    samples: int = 1,
) -> Numbered:
    """`samples` pieces for every row, behind its header: micro-batch n becomes n · samples + k.

    A row without a header of its own, or whose header fills half of the patches that a piece may
    have, is written from nothing. A piece is as long as the model makes it, at most
    `sample_patches`; one that stopped at output that is not finite ends there.
    """
    limit = config.sample_patches or config.max_patches
    seed = drawn([config.seed, step, purpose])
    starts = []
    for number, batch in batches:
        for i, length in enumerate(batch.lengths.tolist()):
            row = number * config.batch_size + i
            prompt = _prompt(batch.patches[i, :length].numpy().astype(np.uint8), limit)
            starts += [Piece(row * samples + k, prompt, seed) for k in range(samples)]
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
    """The whole piece with its notes, and how many of its characters were given."""
    begun = encode_prompt(prompt)
    rows = [begun.patches] if codes is None else [begun.patches, codes]
    encoded, _ = read_patches(np.concatenate(rows))
    return encoded, len(begun.patches) * PATCH_SIZE + len(begun.tail)
