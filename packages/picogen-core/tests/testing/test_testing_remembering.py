"""The kit passes a right head that remembers; each check fails one that is wrong in that way."""

import pytest
import torch
from picogen_core import HeadSpec, Options
from picogen_core.testing import head_checks, remembering
from picogen_core.testing.heads import HeadSubject
from picogen_core.testing.kit import resolve
from picogen_core.testing.remembering import REMEMBERING_CHECKS
from pydantic import Field
from torch import nn
from torch.nn.functional import one_hot

D, P, V = 32, 16, 128


class Right(nn.Module):
    """A bag of characters beside the hidden state, and attention to whole earlier patches by their
    hidden states: what stood at the same place of them?

    Ages of patches: 1 is the one before.
    """

    def __init__(self, d_model, window=None):
        super().__init__()
        self.window = window
        self.embed = nn.Embedding(V, d_model)
        self.place = nn.Embedding(P, d_model)
        self.out = nn.Linear(d_model, V)
        self.gain = nn.Parameter(torch.tensor(4.0))

    @property
    def kept(self):
        return self.window // P + 1 if self.window else None

    def recall(self, hidden, keys, codes, ages):
        """[B, D], [B, S, D], [B, S, P], [B, S] -> how much of each code at each place [B, P, V]."""
        known = (ages > 0) & (ages <= (self.kept or 10**6))
        scores = (keys @ hidden[:, :, None])[..., 0] * self.gain / hidden.shape[1]
        weights = scores.masked_fill(~known, -1e9).softmax(1) * known.any(1, keepdim=True)
        return torch.einsum("bs,bspv->bpv", weights, one_hot(codes, V).to(hidden.dtype))

    def spell(self, hidden, bag, place, came):
        """Logits from the sum of the characters before a place."""
        return self.out(hidden + bag + self.place(place)) + 5 * self.gain * came

    def forward(self, hidden, patch, row, index):
        came = self.recall(hidden, *self.past(hidden, patch, row, index))
        bag = self.embed(patch).cumsum(1) - self.embed(patch)
        return self.spell(hidden[:, None], bag, torch.arange(P), came)

    def past(self, hidden, patch, row, index):
        """Keys, codes and ages of what each patch sees."""
        ages = torch.where(row[:, None] == row, index[:, None] - index, 0)
        count = len(row)
        return hidden.expand(count, -1, -1), patch.expand(count, -1, -1), ages

    def initial_memory(self, batch, max_patches, device, dtype):
        kept = min(max_patches, self.kept or max_patches)
        return {
            "keys": torch.zeros(batch, kept, D, device=device, dtype=dtype),
            "codes": torch.zeros(batch, kept, P, device=device, dtype=torch.long),
            "count": torch.zeros(batch, device=device, dtype=torch.long),
        }

    def keep(self, memory, hidden, patch, there):
        rows = torch.arange(len(hidden))[there]
        at = (memory["count"] % memory["keys"].shape[1])[there]
        keys, codes = memory["keys"].clone(), memory["codes"].clone()
        keys[rows, at], codes[rows, at] = hidden[there], patch[there]
        return {"keys": keys, "codes": codes, "count": memory["count"] + there}

    def read(self, hidden, patches, lengths, memory):
        for s in range(patches.shape[1]):
            memory = self.keep(memory, hidden[:, s], patches[:, s], s < lengths)
        return memory

    def begin(self, hidden, memory):
        kept, count = memory["keys"].shape[1], memory["count"][:, None]
        ages = (count - 1 - torch.arange(kept)) % kept + 1
        ages = torch.where(ages <= count, ages, 0)
        came = self.recall(hidden, memory["keys"], memory["codes"], ages)
        state = {**memory, "hidden": hidden, "came": came, "before": memory["codes"][:, 0, :0]}
        return self.at(state), state

    def step(self, chars, state):
        state = {**state, "before": torch.cat([state["before"], chars[:, None]], 1)}
        return self.at(state), state

    def at(self, state):
        place = state["before"].shape[1]
        bag = self.embed(state["before"]).sum(1)
        return self.spell(state["hidden"], bag, torch.tensor(place), state["came"][:, place])

    def close(self, patch, state):
        memory = {name: state[name] for name in ("keys", "codes", "count")}
        return self.keep(memory, state["hidden"], patch, (patch != 0).any(1))


class Forgets(Right):
    def recall(self, hidden, keys, codes, ages):
        return super().recall(hidden, keys, codes, 0 * ages)


class RemembersTheFirstPatchAlone(Right):
    def recall(self, hidden, keys, codes, ages):
        return super().recall(hidden, keys, codes, ages * (ages == ages.max(1, True)[0]))


class SeesTheWholePiece(Right):
    def past(self, hidden, patch, row, index):
        keys, codes, _ = super().past(hidden, patch, row, index)
        return keys, codes, (row[:, None] == row).long()


class SeesTheWholePieceInTraining(Right):
    def past(self, hidden, patch, row, index):
        keys, codes, ages = super().past(hidden, patch, row, index)
        return keys, codes, (row[:, None] == row).long() if self.training else ages


class SeesItsOwnPatch(Right):
    """What follows within the patch shows in its first logits."""

    def forward(self, hidden, patch, row, index):
        whole = self.out(self.embed(patch).sum(1))
        return super().forward(hidden, patch, row, index) + 0.1 * whole[:, None]


class MixesPieces(Right):
    """All patches of a batch are one piece."""

    def past(self, hidden, patch, row, index):
        place = torch.arange(len(row))
        return super().past(hidden, patch, 0 * row, place)


