"""The kit passes a right backbone, and each check fails a backbone that is wrong in that way."""

from dataclasses import replace

import pytest
import torch
from picogen_core import BackboneSpec, Options
from picogen_core.testing import backbone_checks
from picogen_core.testing.backbones import CHECKS, BackboneSubject
from picogen_core.testing.compiled.backbones import COMPILED_CHECKS
from picogen_core.testing.kit import resolve
from pydantic import BaseModel, Field
from torch import nn

D = 32


class Right(nn.Module):
    """A leaky sum of the past behind a LayerNorm: the state is [B, D]."""

    def __init__(self, d_model):
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.value = nn.Linear(d_model, d_model)
        self.decay = nn.Parameter(torch.linspace(-3.0, 3.0, d_model))
        self.mix = nn.Sequential(
            nn.Linear(2 * d_model, 2 * d_model), nn.GELU(), nn.Linear(2 * d_model, d_model)
        )
        nn.init.zeros_(self.mix[2].weight)  # as many do: a fresh model is the identity

    def advance(self, x, state):
        decay = self.decay.sigmoid()
        return decay * state + (1 - decay) * self.value(self.norm(x))

    def output(self, x, state):
        return x + self.mix(torch.cat([self.norm(x), state], dim=-1))

    def forward(self, x):
        state, outputs = torch.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            state = self.advance(x[:, t], state)
            outputs.append(self.output(x[:, t], state))
        return torch.stack(outputs, dim=1)

    def initial_state(self, batch, max_patches, device, dtype):
        return torch.zeros(batch, D, device=device, dtype=dtype)

    def prefill(self, x, lengths, state):
        output = torch.zeros_like(x[:, 0])
        for t in range(x.shape[1]):
            inside = (t < lengths)[:, None]
            state = torch.where(inside, self.advance(x[:, t], state), state)
            output = torch.where(inside, self.output(x[:, t], state), output)
        return output, state

    def step(self, x, state):
        state = self.advance(x, state)
        return self.output(x, state), state


class NarrowOutput(Right):
    def forward(self, x):
        return super().forward(x)[..., :-1]


class LooksAhead(Right):
    def forward(self, x):
        return super().forward(x) + 0.1 * x.roll(-1, dims=1)


class ChunkLooksAhead(Right):
    """Right but for the first patch of each chunk of 16, which sees the chunk's end."""

    def forward(self, x):
        output = super().forward(x)
        output[:, 16::16] = output[:, 16::16] + 0.1 * x[:, -1:]
        return output


class Forgets(Right):
    def advance(self, x, state):
        return self.value(self.norm(x))


class ForgetsAtEvery64th(Right):
    """In calls, prefills and steps alike: they agree with each other."""

    def advance(self, x, state):
        self.seen += 1
        return super().advance(x, torch.zeros_like(state) if self.seen % 64 == 0 else state)

    def forward(self, x):
        self.seen = -1
        return super().forward(x)


class LooksAheadInTraining(Right):
    def forward(self, x):
        return super().forward(x) + 0.1 * self.training * x.roll(-1, dims=1)


class BatchNorm(Right):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.batch_norm = nn.BatchNorm1d(d_model)

    def forward(self, x):
        return super().forward(self.batch_norm(x.transpose(1, 2)).transpose(1, 2))


class MixesRows(Right):
    def output(self, x, state):
        return super().output(x, state) + 0.1 * x.mean(0, keepdim=True)


class PaddingEntersState(Right):
    def prefill(self, x, lengths, state):
        output, _ = super().prefill(x, lengths, state)
        for t in range(x.shape[1]):
            state = self.advance(x[:, t], state)
        return output, state


class LastPatchOfAll(Right):
    def prefill(self, x, lengths, state):
        return super().forward(x)[:, -1], super().prefill(x, lengths, state)[1]


class StepForgets(Right):
    def step(self, x, state):
        return super().step(x, torch.zeros_like(state))


class PrefillLosesTheLastPatch(Right):
    """Its own output is right; what follows is not."""

    def prefill(self, x, lengths, state):
        return super().prefill(x, lengths, state)[0], super().prefill(x, lengths - 1, state)[1]


