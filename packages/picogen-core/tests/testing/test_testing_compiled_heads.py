"""The kit passes a right compiled head, and each check fails one that is wrong in that way."""

import numpy as np
import pytest
import torch
from picogen_core import HeadSpec, Options
from picogen_core.plugins.protocols import BEGINNING
from picogen_core.testing.compiled.heads import COMPILED_CHECKS
from picogen_core.testing.compiled.remembering import COMPILED_REMEMBERING_CHECKS
from picogen_core.testing.heads import HeadSubject
from picogen_core.testing.kit import NotApplicable, resolve
from torch import nn

torch.set_num_threads(1)
D = 32
NOT_HERE = (
    "it is not installed",
    "it has no verify, so it drafts nothing",
    "it forgets earlier patches",
)


class Elman(nn.Module):
    """A recurrent cell over the characters, started from the hidden state."""

    def __init__(self, d_model):
        super().__init__()
        self.characters = nn.Embedding(128, d_model)
        self.out = nn.Linear(d_model, 128)

    def forward(self, hidden, patch):
        state = hidden.sigmoid()
        logits = [self.out(state)]
        for j in range(patch.shape[1] - 1):
            state = (state + self.characters(patch[:, j])).sigmoid()
            logits.append(self.out(state))
        return torch.stack(logits, dim=1)


class Right:
    """The same in numpy, a row after another, so that a row's bits are its own."""

    def __init__(self, d_model, weights):
        self.characters = weights.take("characters.weight", 128, d_model)
        self.weight = weights.take("out.weight", 128, d_model)
        self.bias = weights.take("out.bias", 128)
        self.slots = 0

    def logistic(self, x):
        return 0.5 + 0.5 * np.tanh(0.5 * x)

    def allocate(self, slots):
        self.slots = slots
        self.state = np.zeros((slots, self.weight.shape[1]), np.float32)

    def read_out(self, slots):
        return np.stack([self.weight @ self.state[slot] + self.bias for slot in slots])

    def begin(self, hidden, slots):
        self.state[slots] = self.logistic(hidden)
        return self.read_out(slots)

    def step(self, chars, slots):
        self.state[slots] = self.logistic(self.state[slots] + self.characters[chars])
        return self.read_out(slots)


class Verifies(Right):
    """It reads draft tokens too: every slot keeps all its states."""

    draft_tokens = 3

    def allocate(self, slots):
        super().allocate(slots)
        self.past = [[] for _ in range(slots)]

    def extend(self, hidden, chars, slots):
        hidden = iter([] if hidden is None else hidden)
        logits = [self.row(hidden, char, slot) for char, slot in zip(chars, slots, strict=True)]
        return np.concatenate(logits)

    def row(self, hidden, char, slot):
        here = np.array([slot])
        if char == BEGINNING:
            self.past[slot] = []
            logits = self.begin(next(hidden)[None], here)
        else:
            logits = self.step(np.array([char]), here)
        self.past[slot].append(self.state[slot].copy())
        return logits

    def roll_back(self, slots, counts):
        for slot, count in zip(slots, counts, strict=True):
            self.past[slot] = self.past[slot][: len(self.past[slot]) - count]
            self.state[slot] = self.past[slot][-1]


class ForgetsNothing(Verifies):
    def roll_back(self, slots, counts): ...


class ForgetsInOne(Verifies):
    def roll_back(self, slots, counts):
        super().roll_back(slots[:1], counts[:1])


class BeginsInOne(Verifies):
    """All slots begin from the first hidden state."""

    def extend(self, hidden, chars, slots):
        return super().extend(None if hidden is None else hidden[:1].repeat(9, 0), chars, slots)


class StepForgets(Right):
    def step(self, chars, slots):
        self.state[slots] = 0
        return super().step(chars, slots)


class StopsAtTen(Right):
    """Right for ten characters."""

    def begin(self, hidden, slots):
        self.place = dict.fromkeys(range(99), 0)
        return super().begin(hidden, slots)

    def step(self, chars, slots):
        self.place[int(slots[0])] += 1
        return super().step(chars if self.place[int(slots[0])] < 10 else 0 * chars, slots)


