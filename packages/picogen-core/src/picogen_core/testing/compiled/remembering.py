"""The properties of the compiled step of a head that remembers.

Glossary: S patches of a piece, P = 16 characters of a patch, V = 128 character codes, D width.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from picogen_core.abc.patches import EOS, PAD, PATCH_SIZE, VOCABULARY
from picogen_core.compiled.weights import Floats
from picogen_core.plugins.protocols import BEGINNING, CompiledRememberingHead, VerifyingHead
from picogen_core.testing.compiled.kit import (
    arrays_of,
    assert_bits,
    assert_rows,
    compiled,
    compiled_check,
    rows_of,
    tensor_of,
)
from picogen_core.testing.kit import Check, NotApplicable
from picogen_core.testing.modules import assert_same, seeded
from picogen_core.testing.written_pieces import Pieces, make_pieces, narrowed

LENGTHS = (8, 8, 8)


def _remembering_check(check: Check) -> Check:
    """Decorator of a check: not applicable if the spec lacks `remembers` or a compiled step."""

    @functools.wraps(check)
    def run(subject: Any) -> None:
        if not subject.entry.spec.remembers:
            raise NotApplicable("it forgets earlier patches")
        compiled_check(check)(subject)

    return run


def _steps(subject: Any, slots: int) -> Iterator[tuple[str, Any, Any]]:
    """Yield a module and its compiled step, also with a window shorter than a piece."""
    for which, one in (("", subject), (", short window", narrowed(subject))):
        if one is not None:
            module = one.awake()
            step = compiled(one, arrays_of(module))
            assert isinstance(step, CompiledRememberingHead), (
                "the spec has `remembers`, but the step lacks clear, copy, read or close"
            )
            step.allocate(slots)
            yield which, module, step


class Writer:
    """Writes pieces into slots of a compiled step, each with its own patches."""

    def __init__(self, step: Any, pieces: Pieces) -> None:
        self._step = step
        self._hidden = rows_of(pieces.hidden)
        self._patches = pieces.patches.numpy().astype(np.uint8)

    def write(self, pieces: Sequence[int], slots: Sequence[int], t: int) -> Floats:
        """Write patch t of some pieces, each into its slot; return logits [N, P, V] or 0."""
        numbers, rows = np.array(slots, np.int64), np.array(pieces)
        patch = self._patches[rows, t]
        lengths = (patch != PAD).sum(1)
        found = np.zeros((len(rows), PATCH_SIZE, VOCABULARY), np.float32)
        going = np.arange(len(rows))
        logits = self._step.begin(self._hidden[rows, t], numbers)
        for j in range(PATCH_SIZE):
            found[going, j] = assert_rows(logits, len(going), VOCABULARY)
            kept = lengths[going] > j + 1
            going = going[kept]
            if not len(going):
                break
            logits = self._step.step(patch[going, j].astype(np.int64), numbers[going])
        self._step.close(patch, numbers)
        return found

    def read(self, piece: int, slot: int, count: int, first: int = 0) -> None:
        """Read `count` patches of a piece into its slot."""
        end = first + count
        self._step.read(self._hidden[piece, first:end], self._patches[piece, first:end], slot)


def _whole(writer: Writer, piece: int, slot: int) -> Floats:
    """Return the logits [S, P, V] of a piece alone."""
    return np.concatenate([writer.write([piece], [slot], t) for t in range(LENGTHS[piece])])


@_remembering_check
def compiled_pieces_equal_torch(subject: Any) -> None:
    """Pieces written side by side in different slots have torch's logits, past the window too."""
    for which, module, step in _steps(subject, 4):
        pieces = make_pieces(subject, seed=1, lengths=LENGTHS)
        expected = seeded(pieces.call, module)
        writer = Writer(step, pieces)
        for t in range(LENGTHS[0]):
            logits = tensor_of(writer.write([0, 1, 2], [3, 0, 1], t))
            for j in range(PATCH_SIZE):
                what = f"the logits of place {j} of patch {t}{which}"
                assert_same(logits[:, j], expected[:, t, j], what)


