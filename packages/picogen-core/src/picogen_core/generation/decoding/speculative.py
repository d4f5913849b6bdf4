"""Patches from an engine that verifies draft tokens: equal to `decode.draw_plain`, in fewer calls.

R rows of a call  P = 16 characters per patch  V = 128 codes
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.patches import PATCH_SIZE
from picogen_core.generation.decoding.piece import ANYTHING, CODEC, PieceWriter
from picogen_core.generation.decoding.sampling import draw, nll
from picogen_core.generation.engines import Verifying
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.plugins.protocols import BEGINNING


def draw_speculatively(
    engine: Verifying,
    slots: list[int],
    pieces: list[PieceWriter],
    sampling: SamplingOptions,
    likelihood: bool,
) -> None:
    """Draw one patch for every piece.

    A row of a call is `BEGINNING`, a drawn character, or a guess at the next one. Logits behind a
    wrong guess are ignored.
    """
    drawing = {
        slot: _Drawing(piece, sampling, likelihood)
        for slot, piece in zip(slots, pieces, strict=True)
    }
    while drawing:
        drafts = engine.draft_tokens // len(drawing)
        blocks = [one.next_rows(drafts) for one in drawing.values()]
        numbers = np.repeat(np.array(list(drawing), np.int64), [len(block) for block in blocks])
        logits = engine.verify(numbers, np.concatenate(blocks))
        ends = list(accumulate(len(block) for block in blocks))
        wrong = {}
        for slot, block, end in zip(list(drawing), blocks, ends, strict=True):
            used = drawing[slot].follow(block, logits[end - len(block) : end])
            if used is None:
                del drawing[slot]
            elif used < len(block):
                wrong[slot] = len(block) - used
        if wrong:
            engine.roll_back(np.array(list(wrong)), np.array(list(wrong.values())))


class _Drawing:
    """An unfinished patch. `known` is the newest character, which the engine has not read."""

    def __init__(self, piece: PieceWriter, sampling: SamplingOptions, likelihood: bool) -> None:
        self._piece, self._sampling, self._likelihood = piece, sampling, likelihood
        self._uniforms, self._place, self._known = piece.uniforms(), 0, BEGINNING
        self._codec = CODEC if sampling.mask else ANYTHING

    def next_rows(self, drafts: int) -> NDArray[np.int64]:
        """Return the known character and draft tokens; the patch's last character is not read."""
        drafted = self._piece.draft_tokens(min(drafts, PATCH_SIZE - 1 - self._place))
        return np.array([self._known, *drafted], np.int64)

    def follow(self, block: NDArray[np.int64], logits: NDArray[np.float32]) -> int | None:
        """Draw from logits [R, V] as long as the draft tokens are right.

        Return the number of used rows, or None if the patch has ended.
        """
        for used in range(1, len(block) + 1):
            if self._put(logits[used - 1 : used]):
                return None
            if used == len(block) or self._known != block[used]:
                return used
        raise AssertionError("a call has a row for every piece")

    def _put(self, logits: NDArray[np.float32]) -> bool:
        allowed = self._codec[self._place : self._place + 1].copy()
        self._piece.limit(allowed[0])
        uniform = self._uniforms[self._place : self._place + 1]
        codes = draw(logits, allowed, uniform, self._sampling)
        if self._likelihood:
            self._piece.nll = (self._piece.nll or 0.0) + float(nll(logits, codes)[0])
        self._place, self._known = self._place + 1, int(codes[0])
        return self._piece.put(self._known)
