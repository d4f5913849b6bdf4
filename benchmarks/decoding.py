"""What the benchmarks of generation share: prefixes, guides, greedy patches, CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from patches import tunes
from picogen_core.abc.grammar.charsets import FREELY, NEVER
from picogen_core.abc.patches import BOS, EOS, PATCH_SIZE, encode
from picogen_core.generation.decoding.draft_tokens import Drafter, NGrams
from picogen_core.generation.decoding.sampling import draw
from picogen_core.generation.engines import Engine, Verifying
from picogen_core.generation.request.options import SamplingOptions

GREEDY = SamplingOptions(temperature=0, mask=False)


def prefix_of(patches: int) -> np.ndarray:
    """[patches, 16]: tunes one after the other."""
    rows = np.concatenate([encode(tune)[1:-1] for tune in tunes(40)])
    return np.concatenate([encode("")[:1], np.tile(rows, (patches // len(rows) + 1, 1))])[:patches]


def real_lengths() -> np.ndarray:
    """How many characters the patches of real tunes have, their EOS included."""
    rows = np.concatenate([encode(tune)[1:-1] for tune in tunes(40)])
    ends = (rows == EOS).argmax(1)
    return np.where((rows == EOS).any(1), ends + 1, PATCH_SIZE)


def draw_patches(engine: Engine, slots: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """One greedy patch in each slot, of `steps` characters [N]; then the engine reads it."""
    patch = np.zeros((len(slots), PATCH_SIZE), np.uint8)
    rows = np.arange(len(slots))
    logits = engine.begin(slots)
    for place in range(PATCH_SIZE):
        everything = np.full(logits.shape, FREELY, np.uint8)
        codes = draw(logits, everything, np.zeros(len(rows)), GREEDY)
        patch[rows, place] = codes
        going = steps[rows] > place + 1
        if not going.any():
            break
        rows, codes = rows[going], codes[going]
        logits = engine.step(slots[rows], codes)
    engine.advance(slots, patch)
    return patch


def characters(rows: np.ndarray) -> list[int]:
    """Those of patches [S, 16], EOS included, without padding."""
    return [code for row in rows.tolist() for code in row if code]


class Follow:
    """A guide under which nothing but these characters come."""

    def __init__(self, codes: list[int]) -> None:
        self._codes, self._next = codes, 0

    def limit(self, place: int) -> int:
        self._next += 1
        return self._codes[self._next - 1]

    def take(self, code: int) -> None: ...


def drafting(engine: Verifying, rows: np.ndarray) -> Drafter:
    """One that has seen patches [S, 16] and nothing else."""
    engine.grams = NGrams()
    drafter = Drafter(engine.grams)
    for code in characters(rows):
        drafter.take(code)
    return drafter


def cpu(function: Callable[[], object]) -> float:
    begun = time.process_time()
    function()
    return time.process_time() - begun


class NoEnd:
    """A guide under which a piece is never closed."""

    mask = bytes(NEVER if code == BOS else FREELY for code in range(128))

    def limit(self, place: int) -> bytes:
        return self.mask

    def take(self, code: int) -> None: ...