class BatchSecond(Right):
    def initial_state(self, batch, max_patches, device, dtype):
        return super().initial_state(batch, max_patches, device, dtype)[None]

    def prefill(self, x, lengths, state):
        output, state = super().prefill(x, lengths, state[0])
        return output, state[None]

    def step(self, x, state):
        output, state = super().step(x, state[0])
        return output, state[None]


class StateOutside(Right):
    """The state is kept in the module, so that rows cannot move."""

    def prefill(self, x, lengths, state):
        output, self.kept = super().prefill(x, lengths, state)
        return output, state

    def step(self, x, state):
        output, self.kept = super().step(x, self.kept[: len(x)])
        return output, state


class StateIsNoTree(Right):
    def initial_state(self, batch, max_patches, device, dtype):
        return {"state": super().initial_state(batch, max_patches, device, dtype), "seen": 0}

    def prefill(self, x, lengths, state):
        output, tensor = super().prefill(x, lengths, state["state"])
        return output, {"state": tensor, "seen": 1}

    def step(self, x, state):
        output, tensor = super().step(x, state["state"])
        return output, {"state": tensor, "seen": 1}


class DeadParameter(Right):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.unused = nn.Parameter(torch.ones(3))


class DetachedPart(Right):
    def advance(self, x, state):
        return super().advance(x, state).detach()


class WeightOutsideStateDict(Right):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.gain = torch.randn(d_model)

    def output(self, x, state):
        return super().output(x, state) * self.gain.to(x)


class CallSpoilsWeights(Right):
    def forward(self, x):
        if not self.training:
            with torch.no_grad():
                self.decay *= 0.9
        return super().forward(x)


class SharedMemory(Right):
    """Safetensors refuses two names for one storage."""

    def __init__(self, d_model):
        super().__init__(d_model)
        self.also = self.value.weight


class Overflows(Right):
    def forward(self, x):
        return super().forward(x) + (x * 1e20).square() * 0


class Float32Output(Right):
    def forward(self, x):
        return super().forward(x).float()


class UnseededStart(Right):
    def __init__(self, d_model):
        super().__init__(d_model)
        generator = torch.Generator()
        generator.seed()
        with torch.no_grad():
            self.value.weight.normal_(generator=generator)


class UnseededDropout(Right):
    def forward(self, x):
        generator = torch.Generator()
        generator.seed()
        return super().forward(x) + 0.1 * torch.randn(x.shape, generator=generator)


class SameStart(Right):
    def __init__(self, d_model):
        super().__init__(d_model)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))


class CannotCopy(Right):
    """Its past is one number, and a constant one: nothing to copy from."""

    def advance(self, x, state):
        return (0 * state + self.norm(x).mean() + self.value.bias) * self.decay


class NoOptions(Options):
    pass


class Unstable(Options):
    """Comes back from JSON as another value."""

    layers: int | float = Field(1, description="Layers.")

    def model_dump(self, **kwargs):
        return {"layers": self.layers + 1}


class OpenOptions(BaseModel):
    pass


class Undescribed(Options):
    layers: int = 1


def spec(build, config=NoOptions):
    def make(options, d_model):
        return build(d_model)

    return BackboneSpec(name="sample", summary="A.", config=lambda: config, build=make)


@backbone_checks(spec(Right), d_model=D)
def test_right(check):
    check()