class CountsBlocks(Right):
    """Right where the width is a whole number of blocks."""

    def begin(self, hidden, slots):
        hidden = hidden.copy()
        hidden[:, hidden.shape[1] // 16 * 16 :] = 0
        return super().begin(hidden, slots)


class FewCodes(Right):
    def read_out(self, slots):
        return super().read_out(slots)[:, :100]


class Overflows(Right):
    """NaN above 88, where e^x is infinite."""

    def logistic(self, x):
        with np.errstate(over="ignore", invalid="ignore"):
            power = np.exp(x)
            return power / (1 + power)


class RowsForSlots(Right):
    """Row i is taken for slot i."""

    def step(self, chars, slots):
        return super().step(chars, np.arange(len(slots)))


class BeginsAll(Right):
    """A patch begun ends those of other slots."""

    def begin(self, hidden, slots):
        self.state[:] = 0
        return super().begin(hidden, slots)


class OnePlace(Right):
    """Right while all slots are at the same character."""

    def allocate(self, slots):
        super().allocate(slots)
        self.places = np.zeros(slots, np.int64)

    def begin(self, hidden, slots):
        self.place = self.places[slots] = 0
        return super().begin(hidden, slots)

    def step(self, chars, slots):
        self.place += 1
        self.places[slots] += 1
        return super().step(np.where(self.places[slots] == self.place, chars, 0), slots)


class Blends(Right):
    """What was there is not forgotten, NaN included."""

    def begin(self, hidden, slots):
        return super().begin(hidden + 0 * self.state[slots], slots)


class HidesNaN(Right):
    def begin(self, hidden, slots):
        return super().begin(np.nan_to_num(hidden), slots)


class RoundsByTheBatch(Right):
    """As a product by BLAS does, whose sums depend on the number of rows."""

    def read_out(self, slots):
        return super().read_out(slots) * np.float32(1 + 1e-7 * (len(slots) - 1))


class KeepsItsRoom(Right):
    """Allocating again spoils what goes on from it."""

    def allocate(self, slots):
        self.bias = self.bias + (0.1 if self.slots else 0)
        super().allocate(slots)


class StateOfTheClass(Right):
    def allocate(self, slots):
        type(self).state = np.zeros((slots, self.weight.shape[1]), np.float32)


class WritesIntoHidden(Right):
    def begin(self, hidden, slots):
        hidden[:] = self.logistic(hidden)
        self.state[slots] = hidden
        return self.read_out(slots)


class WritesIntoCharacters(Right):
    def step(self, chars, slots):
        logits = super().step(chars, slots)
        chars[:] = 0
        return logits


class WritesIntoSlots(Right):
    def step(self, chars, slots):
        logits = super().step(chars, slots)
        slots.sort()
        return logits


class ReturnsItsBuffer(Right):
    def allocate(self, slots):
        super().allocate(slots)
        self.buffer = np.zeros((slots, 128), np.float32)

    def read_out(self, slots):
        self.buffer[: len(slots)] = super().read_out(slots)
        return self.buffer[: len(slots)]


class SpoilsWeights(Right):
    def step(self, chars, slots):
        self.characters[:] *= 1.0001
        return super().step(chars, slots)


class AsksForNoShape(Right):
    def __init__(self, d_model, weights):
        self.characters = weights["characters.weight"]
        self.weight, self.bias = weights["out.weight"], weights["out.bias"]
        self.slots = 0


def spec(step):
    return HeadSpec(
        name="sample", summary="A.", config=lambda: Options, build=lambda _, d: Elman(d),
        compiled_step=step and (lambda _, d_model, weights: step(d_model, weights)),
    )  # fmt: skip


def run(name, step):
    subject = HeadSubject(resolve("head", spec(step)), {}, D, "cpu")
    next(check for check in COMPILED_CHECKS if check.__name__ == name)(subject)


@pytest.mark.parametrize("step", [Right, Verifies])
@pytest.mark.parametrize("name", [check.__name__ for check in COMPILED_CHECKS])
def test_right(name, step):
    try:
        run(name, step)
    except NotApplicable as why:
        assert str(why) in NOT_HERE


@pytest.mark.parametrize("name", [check.__name__ for check in COMPILED_CHECKS])
def test_without_a_step(name):
    with pytest.raises(NotApplicable, match=r"it (has no compiled step|forgets earlier patches)"):
        run(name, None)


WRONG = [
    ("compiled_equals_torch", StepForgets, "the logits of position 1 at width 32"),
    ("compiled_equals_torch", StopsAtTen, "the logits of position 10 at width 32"),
    ("compiled_equals_torch", CountsBlocks, "the logits of position 0 at width 33"),
    ("compiled_equals_torch", FewCodes, r"it returned float32 \[6, 100\], not float32 \[6, 128\]"),
    ("compiled_stays_finite", Overflows, "torch's numbers are finite"),
    ("compiled_slots_are_apart", RowsForSlots, "slot ., stepped among others, at position"),
    ("compiled_slots_are_apart", BeginsAll, "slot ., stepped among others, at position"),
    ("compiled_slots_are_apart", OnePlace, "slot ., stepped among others, at position"),
    ("compiled_slots_are_apart", Blends, "slot ., begun among others, at position 0"),
    ("compiled_slots_are_apart", HidesNaN, "NaN went in and numbers came out"),
    ("compiled_rows_keep_their_bits", RoundsByTheBatch, "position 0 in a batch of 16 and alone"),
    (
        "compiled_draft_tokens_leave_no_trace",
        ForgetsNothing,
        "positions .*, read with draft tokens",
    ),
    ("compiled_draft_tokens_leave_no_trace", ForgetsInOne, "positions .*, read with draft tokens"),
    ("compiled_draft_tokens_leave_no_trace", BeginsInOne, "positions .*, read with draft tokens"),
    ("compiled_starts_empty", KeepsItsRoom, "a patch after allocating again"),
    ("compiled_starts_empty", StateOfTheClass, "position 1 beside another from the same tensors"),
    ("compiled_leaves_arrays_alone", WritesIntoHidden, "changes the hidden states"),
    ("compiled_leaves_arrays_alone", WritesIntoCharacters, "changes the characters"),
    ("compiled_leaves_arrays_alone", WritesIntoSlots, "changes the slots"),
    ("compiled_leaves_arrays_alone", ReturnsItsBuffer, "a later call changes"),
    ("compiled_leaves_arrays_alone", SpoilsWeights, "changes the weight characters.weight"),
    ("compiled_checks_its_weights", AsksForNoShape, r"with characters.weight of shape \[129, 32\]"),
]


@pytest.mark.parametrize(("name", "wrong", "reason"), WRONG)
def test_wrong(name, wrong, reason):
    with pytest.raises(AssertionError, match=reason):
        run(name, wrong)


def test_every_check_of_compiled_heads_is_proven():
    proven = {name for name, _, _ in WRONG} | {"compiled_loads_no_torch"}  # see the backbones'
    elsewhere = COMPILED_REMEMBERING_CHECKS
    assert proven == {check.__name__ for check in COMPILED_CHECKS if check not in elsewhere}
