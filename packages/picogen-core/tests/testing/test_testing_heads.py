"""The kit passes a right head, and each check fails a head that is wrong in that way."""

import pytest
import torch
from picogen_core import HeadSpec, Options
from picogen_core.testing import head_checks
from picogen_core.testing.compiled.heads import COMPILED_CHECKS
from picogen_core.testing.heads import CHECKS, HeadSubject
from picogen_core.testing.kit import NotApplicable, resolve
from picogen_core.testing.remembering import REMEMBERING_CHECKS
from pydantic import BaseModel
from torch import nn

D = 32


class Right(nn.Module):
    """A GRU cell over the characters, started from the hidden state."""

    def __init__(self, d_model):
        super().__init__()
        self.characters = nn.Embedding(128, d_model)
        self.cell = nn.GRUCell(d_model, d_model)
        self.out = nn.Linear(d_model, 128)

    def forward(self, hidden, patch):
        logits, state = self.begin(hidden)
        found = [logits]
        for j in range(patch.shape[1] - 1):
            logits, state = Right.step(self, patch[:, j], state)
            found.append(logits)
        return torch.stack(found, dim=1)

    def begin(self, hidden):
        return self.out(hidden), hidden

    def step(self, chars, state):
        state = self.cell(self.characters(chars), state)
        return self.out(state), state


class FewCodes(Right):
    def forward(self, hidden, patch):
        return super().forward(hidden, patch)[..., :100]


class SeesItself(Right):
    def forward(self, hidden, patch):
        return super().forward(hidden, patch) + self.out(self.characters(patch))


class Parallel(nn.Module):
    """Independent guesses: right, but blind to its own characters."""

    def __init__(self, d_model):
        super().__init__()
        self.out = nn.Linear(d_model, 16 * 128)

    def forward(self, hidden, patch):
        return self.out(hidden).view(-1, 16, 128)

    def begin(self, hidden):
        logits = self.out(hidden).view(-1, 16, 128)
        return logits[:, 0], logits[:, 1:]

    def step(self, chars, state):
        return state[:, 0], state.roll(-1, dims=1)


class IgnoresHidden(Right):
    def begin(self, hidden):
        return super().begin(0 * hidden)


class SeesTheNextInTraining(Right):
    def forward(self, hidden, patch):
        following = self.out(self.characters(patch))
        return super().forward(hidden, patch) + 0.1 * self.training * following


class BeginDiffers(Right):
    def forward(self, hidden, patch):
        return super().forward(hidden, patch) * 1.1


class StepDiffers(Right):
    def step(self, chars, state):
        return super().step(chars, torch.tanh(state))


class BatchSecond(Right):
    def begin(self, hidden):
        logits, state = super().begin(hidden)
        return logits, state[None]

    def step(self, chars, state):
        logits, state = super().step(chars, state[0])
        return logits, state[None]


class MixesRows(Right):
    def forward(self, hidden, patch):
        return super().forward(hidden - hidden.mean(0, keepdim=True), patch)


class StateOutside(Right):
    def begin(self, hidden):
        logits, self.kept = super().begin(hidden)
        return logits, self.kept

    def step(self, chars, state):
        logits, self.kept = super().step(chars, self.kept[: len(chars)])
        return logits, self.kept


class CountsFromTheEnd(Right):
    """Its logits are those of a whole patch only when all 16 characters are there."""

    def forward(self, hidden, patch):
        return super().forward(hidden, patch) * (patch.shape[1] / 16)


class DeadParameter(Right):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.unused = nn.Parameter(torch.ones(3))


class WeightOutsideStateDict(Right):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.gain = torch.randn(d_model)

    def begin(self, hidden):
        return super().begin(hidden * self.gain.to(hidden))


class NotFinite(Right):
    def begin(self, hidden):
        return super().begin(hidden * 1e38 * 10)


class UnseededStart(Right):
    def __init__(self, d_model):
        super().__init__(d_model)
        generator = torch.Generator()
        generator.seed()
        with torch.no_grad():
            self.out.weight.normal_(generator=generator)


class OneGuess(Right):
    """It sees nothing but its bias."""

    def forward(self, hidden, patch):
        return self.out.bias.expand(len(hidden), 16, -1)


class NoOptions(Options):
    pass


class OpenOptions(BaseModel):
    pass


def spec(build, config=NoOptions, cut=False):
    def make(options, d_model):
        return build(d_model)

    return HeadSpec(
        name="sample", summary="A.", config=lambda: config, build=make, reads_cut_patches=cut
    )


@head_checks(spec(Right, cut=True), d_model=D)
def test_right(check):
    check()


@head_checks(
    spec(Parallel), d_model=D, expected_failures={"uses_earlier_characters": "guesses at once"}
)
def test_parallel(check):
    check()


WRONG = [
    ("keeps_shape", FewCodes, "logits are"),
    ("is_causal", SeesItself, "logits up to position 0"),
    ("is_causal", SeesTheNextInTraining, "logits up to position 0 .* in training mode"),
    ("uses_earlier_characters", Parallel, "position 1 does not see character 0"),
    ("uses_the_hidden_state", IgnoresHidden, "position 0 does not depend on the hidden state"),
    ("step_equals_call", BeginDiffers, "the logits of position 0"),
    ("step_equals_call", StepDiffers, "the logits of position 1"),
    ("cut_patches_equal_whole_ones", CountsFromTheEnd, "patches cut to 2 characters"),
    ("states_can_be_selected_and_merged", BatchSecond, "no batch first"),
    ("states_can_be_selected_and_merged", StateOutside, "after selecting and merging"),
    ("rows_are_independent", MixesRows, "in evaluation mode"),
    ("every_parameter_learns", DeadParameter, "no gradient ever reaches unused"),
    ("state_dict_round_trips", WeightOutsideStateDict, "the reloaded module's output"),
    ("finite_in_bfloat16", NotFinite, "not finite"),
    ("seed_reproduces", UnseededStart, "different weights each time"),
    ("learns_patches_by_heart", OneGuess, "cross-entropy is"),
]


def run(name, build, config=NoOptions, cut=True):
    subject = HeadSubject(resolve("head", spec(build, config, cut)), {}, D, "cpu")
    next(check for check in CHECKS if check.__name__ == name)(subject)


@pytest.mark.parametrize(("name", "wrong", "reason"), WRONG)
def test_wrong(name, wrong, reason):
    with pytest.raises(AssertionError, match=reason):
        run(name, wrong)


def test_a_head_that_needs_whole_patches_need_not_read_cut_ones():
    with pytest.raises(NotApplicable, match="no reads_cut_patches"):
        run("cut_patches_equal_whole_ones", CountsFromTheEnd, cut=False)


def test_open_options():
    with pytest.raises(AssertionError, match="is not frozen"):
        run("config_forbids_unknown_keys", Right, OpenOptions)


def test_every_check_of_heads_is_proven():
    shared = {"config_round_trips", "config_forbids_unknown_keys"}  # see the backbones' tests
    proven = {name for name, _, _ in WRONG} | shared
    elsewhere = {*COMPILED_CHECKS, *REMEMBERING_CHECKS}
    assert proven == {check.__name__ for check in CHECKS if check not in elsewhere}