class CountsRows(Right):
    """Rows are distinguished by their number."""

    def forward(self, hidden, patch, row, index):
        return super().forward(hidden * (1 + 0.1 * row[:, None]), patch, row, index)


class CloseKeepsNothing(Right):
    def close(self, patch, state):
        return {name: state[name] for name in ("keys", "codes", "count")}


class CloseKeepsWhatWasStepped(Right):
    """Characters behind the end of a patch come into the memory."""

    def close(self, patch, state):
        last = torch.where(patch[:, -1:] != 0, patch[:, -1:], 65)
        stepped = torch.cat([state["before"], last], 1)
        return super().close(torch.where(patch.any(1, keepdim=True), stepped, 0), state)


class ReadsPadding(Right):
    def read(self, hidden, patches, lengths, memory):
        return super().read(hidden, patches, torch.full_like(lengths, patches.shape[1]), memory)


class ReadsAllButTheLast(Right):
    def read(self, hidden, patches, lengths, memory):
        return super().read(hidden, patches, lengths - 1, memory)


class BatchSecond(Right):
    def initial_memory(self, batch, max_patches, device, dtype):
        memory = super().initial_memory(batch, max_patches, device, dtype)
        return {**memory, "count": memory["count"][None]}

    def keep(self, memory, hidden, patch, there):
        kept = super().keep({**memory, "count": memory["count"].reshape(-1)}, hidden, patch, there)
        return {**kept, "count": kept["count"][None]}

    def at(self, state):
        return super().at({**state, "count": state["count"].reshape(-1)})


class MemoryOutside(Right):
    """The memory stays in the module, so rows cannot move."""

    def close(self, patch, state):
        self.outside = super().close(patch, state)
        return self.outside

    def begin(self, hidden, memory):
        if memory["count"].any():
            rows = torch.arange(len(hidden)) % len(self.outside["count"])
            memory = {name: tensor[rows] for name, tensor in self.outside.items()}
        return super().begin(hidden, memory)


class BeginUsesTheMemoryUp(Right):
    def begin(self, hidden, memory):
        found = super().begin(hidden, memory)
        memory["keys"] *= 0.5
        return {"keys": None} and found


class KeepsEverything(Right):
    """Its window is a promise only."""

    def initial_memory(self, batch, max_patches, device, dtype):
        window, self.window = self.window, None
        try:
            return super().initial_memory(batch, max_patches, device, dtype)
        finally:
            self.window = window


class SeesBeyondItsWindow(Right):
    def recall(self, hidden, keys, codes, ages):
        window, self.window = self.window, None
        try:
            return super().recall(hidden, keys, codes, ages)
        finally:
            self.window = window


class CannotLearn(Right):
    """It finds the right patch and cannot say what stood there."""

    def recall(self, hidden, keys, codes, ages):
        return super().recall(hidden, keys, codes * 0 + 65, ages)


class Window(Options):
    window: int | None = Field(None, ge=1, description="Characters.")


def spec(build):
    def make(options, d_model):
        return build(d_model, options.window)

    return HeadSpec(name="sample", summary="A.", config=lambda: Window, build=make, remembers=True)


@head_checks(spec(Right), d_model=D)
def test_right(check):
    check()


WRONG = [
    ("remembers_earlier_patches", Forgets, "patch 1 does not see the patch before"),
    ("remembers_earlier_patches", RemembersTheFirstPatchAlone, "patch 2 does not see"),
    (
        "sees_no_later_patch",
        SeesTheWholePiece,
        "logits up to there when patch 0 changes from place 0",
    ),
    ("sees_no_later_patch", SeesTheWholePieceInTraining, "in training mode"),
    ("sees_no_later_patch", SeesItsOwnPatch, "logits up to there when patch 0 changes from"),
    ("pieces_are_independent", MixesPieces, "logits in another order"),
    ("pieces_are_independent", CountsRows, "logits in another order"),
    ("writing_equals_the_call", CloseKeepsNothing, "place 0 of patch 1, written"),
    ("writing_equals_the_call", CloseKeepsWhatWasStepped, "written"),
    ("reading_equals_writing", ReadsPadding, "what follows a prompt of"),
    ("reading_equals_writing", ReadsAllButTheLast, "what follows a prompt of"),
    ("memories_can_be_selected_and_merged", BatchSecond, "no batch first"),
    ("memories_can_be_selected_and_merged", MemoryOutside, "after selecting and merging"),
    ("a_memory_outlives_what_was_begun", BeginUsesTheMemoryUp, "a patch begun anew"),
    ("the_window_is_kept", KeepsEverything, "1,000 patches take"),
    ("the_window_is_kept", SeesBeyondItsWindow, "the last patch when the first ones change"),
    ("learns_to_quote", CannotLearn, "cross-entropy is"),
]


@pytest.mark.parametrize(("name", "wrong", "reason"), WRONG)
def test_wrong(name, wrong, reason, monkeypatch):
    monkeypatch.setattr(remembering, "QUOTE_STEPS", 20)  # the right one needs fewer
    subject = HeadSubject(resolve("head", spec(wrong)), {}, D, "cpu")
    check = next(check for check in REMEMBERING_CHECKS if check.__name__ == name)
    with pytest.raises(AssertionError, match=reason):
        check(subject)


def test_every_check_is_proven():
    assert {name for name, _, _ in WRONG} == {check.__name__ for check in REMEMBERING_CHECKS}
