"""The properties of a backbone's compiled step.

Glossary: N rows of a call, T patches of a piece, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from picogen_core.compiled.weights import Floats
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
from picogen_core.testing.kit import Check
from picogen_core.testing.modules import ModuleSubject, assert_same

LENGTHS = (40, 1, 16, 33)
AFTER = 4  # patches stepped after a prompt
ROOM = max(LENGTHS) + AFTER
SLOTS = 5

Slots = NDArray[np.int64]


def _extend(step: Any, x: Floats, slots: Sequence[int] | Slots) -> Floats:
    return assert_rows(step.extend(x, np.array(slots, np.int64)), *x.shape)


def _opened(subject: ModuleSubject, slots: int, module: Any = None) -> tuple[Any, Any]:
    """Return the module and its compiled step, with `ROOM` patches per slot."""
    module = module or subject.awake()
    step = compiled(subject, arrays_of(module))
    step.allocate(slots, ROOM)
    return module, step


def _pieces(subject: ModuleSubject, count: int, patches: int, seed: int = 1) -> Tensor:
    return subject.noise(count, patches, subject.d_model, seed=seed)


@compiled_check
def compiled_equals_torch(subject: ModuleSubject) -> None:
    """Prompts read at once and patches read one by one give torch's outputs, at two widths."""
    for one in widths(subject):
        module, step = _opened(one, len(LENGTHS))
        pieces = _pieces(one, len(LENGTHS), ROOM)
        with torch.no_grad():
            expected = module(pieces)
        x, at = rows_of(pieces), f"at width {one.d_model}"
        for slot, length in enumerate(LENGTHS):
            outputs = _extend(step, x[slot, :length], [slot] * length)
            wanted = expected[slot, :length]
            assert_same(tensor_of(outputs), wanted, f"a prompt of {length} patches {at}")
            for t in range(length, length + AFTER):
                output = _extend(step, x[slot, t : t + 1], [slot])[0]
                what = f"step {t - length + 1} after a prompt of {length} patches {at}"
                assert_same(tensor_of(output), expected[slot, t], what)
        step.allocate(1, ROOM)
        for t in range(ROOM):
            output = _extend(step, x[0, t : t + 1], [0])[0]
            assert_same(tensor_of(output), expected[0, t], f"step {t} from an empty state {at}")


@compiled_check
def compiled_stays_finite(subject: ModuleSubject) -> None:
    """With weights and inputs that overflow exponentials, outputs are finite where torch's are."""
    module, step = _opened(subject, 1, loud(subject.awake()))
    pieces = LOUD * _pieces(subject, 1, 33)
    with torch.no_grad():
        finite = module(pieces)[0].isfinite()
    outputs = _extend(step, rows_of(pieces)[0], [0] * 33)
    assert np.isfinite(outputs[finite]).all(), "torch's numbers are finite and its are not"


class _Book:
    """Record of every slot's inputs and outputs, to compare with torch."""

    def __init__(self, subject: ModuleSubject) -> None:
        self.module, self.step = _opened(subject, SLOTS)
        self._noise = iter(rows_of(_pieces(subject, 1, 400)[0]))
        self._rng = np.random.default_rng(0)
        self._pages: list[tuple[list[Floats], list[Floats]]] = [([], []) for _ in range(SLOTS)]

    def go_on(self, what: str) -> None:
        """Make a few calls with one to three rows per slot, in any order; compare with torch."""
        for _ in range(3):
            counts = self._rng.integers(1, 4, SLOTS)
            self.read(self._rng.permutation(np.repeat(np.arange(SLOTS), counts)))
        self.compare(what)

    def read(self, slots: Slots, spoilt: int = -1) -> Floats:
        """Make one call. The rows of a spoilt slot are NaN."""
        x = np.stack([next(self._noise) for _ in slots])
        x[slots == spoilt] = np.nan
        outputs = _extend(self.step, x, slots)
        for slot, row, output in zip(slots, x, outputs, strict=True):
            read, came = self._pages[slot]
            read.append(row)
            came.append(output.copy())
        return outputs

    def clear(self, slot: int) -> None:
        self.step.clear(slot)
        self._pages[slot] = [], []

    def copy(self, source: int, target: int) -> None:
        self.step.copy(source, target)
        read, came = self._pages[source]
        self._pages[target] = [*read], [*came]

    def compare(self, what: str) -> None:
        for slot, (read, came) in enumerate(self._pages):
            if read and np.isfinite(read[-1]).all():
                with torch.no_grad():
                    expected = self.module(tensor_of(np.stack(read))[None])[0]
                assert_same(tensor_of(np.stack(came)), expected, f"slot {slot} {what}")