WRONG = [
    ("keeps_shape", NarrowOutput, "became"),
    ("is_causal", LooksAhead, "outputs before patch 1 when it changes"),
    ("is_causal", ChunkLooksAhead, "when it changes"),
    ("is_causal", LooksAheadInTraining, "before patch 1 when it changes, in training mode"),
    ("is_causal", BatchNorm, "before patch 1 when it changes, in training mode"),
    ("uses_the_past", ForgetsAtEvery64th, "patch 64 does not depend on earlier patches"),
    ("uses_the_past", Forgets, "does not depend on earlier patches"),
    ("rows_are_independent", BatchNorm, "in training mode"),
    ("rows_are_independent", MixesRows, "in evaluation mode"),
    ("ignores_padding", PaddingEntersState, "step 1 after a prefill with other padding"),
    ("prefill_equals_call", LastPatchOfAll, "prefill of a row of 1 patches"),
    ("step_equals_call", StepForgets, "step 1 from an empty state"),
    ("step_equals_call", PrefillLosesTheLastPatch, "steps after a prefill of"),
    ("states_can_be_selected_and_merged", BatchSecond, "no batch first"),
    ("states_can_be_selected_and_merged", StateOutside, "after selecting and merging"),
    ("states_can_be_selected_and_merged", StateIsNoTree, "holds a int, not a tensor"),
    ("every_parameter_learns", DeadParameter, "no gradient ever reaches unused"),
    ("every_parameter_learns", DetachedPart, "no gradient ever reaches decay, value.bias"),
    ("state_dict_round_trips", WeightOutsideStateDict, "the reloaded module's output"),
    ("state_dict_round_trips", CallSpoilsWeights, "changes decay"),
    ("finite_in_bfloat16", Overflows, "not finite"),
    ("finite_in_bfloat16", Float32Output, "an output is torch.float32"),
    ("seed_reproduces", UnseededStart, "different weights each time"),
    ("seed_reproduces", UnseededDropout, "gives the losses"),
    ("seed_reproduces", SameStart, "every seed gives the same weights"),
    ("learns_a_copy_task", CannotCopy, "cross-entropy is"),
]


def run(name, build, config=NoOptions, export=None):
    tested = replace(spec(build, config), export=export or {})
    subject = BackboneSubject(resolve("backbone", tested), {}, D, "cpu")
    next(check for check in CHECKS if check.__name__ == name)(subject)


@pytest.mark.parametrize(("name", "wrong", "reason"), WRONG)
def test_wrong(name, wrong, reason):
    with pytest.raises(AssertionError, match=reason):
        run(name, wrong)


def test_weights_that_share_memory():
    with pytest.raises(RuntimeError, match="share memory"):
        run("state_dict_round_trips", SharedMemory)


@pytest.mark.parametrize(
    ("name", "config", "reason"),
    [
        ("config_round_trips", Unstable, "came back from JSON as"),
        ("config_forbids_unknown_keys", OpenOptions, "is not frozen; does not forbid"),
        ("config_forbids_unknown_keys", Undescribed, "does not describe option 'layers'"),
    ],
)
def test_wrong_options(name, config, reason):
    with pytest.raises(AssertionError, match=reason):
        run(name, Right, config)


def write_right(module, table, folder):
    (folder / "table.txt").write_text(str(table.shape))
    return "open('table.txt')"


def write_nothing(module, table, folder):
    return "open('table.txt')"


def write_silently(module, table, folder):
    write_right(module, table, folder)


def write_and_say_nonsense(module, table, folder):
    write_right(module, table, folder)
    return "open it with care"


def write_and_spoil(module, table, folder):
    module.decay.data.zero_()
    return write_right(module, table, folder)


@pytest.mark.parametrize(
    ("write", "error", "reason"),
    [
        (write_nothing, AssertionError, "export 'text' writes nothing"),
        (write_silently, AssertionError, "export 'text' returns None, not Python"),
        (write_and_say_nonsense, SyntaxError, "invalid syntax"),
        (write_and_spoil, AssertionError, "export 'text' changes the module"),
    ],
)
def test_wrong_exports(write, error, reason):
    run("exports_write_files", Right, export={"right": write_right})
    with pytest.raises(error, match=reason):
        run("exports_write_files", Right, export={"right": write_right, "text": write})


def test_every_check_is_proven():
    proven = {name for name, _, _ in WRONG}
    proven |= {"config_round_trips", "config_forbids_unknown_keys", "exports_write_files"}
    assert proven == {check.__name__ for check in CHECKS if check not in COMPILED_CHECKS}


def test_the_checks_leave_random_numbers_and_threads_alone():
    torch.manual_seed(0)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    run("rows_are_independent", Right)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads
