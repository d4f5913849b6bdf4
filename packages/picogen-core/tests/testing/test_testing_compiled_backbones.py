"""The kit passes a right compiled step, and each check fails one that is wrong in that way."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from picogen_core import BackboneSpec, Options
from picogen_core.compiled.weights import Weights
from picogen_core.errors import BadCheckpoint
from picogen_core.plugins.registry import Registry, registry
from picogen_core.testing.backbones import BackboneSubject
from picogen_core.testing.compiled.backbones import COMPILED_CHECKS
from picogen_core.testing.kit import NotApplicable, Skipped, resolve
from torch import nn

torch.set_num_threads(1)
D = 32


class Leaky(nn.Module):
    """A leaky sum of the past, through a logistic function."""

    def __init__(self, d_model):
        super().__init__()
        self.decay = nn.Parameter(torch.linspace(-3.0, 3.0, d_model))
        self.value = nn.Linear(d_model, d_model)

    def forward(self, x):
        state, outputs = torch.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            state = self.decay.sigmoid() * state + self.value(x[:, t])
            outputs.append(state.sigmoid())
        return torch.stack(outputs, dim=1)


class Right:
    """The same in numpy, a row after another, so that a row's bits are its own."""

    def __init__(self, d_model, weights):
        self.decay = self.logistic(weights.take("decay", d_model))
        self.weight = weights.take("value.weight", d_model, d_model)
        self.bias = weights.take("value.bias", d_model)
        self.room = -1

    def logistic(self, x):
        return 0.5 + 0.5 * np.tanh(0.5 * x)

    def allocate(self, slots, max_patches):
        self.room = max_patches
        self.state = np.zeros((slots, len(self.bias)), np.float32)

    def clear(self, slot):
        self.state[slot] = 0

    def copy(self, source, target):
        self.state[target] = self.state[source]

    def row(self, x, slot):
        self.state[slot] = self.decay * self.state[slot] + self.weight @ x + self.bias
        return self.logistic(self.state[slot])

    def extend(self, x, slots):
        return np.stack([self.row(row, slot) for row, slot in zip(x, slots, strict=True)])


class LosesTheLastPatch(Right):
    """What a prompt's last patch brings comes out but is not kept."""

    def extend(self, x, slots):
        before = self.state.copy()
        outputs = super().extend(x, slots)
        if len(x) > 1:
            self.state = before
            super().extend(x[:-1], slots[:-1])
        return outputs


class ForgetsAtChunks(Right):
    def extend(self, x, slots):
        if len(x) <= 16:
            return super().extend(x, slots)
        first = super().extend(x[:16], slots[:16])
        self.clear(slots[16])
        return np.concatenate([first, super().extend(x[16:], slots[16:])])


class ReadsBackwards(Right):
    def extend(self, x, slots):
        return super().extend(x[::-1], slots[::-1])[::-1]