@compiled_check
def compiled_slots_are_apart(subject: ModuleSubject) -> None:
    """Slots do not affect each other: in shared calls in any order, after clearing, after copying.

    NaN stays in its slot, is not hidden, and is gone with the piece.
    """
    book = _Book(subject)
    book.go_on("among others")
    for slot in (3, 1):
        book.clear(slot)
    book.go_on("after others, or itself, were cleared")
    book.copy(0, 3)  # onto a shorter piece
    book.copy(1, 4)  # onto a longer one
    book.go_on("after others, or itself, were copied")
    book.clear(2)
    slots = np.array([1, 2, 0, 2, 4])
    outputs = book.read(slots, spoilt=2)
    assert np.isnan(outputs[slots == 2]).any(), "NaN went in and numbers came out"
    book.compare("beside a slot that reads NaN")
    book.clear(2)
    book.copy(1, 3)
    book.go_on("after a slot that had read NaN was cleared")


def _alone(step: Any, x: Floats) -> Floats:
    """Return outputs [K, T, D] of each piece alone, one patch at a time, in a single slot."""
    step.allocate(1, x.shape[1])
    outputs = np.empty_like(x)
    for piece, output in zip(x, outputs, strict=True):
        step.clear(0)
        for t in range(len(piece)):
            output[t] = _extend(step, piece[t : t + 1], [0])[0]
    return outputs


@compiled_check
def compiled_rows_keep_their_bits(subject: ModuleSubject) -> None:
    """A row has the same bits alone, in batches of 16 and fewer, and in a prompt read at once."""
    _, step = _opened(subject, 1)
    x, rng = rows_of(_pieces(subject, BATCH, 18)), np.random.default_rng(0)
    expected = _alone(step, x)
    step.allocate(BATCH, x.shape[1])
    going = list(range(BATCH))
    for t in range(x.shape[1]):
        slots = rng.permutation(going)
        outputs = _extend(step, x[slots, t], slots)
        assert_bits(outputs, expected[slots, t], f"patch {t} in a batch of {len(going)} and alone")
        going = going[: max(1, len(going) - t % 2)]
    for slot in (0, BATCH - 1):
        step.clear(slot)
        prompt = _extend(step, x[slot], [slot] * x.shape[1])
        assert_bits(prompt, expected[slot], "a prompt read at once and patch by patch")


@compiled_check
def compiled_starts_empty(subject: ModuleSubject) -> None:
    """`allocate` gives empty states each time, for more slots too. A second step from the same
    tensors has its own states."""
    module, step = _opened(subject, 2)
    other = compiled(subject, arrays_of(module))
    other.allocate(2, ROOM)
    x = rows_of(_pieces(subject, 3, 3))
    first = [_extend(step, x[:2, t], [0, 1]) for t in range(3)]
    for t in range(3):
        beside = _extend(other, x[:2, t], [0, 1])
        assert_bits(beside, first[t], f"patch {t} of another from the same tensors")
    step.allocate(3, ROOM)
    for t in range(3):
        again = _extend(step, x[[2, 0, 1], t], [2, 0, 1])
        assert_bits(again[1:], first[t], f"patch {t} after allocating again")


@compiled_check
def compiled_leaves_arrays_alone(subject: ModuleSubject) -> None:
    """It changes neither weights nor arguments, nor later its returned arrays."""
    arrays = arrays_of(subject.awake())
    before = {name: array.copy() for name, array in arrays.items()}
    step = compiled(subject, arrays)
    step.allocate(2, ROOM)
    x, slots = rows_of(_pieces(subject, 2, 4)), np.array([1, 0], np.int64)
    results: list[tuple[Floats, Floats]] = []
    for t in range(4):
        given = x[:, t].copy()
        result = step.extend(given, slots)
        assert_bits(given, x[:, t], "it changes the rows that it is given")
        results.append((result, result.copy()))
    assert np.array_equal(slots, [1, 0]), "it changes the slots that it is given"
    for result, as_returned in results:
        assert_bits(result, as_returned, "a later call changes what an earlier one returned")
    for name, array in arrays.items():
        assert_bits(array, before[name], f"it changes the weight {name}")


COMPILED_CHECKS: Sequence[Check] = (
    compiled_equals_torch,
    compiled_stays_finite,
    compiled_slots_are_apart,
    compiled_rows_keep_their_bits,
    compiled_starts_empty,
    compiled_leaves_arrays_alone,
    compiled_checks_its_weights,
    compiled_loads_no_torch,
)
