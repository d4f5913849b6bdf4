"""The properties of a head's compiled step.

Glossary: N rows of a call, P = 16 characters of a patch, V = 128 character codes, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from picogen_core.abc.patches import PAD, PATCH_SIZE, VOCABULARY
from picogen_core.compiled.weights import Floats
from picogen_core.plugins.protocols import BEGINNING, VerifyingHead
from picogen_core.testing.compiled.kit import (
    BATCH,
    LOUD,
    arrays_of,
    assert_bits,
    assert_rows,
    compiled,
    compiled_check,
    compiled_checks_its_weights,
    compiled_loads_no_torch,
    loud,
    rows_of,
    tensor_of,
    widths,
)
from picogen_core.testing.compiled.remembering import COMPILED_REMEMBERING_CHECKS
from picogen_core.testing.kit import Check, NotApplicable
from picogen_core.testing.modules import ModuleSubject, assert_same

SLOTS = 7
CALLS = 60

Codes = NDArray[np.int64]


def _begin(step: Any, hidden: Floats, slots: Sequence[int] | Codes) -> Floats:
    logits = step.begin(hidden, np.array(slots, np.int64))
    return assert_rows(logits, len(hidden), VOCABULARY)


def _step(step: Any, chars: Codes, slots: Sequence[int] | Codes) -> Floats:
    logits = step.step(np.ascontiguousarray(chars), np.array(slots, np.int64))
    return assert_rows(logits, len(chars), VOCABULARY)


def _patches(subject: ModuleSubject, count: int) -> tuple[Floats, Codes]:
    """Return hidden states [N, D] and patches [N, P]."""
    hidden = subject.noise(count, subject.d_model, seed=1)
    codes = np.random.default_rng(0).integers(PAD + 1, VOCABULARY, size=(count, PATCH_SIZE))
    return rows_of(hidden), codes


def _opened(subject: ModuleSubject, slots: int, module: Any = None) -> tuple[Any, Any]:
    """Return the module and its compiled step."""
    module = module or subject.awake()
    step = compiled(subject, arrays_of(module))
    step.allocate(slots)
    return module, step


def _whole(step: Any, hidden: Floats, patch: Codes, slots: Sequence[int] | Codes) -> Floats:
    """Return logits [N, P, V] of `begin` and one step per character."""
    logits = [_begin(step, hidden, slots).copy()]
    for j in range(PATCH_SIZE - 1):
        logits.append(_step(step, patch[:, j], slots).copy())
    return np.stack(logits, 1)


@compiled_check
def compiled_equals_torch(subject: Any) -> None:
    """`begin` and one step per character give torch's logits at all 16 places, at two widths."""
    for one in widths(subject):
        module, step = _opened(one, SLOTS)
        hidden, patch = _patches(one, 6)
        with torch.no_grad():
            expected = one.call(module, tensor_of(hidden), torch.from_numpy(patch))
        stepped = tensor_of(_whole(step, hidden, patch, [6, 0, 3, 5, 1, 2]))
        for j in range(PATCH_SIZE):
            what = f"the logits of position {j} at width {one.d_model}"
            assert_same(stepped[:, j], expected[:, j], what)


@compiled_check
def compiled_stays_finite(subject: Any) -> None:
    """With weights and inputs that overflow exponentials, logits are finite where torch's are."""
    module, step = _opened(subject, 1, loud(subject.awake()))
    hidden, patch = _patches(subject, 1)
    hidden *= LOUD
    with torch.no_grad():
        finite = subject.call(module, tensor_of(hidden), torch.from_numpy(patch)).isfinite()
    logits = _whole(step, hidden, patch, [0])
    assert np.isfinite(logits[finite]).all(), "torch's numbers are finite and its are not"