@_remembering_check
def compiled_pieces_keep_their_bits(subject: Any) -> None:
    """A piece has the same bits alone and beside others that begin and end at other patches."""
    for which, _, step in _steps(subject, 3):
        writer = Writer(step, make_pieces(subject, seed=1, lengths=LENGTHS))
        alone = []
        for piece in range(3):
            step.clear(0)
            alone.append(_whole(writer, piece, 0))
        for slot in range(3):
            step.clear(slot)
        slots, at = [2, 0, 1], np.array([0, 0, 0])
        while (at < LENGTHS[0]).any():
            t = at[at < LENGTHS[0]].min()
            some = [piece for piece in range(3) if at[piece] == t and (piece != 1 or t % 2 == 0)]
            some = some or [piece for piece in range(3) if at[piece] == t]
            logits = writer.write(some, [slots[piece] for piece in some], int(t))
            for i, piece in enumerate(some):
                what = f"patch {t} of piece {piece} beside others and alone{which}"
                assert_bits(logits[i], alone[piece][t], what)
            at[some] += 1


@_remembering_check
def compiled_reading_equals_writing(subject: Any) -> None:
    """Reading a prompt, at once or in parts, leaves the same bits as writing it."""
    for which, _, step in _steps(subject, 2):
        writer = Writer(step, make_pieces(subject, seed=1, lengths=LENGTHS))
        step.clear(0)
        expected = _whole(writer, 0, 0)
        for parts in ((5,), (2, 3), (1, 1, 3)):
            step.clear(1)
            first = 0
            for count in parts:
                writer.read(0, 1, count, first)
                first += count
            for t in range(first, LENGTHS[0]):
                what = f"patch {t} behind a prompt read in parts of {parts} patches{which}"
                assert_bits(writer.write([0], [1], t)[0], expected[t], what)


@_remembering_check
def compiled_memories_can_be_copied_and_cleared(subject: Any) -> None:
    """A copy continues like its source, without effects on it. A cleared slot is empty, also after
    NaN. An abandoned patch leaves no trace."""
    for which, _, step in _steps(subject, 3):
        pieces = make_pieces(subject, seed=1, lengths=LENGTHS)
        writer = Writer(step, pieces)
        step.clear(0)
        expected = _whole(writer, 0, 0)
        spoilt = np.full((1, subject.d_model), np.nan, np.float32)
        patch = np.full((1, PATCH_SIZE), PAD, np.uint8)
        patch[0, :2] = ord("C"), EOS
        step.begin(spoilt, np.array([2]))
        step.step(np.array([ord("C")]), np.array([2]))
        step.close(patch, np.array([2]))
        step.clear(2)
        writer.read(0, 2, 4)
        step.copy(2, 1)
        writer.write([1], [1], 4)  # the copy goes another way
        step.begin(rows_of(pieces.hidden[1, 5:6]), np.array([2]))  # given up
        step.step(np.array([ord("G")]), np.array([2]))
        step.copy(2, 0)
        for slot in (2, 0):
            for t in range(4, LENGTHS[0]):
                what = f"patch {t} of slot {slot} after clearing and copying{which}"
                assert_bits(writer.write([0], [slot], t)[0], expected[t], what)


@_remembering_check
def compiled_draft_tokens_are_not_remembered(subject: Any) -> None:
    """A `VerifyingHead` that drops wrong draft tokens remembers only the written characters."""
    for which, _, step in _steps(subject, 2):
        if not _verifies(step):
            return
        pieces = make_pieces(subject, seed=1, lengths=LENGTHS)
        writer = Writer(step, pieces)
        step.clear(0)
        expected = _whole(writer, 0, 0)
        step.clear(1)
        hidden, patches = rows_of(pieces.hidden)[0], pieces.patches.numpy()[0]
        rng, slot = np.random.default_rng(3), np.array([1])
        for t in range(LENGTHS[0]):
            length = int((patches[t] != PAD).sum())
            known, codes = 0, np.concatenate([[BEGINNING], patches[t, : length - 1]])
            while known < length:
                right = int(rng.integers(1, min(4, length - known) + 1))
                wrong = rng.integers(32, 127, size=rng.integers(0, PATCH_SIZE - known - right + 1))
                chars = np.concatenate([codes[known : known + right], wrong]).astype(np.int64)
                given = hidden[t : t + 1] if not known else None
                logits = step.extend(given, chars, np.repeat(slot, len(chars)))[:right]
                what = f"patch {t} with draft tokens and without{which}"
                assert_bits(logits, expected[t, known : known + right], what)
                step.roll_back(slot, np.array([len(wrong)]))
                known += right
            step.close(patches[t : t + 1].astype(np.uint8), slot)


def _verifies(step: Any) -> bool:
    return isinstance(step, VerifyingHead)


COMPILED_REMEMBERING_CHECKS: Sequence[Check] = (
    compiled_pieces_equal_torch,
    compiled_pieces_keep_their_bits,
    compiled_reading_equals_writing,
    compiled_memories_can_be_copied_and_cleared,
    compiled_draft_tokens_are_not_remembered,
)