class CountsBlocks(Right):
    """Right where the width is a whole number of blocks."""

    def row(self, x, slot):
        x = np.concatenate([x[: len(x) // 16 * 16], 0 * x[len(x) // 16 * 16 :]])
        return super().row(x, slot)


class Float64(Right):
    def extend(self, x, slots):
        return super().extend(x, slots).astype(np.float64)


class LastRowOnly(Right):
    def extend(self, x, slots):
        return super().extend(x, slots)[-1:]


class Overflows(Right):
    """NaN above 88, where e^x is infinite."""

    def logistic(self, x):
        with np.errstate(over="ignore", invalid="ignore"):
            power = np.exp(x)
            return power / (1 + power)


class OneState(Right):
    """One state, of whoever was read last."""

    def row(self, x, slot):
        return super().row(x, 0)


class SortsSlots(Right):
    def extend(self, x, slots):
        order = np.argsort(slots, kind="stable")
        return super().extend(x[order], slots[order])


class AllAtOnce(Right):
    """A slot that comes several times in a call keeps only its last patch."""

    def extend(self, x, slots):
        before = self.state.copy()
        outputs = []
        for row, slot in zip(x, slots, strict=True):
            if len(set(slots.tolist())) > 1:
                self.state[slot] = before[slot]
            outputs.append(self.row(row, slot))
        return np.stack(outputs)


class ClearsNothing(Right):
    def clear(self, slot):
        pass


class ClearsAll(Right):
    def clear(self, slot):
        self.state[:] = 0


class ClearsByAFactor(Right):
    """0 · NaN is NaN."""

    def clear(self, slot):
        self.state[slot] *= 0


class CopiesNothing(Right):
    def copy(self, source, target):
        pass


class Shares(Right):
    """The target slot becomes the source slot."""

    def allocate(self, slots, max_patches):
        super().allocate(slots, max_patches)
        self.state = list(self.state)

    def clear(self, slot):
        self.state[slot] = np.zeros_like(self.bias)

    def copy(self, source, target):
        self.state[target] = self.state[source]

    def row(self, x, slot):
        self.state[slot][:] = self.decay * self.state[slot] + self.weight @ x + self.bias
        return self.logistic(self.state[slot])


class SpreadsNaN(Right):
    """As a mask that multiplies by 0 does."""

    def extend(self, x, slots):
        return super().extend(x + 0 * x.sum(0), slots)


class HidesNaN(Right):
    def row(self, x, slot):
        return super().row(np.nan_to_num(x), slot)


class RoundsByTheBatch(Right):
    """As a product by BLAS does, whose sums depend on the number of rows."""

    def extend(self, x, slots):
        return super().extend(x, slots) * np.float32(1 + 1e-7 * (len(set(slots.tolist())) - 1))


class RoundsByTheRow(Right):
    """As a kernel does that takes rows by eights and what is left by ones."""

    def extend(self, x, slots):
        outputs = super().extend(x, slots)
        outputs[8:] *= np.float32(1 + 2e-7)
        return outputs


class KeepsOldStates(Right):
    def allocate(self, slots, max_patches):
        if self.room < 0:
            super().allocate(99, max_patches)


class StateOfTheClass(Right):
    def allocate(self, slots, max_patches):
        type(self).state = np.zeros((slots, len(self.bias)), np.float32)


class WritesIntoRows(Right):
    def extend(self, x, slots):
        x[:] = super().extend(x, slots)
        return x


class ReturnsItsBuffer(Right):
    def allocate(self, slots, max_patches):
        super().allocate(slots, max_patches)
        self.buffer = np.zeros((99, len(self.bias)), np.float32)

    def extend(self, x, slots):
        self.buffer[: len(x)] = super().extend(x, slots)
        return self.buffer[: len(x)]


class SpoilsWeights(Right):
    def __init__(self, d_model, weights):
        super().__init__(d_model, weights)
        self.weight *= 1.0001


class LeavesOneOut(Right):
    def __init__(self, d_model, weights):
        copies = {name: weights[name] for name in weights if name != "value.bias"}
        copies["value.bias"] = np.zeros(d_model, np.float32)
        super().__init__(d_model, Weights(copies, "copies"))


class AsksForNoShape(Right):
    def __init__(self, d_model, weights):
        self.decay = self.logistic(weights["decay"][:d_model])
        self.weight = weights["value.weight"][:d_model, :d_model]
        self.bias = weights["value.bias"][:d_model]
        self.room = -1


class RaisesKeyError(Right):
    def __init__(self, d_model, weights):
        dict(weights)["value.bias"]
        super().__init__(d_model, weights)


class SaysMuch(Right):
    def __init__(self, d_model, weights):
        try:
            super().__init__(d_model, weights)
        except BadCheckpoint as error:
            raise BadCheckpoint(f"{error}\nIt has:\n{list(weights)}") from None


def spec(step):
    return BackboneSpec(
        name="sample", summary="A.", config=lambda: Options, build=lambda _, d: Leaky(d),
        compiled_step=step and (lambda _, d_model, weights: step(d_model, weights)),
    )  # fmt: skip


def run(name, step, entry=None):
    subject = BackboneSubject(entry or resolve("backbone", spec(step)), {}, D, "cpu")
    next(check for check in COMPILED_CHECKS if check.__name__ == name)(subject)


@pytest.mark.parametrize("name", [check.__name__ for check in COMPILED_CHECKS])
def test_right(name):
    with pytest.raises(NotApplicable) if name == "compiled_loads_no_torch" else nullcontext():
        run(name, Right)


@pytest.mark.parametrize("name", [check.__name__ for check in COMPILED_CHECKS])
def test_without_a_step(name):
    with pytest.raises(NotApplicable, match="it has no compiled step"):
        run(name, None)


WRONG = [
    ("compiled_equals_torch", LosesTheLastPatch, "step 1 after a prompt of 40 patches at width 32"),
    ("compiled_equals_torch", ForgetsAtChunks, "a prompt of 40 patches at width 32"),
    ("compiled_equals_torch", ReadsBackwards, "a prompt of 40 patches"),
    ("compiled_equals_torch", CountsBlocks, "at width 33"),
    ("compiled_equals_torch", Float64, r"it returned float64 \[40, 32\], not float32 \[40, 32\]"),
    ("compiled_equals_torch", LastRowOnly, r"it returned float32 \[1, 32\], not"),
    ("compiled_stays_finite", Overflows, "torch's numbers are finite"),
    ("compiled_slots_are_apart", OneState, "slot 0 among others"),
    ("compiled_slots_are_apart", SortsSlots, "slot 0 among others"),
    ("compiled_slots_are_apart", AllAtOnce, "slot . among others"),
    ("compiled_slots_are_apart", ClearsNothing, "slot 1 after others, or itself, were cleared"),
    ("compiled_slots_are_apart", ClearsAll, "slot 0 after others, or itself, were cleared"),
    ("compiled_slots_are_apart", CopiesNothing, "slot 3 after others, or itself, were copied"),
    ("compiled_slots_are_apart", Shares, "slot 0 after others, or itself, were copied"),
    ("compiled_slots_are_apart", SpreadsNaN, "slot 0 beside a slot that reads NaN"),
    ("compiled_slots_are_apart", HidesNaN, "NaN went in and numbers came out"),
    ("compiled_slots_are_apart", ClearsByAFactor, "slot 2 after a slot that had read NaN"),
    ("compiled_rows_keep_their_bits", RoundsByTheBatch, "patch 0 in a batch of 16 and alone"),
    ("compiled_rows_keep_their_bits", RoundsByTheRow, "patch 0 in a batch of 16 and alone"),
    ("compiled_starts_empty", KeepsOldStates, "patch 0 after allocating again"),
    ("compiled_starts_empty", StateOfTheClass, "patch 0 of another from the same tensors"),
    ("compiled_leaves_arrays_alone", WritesIntoRows, "changes the rows that it is given"),
    ("compiled_leaves_arrays_alone", ReturnsItsBuffer, "a later call changes"),
    ("compiled_leaves_arrays_alone", SpoilsWeights, "it changes the weight value.weight"),
    (
        "compiled_checks_its_weights",
        LeavesOneOut,
        "not take every tensor: .* first part.value.bias",
    ),
    (
        "compiled_checks_its_weights",
        AsksForNoShape,
        r"with decay of shape \[33\] for \[32\] .*noth",
    ),
    ("compiled_checks_its_weights", RaisesKeyError, "without value.bias it raises KeyError"),
    ("compiled_checks_its_weights", SaysMuch, "the message has several lines"),
]


@pytest.mark.parametrize(("name", "wrong", "reason"), WRONG)
def test_wrong(name, wrong, reason):
    with pytest.raises(AssertionError, match=reason):
        run(name, wrong)


INSTALLED = """
from picogen_core import BackboneSpec, Options, hookimpl
def build(options, d_model):
    import torch
    return torch.nn.Identity()
class Copy:
    def allocate(self, slots, max_patches): ...
    def extend(self, x, slots):
        return x
def step(options, d_model, weights):
    HEAVY
    return Copy()
@hookimpl
def picogen_backbones():
    yield BackboneSpec(
        name="t", summary="T.", config=lambda: Options, build=build, compiled_step=step
    )
"""


def test_torch_is_not_loaded(install, found, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    module = install("picogen-t-plugin", "0.1", INSTALLED.replace("HEAVY", "import torch"))
    entry = Registry(found().plugins).get("backbone", "t")
    with pytest.raises(AssertionError, match="it loads torch"):
        run("compiled_loads_no_torch", None, entry)
    module.write_text(INSTALLED.replace("HEAVY", "pass"))
    run("compiled_loads_no_torch", None, entry)


def test_without_numba_nothing_is_run(monkeypatch):
    monkeypatch.setattr("picogen_core.testing.compiled.kit.find_spec", lambda name: None)
    with pytest.raises(Skipped, match="numba is not installed"):
        run("compiled_equals_torch", ReadsBackwards)


def test_every_check_of_compiled_backbones_is_proven():
    proven = {name for name, _, _ in WRONG} | {"compiled_loads_no_torch"}
    assert proven == {check.__name__ for check in COMPILED_CHECKS}


def test_the_shipped_ones_have_something_to_check():
    steps = {e.name for e in registry().all("backbone") if e.spec.compiled_step}
    assert {"gpt2", "llama", "mamba", "qwen", "rwkv"} <= steps