class _Book:
    """Record of every slot's patch and logits, to compare with torch."""

    def __init__(self, subject: Any) -> None:
        self._subject = subject
        self.module, self.step = _opened(subject, SLOTS)
        self._hidden, self._patch = _patches(subject, CALLS)
        self._row = np.full(SLOTS, -1)  # of hidden states and patches; −1: no patch yet
        self._place = np.zeros(SLOTS, np.int64)
        self._begun = 0

    def begin(self, slots: Codes) -> None:
        self._row[slots] = self._begun + np.arange(len(slots))
        self._begun += len(slots)
        self._place[slots] = 0
        logits = _begin(self.step, self._hidden[self._row[slots]], slots)
        self._compare(slots, logits, "begun")

    def go_on(self, slots: Codes) -> None:
        chars = self._patch[self._row[slots], self._place[slots]]
        self._place[slots] += 1
        self._compare(slots, _step(self.step, chars, slots), "stepped")

    def spoil(self, slot: int) -> None:
        """Begin a patch from NaN; the slot has no patch afterwards."""
        spoilt = np.full((1, self._hidden.shape[1]), np.nan, np.float32)
        slots = np.array([slot])
        for logits in (_begin(self.step, spoilt, slots), _step(self.step, slots, slots)):
            assert np.isnan(logits).any(), "NaN went in and numbers came out"
        self._row[slot] = -1

    def ready(self) -> Codes:
        """Return the slots in the middle of a patch."""
        return np.flatnonzero((self._row >= 0) & (self._place < PATCH_SIZE - 1))

    def _compare(self, slots: Codes, logits: Floats, done: str) -> None:
        rows, places = self._row[slots], self._place[slots]
        with torch.no_grad():
            hidden, patch = tensor_of(self._hidden[rows]), torch.from_numpy(self._patch[rows])
            expected = self._subject.call(self.module, hidden, patch)
        for i, slot in enumerate(slots):
            what = f"slot {slot}, {done} among others, at position {places[i]}"
            assert_same(tensor_of(logits[i]), expected[i, places[i]], what)


@compiled_check
def compiled_slots_are_apart(subject: ModuleSubject) -> None:
    """Slots do not affect each other: in shared calls at different characters, after early stops.

    NaN stays in its slot, is not hidden, and is gone with the next patch.
    """
    book, rng = _Book(subject), np.random.default_rng(1)
    book.begin(rng.permutation(SLOTS))
    for call in range(CALLS):
        if call in (10, 30):
            book.spoil(call % SLOTS)
        ready = book.ready()
        idle = np.setdiff1d(np.arange(SLOTS), ready)
        some = rng.permutation(ready)[: rng.integers(1, SLOTS + 1)]
        if len(idle) and call % 3 == 0:
            book.begin(rng.permutation(idle))
        elif len(ready) and call % 11 == 10:
            book.begin(some[:2])
        elif len(ready):
            book.go_on(some)


@compiled_check
def compiled_rows_keep_their_bits(subject: ModuleSubject) -> None:
    """A row has the same bits alone and in batches of 16 and fewer."""
    _, step = _opened(subject, 1)
    hidden, patch = _patches(subject, BATCH)
    alone = [_whole(step, hidden[[i]], patch[[i]], [0]) for i in range(BATCH)]
    expected = np.concatenate(alone)
    step.allocate(BATCH)
    rng = np.random.default_rng(0)
    slots = rng.permutation(BATCH)
    logits = _begin(step, hidden[slots], slots)
    for j in range(PATCH_SIZE):
        what = f"position {j} in a batch of {len(slots)} and alone"
        assert_bits(logits, expected[slots, j], what)
        if j + 1 < PATCH_SIZE:
            slots = rng.permutation(slots)[: BATCH - j]
            logits = _step(step, patch[slots, j], slots)


