"""The kit passes the compiled `char-memory`; each check fails one that is wrong in that way."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from picogen_core.compiled.memory import COUNT, INDEX, PLACE, WINDOW, CharMemory
from picogen_core.model.heads.options import char_memory_sizes
from picogen_core.plugins.registry import registry
from picogen_core.testing.compiled.remembering import COMPILED_REMEMBERING_CHECKS
from picogen_core.testing.heads import HeadSubject

torch.set_num_threads(1)
D = 24
OPTIONS = {"width": 20, "channels": 8, "heads": 2, "layers": 2}


class SeesAllThatIsKept(CharMemory):
    """It has no window."""

    def __init__(self, *args):
        super().__init__(*args)
        sizes = list(self._sizes)
        sizes[WINDOW] = 10_000
        self._sizes = tuple(sizes)


class CloseForgetsTheEnd(CharMemory):
    def close(self, patches, slots):
        before = self._slot[slots, COUNT].copy()
        super().close(patches, slots)
        self._slot[slots, COUNT] -= self._slot[slots, COUNT] > before


class CloseClosesOne(CharMemory):
    def close(self, patches, slots):
        super().close(patches[:1], slots[:1])


class BatchesDiffer(CharMemory):
    def begin(self, hidden, slots):
        return super().begin(hidden * np.float32(1 + 1e-6 * (len(slots) > 1)), slots)


class ReadForgetsTheLast(CharMemory):
    def read(self, hidden, patches, slot):
        super().read(hidden[:-1], patches[:-1], slot)


class ReadBeginsAnew(CharMemory):
    def read(self, hidden, patches, slot):
        self.clear(slot)
        super().read(hidden, patches, slot)


class CopyShares(CharMemory):
    """Keys and values of the copy are those of slot 0."""

    def copy(self, source, target):
        self._slot[target] = self._slot[source]


class ClearsThePatchAlone(CharMemory):
    def clear(self, slot):
        self._slot[slot, PLACE] = 0


class CountsWhatWasGivenUp(CharMemory):
    def begin(self, hidden, slots):
        self._slot[slots, INDEX] += 1
        return super().begin(hidden, slots)


class KeepsGuesses(CharMemory):
    def roll_back(self, slots, counts):
        self._slot[slots, COUNT] += counts > 0
        super().roll_back(slots, counts)


class ForgetsOneTooFew(CharMemory):
    def roll_back(self, slots, counts):
        self._slot[slots, PLACE] -= np.maximum(counts - 1, 0)


class CannotCopy:
    """No `copy` at all."""

    def __init__(self, *args):
        self._head = CharMemory(*args)
        self.allocate, self.begin, self.step = (
            self._head.allocate, self._head.begin, self._head.step
        )  # fmt: skip


def subject(head):
    entry = registry().get("head", "char-memory")

    def make(options, d_model, weights):
        width, channels, heads, mlp = char_memory_sizes(d_model, options)
        return head(d_model, width, options.layers, channels, heads, mlp, options.window, weights)

    entry = replace(entry, spec=replace(entry.spec, compiled_step=make))
    return HeadSubject(entry, OPTIONS, D, "cpu")


WRONG = [
    ("compiled_pieces_equal_torch", CannotCopy, "lacks clear, copy, read or close"),
    ("compiled_pieces_equal_torch", SeesAllThatIsKept, "of patch [2-7], short window"),
    ("compiled_pieces_equal_torch", CloseForgetsTheEnd, "place 0 of patch 1"),
    ("compiled_pieces_equal_torch", CloseClosesOne, "place 0 of patch 1"),
    ("compiled_pieces_keep_their_bits", BatchesDiffer, "beside others and alone"),
    ("compiled_reading_equals_writing", ReadForgetsTheLast, "read in parts of"),
    ("compiled_reading_equals_writing", ReadBeginsAnew, r"read in parts of \(2, 3\)"),
    ("compiled_memories_can_be_copied_and_cleared", CopyShares, "after clearing and copying"),
    ("compiled_memories_can_be_copied_and_cleared", ClearsThePatchAlone, "after clearing"),
    ("compiled_memories_can_be_copied_and_cleared", CountsWhatWasGivenUp, "after clearing"),
    ("compiled_draft_tokens_are_not_remembered", KeepsGuesses, "with draft tokens and without"),
    ("compiled_draft_tokens_are_not_remembered", ForgetsOneTooFew, "with draft tokens and without"),
]


@pytest.mark.parametrize("check", COMPILED_REMEMBERING_CHECKS, ids=lambda check: check.__name__)
def test_right(check):
    check(subject(CharMemory))


@pytest.mark.parametrize(("name", "wrong", "reason"), WRONG)
def test_wrong(name, wrong, reason):
    check = next(check for check in COMPILED_REMEMBERING_CHECKS if check.__name__ == name)
    with pytest.raises(AssertionError, match=reason):
        check(subject(wrong))


def test_every_check_is_proven():
    proven = {name for name, _, _ in WRONG}
    assert proven == {check.__name__ for check in COMPILED_REMEMBERING_CHECKS}