@compiled_check
def compiled_draft_tokens_leave_no_trace(subject: ModuleSubject) -> None:
    """A `VerifyingHead` reads characters and draft tokens of several slots in one call and drops
    the wrong ones; every row has the bits of `begin` and `step`."""
    module, step = _opened(subject, 3)
    if not isinstance(step, VerifyingHead):
        raise NotApplicable("it has no verify, so it drafts nothing")
    hidden, patch = _patches(subject, 3)
    plain = compiled(subject, arrays_of(module))
    plain.allocate(3)
    expected = _whole(plain, hidden, patch, range(3))
    slots, rng = [2, 0, 1], np.random.default_rng(2)
    known = np.zeros(3, np.int64)  # rows that each slot has read
    while (known < PATCH_SIZE).any():
        going = [slot for slot in slots if known[slot] < PATCH_SIZE]
        rows, right = [], []
        for slot in going:
            left = PATCH_SIZE - known[slot]
            right.append(rng.integers(1, min(left, 5) + 1))
            drafted = rng.integers(VOCABULARY, size=rng.integers(0, left - right[-1] + 1))
            codes = [BEGINNING, *patch[slot]][known[slot] : known[slot] + right[-1]]
            rows.append(np.array([*codes, *drafted], np.int64))
        counts = [len(one) for one in rows]
        chars = np.concatenate(rows)
        begun = hidden[[slot for slot in going if not known[slot]]]
        numbers = np.repeat(np.array(going), counts)
        logits = step.extend(begun if len(begun) else None, chars, numbers)
        assert_rows(logits, len(chars), VOCABULARY)
        for slot, count, block in zip(going, right, _parts(logits, counts), strict=True):
            first, known[slot] = known[slot], known[slot] + count
            what = f"positions {first} … {known[slot] - 1}, read with draft tokens and without"
            assert_bits(block[:count], expected[slot, first : known[slot]], what)
        step.roll_back(np.array(going), np.array(counts) - right)


def _parts(logits: Floats, counts: Sequence[int]) -> list[Floats]:
    return np.split(logits, np.cumsum(counts)[:-1])


@compiled_check
def compiled_starts_empty(subject: ModuleSubject) -> None:
    """`allocate` gives empty slots each time, also more of them. A second step from the same
    tensors has its own slots."""
    module, step = _opened(subject, 2)
    other = compiled(subject, arrays_of(module))
    other.allocate(2)
    hidden, patch = _patches(subject, 3)
    expected = _whole(step, hidden[:2], patch[:2], [0, 1])
    _begin(step, hidden[:2], [0, 1])
    _begin(other, hidden[1:], [0, 1])
    beside = _step(step, patch[:2, 0], [0, 1])
    assert_bits(beside, expected[:, 1], "position 1 beside another from the same tensors")
    step.allocate(3)
    again = _whole(step, hidden, patch, [2, 0, 1])
    assert_bits(again[:2], expected, "a patch after allocating again")


@compiled_check
def compiled_leaves_arrays_alone(subject: ModuleSubject) -> None:
    """It changes neither weights nor arguments, nor afterwards what it returned."""
    arrays = arrays_of(subject.awake())
    before = {name: array.copy() for name, array in arrays.items()}
    step = compiled(subject, arrays)
    step.allocate(2)
    hidden, patch = _patches(subject, 2)
    given, slots = hidden.copy(), np.array([1, 0])
    results = [step.begin(given, slots)]
    as_returned = [results[0].copy()]
    for j in range(3):
        chars = patch[:, j].copy()
        results.append(step.step(chars, slots))
        as_returned.append(results[-1].copy())
        assert np.array_equal(chars, patch[:, j]), "it changes the characters that it is given"
    assert_bits(given, hidden, "it changes the hidden states that it is given")
    assert np.array_equal(slots, [1, 0]), "it changes the slots that it is given"
    for result, returned in zip(results, as_returned, strict=True):
        assert_bits(result, returned, "a later call changes what an earlier one returned")
    for name, array in arrays.items():
        assert_bits(array, before[name], f"it changes the weight {name}")


COMPILED_CHECKS: Sequence[Check] = (
    compiled_equals_torch,
    compiled_stays_finite,
    compiled_slots_are_apart,
    compiled_rows_keep_their_bits,
    compiled_draft_tokens_leave_no_trace,
    compiled_starts_empty,
    compiled_leaves_arrays_alone,
    compiled_checks_its_weights,
    compiled_loads_no_torch,
    *COMPILED_REMEMBERING_CHECKS,
)
