"""Shared code of the checks of backbones and heads: subjects, and properties of modules."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import Tensor

from picogen_core.model.state_tree import tree_map
from picogen_core.plugins.registry import Entry
from picogen_core.testing.configs import CONFIG_CHECKS
from picogen_core.testing.kit import Check

TOLERANCE = 1e-4
"""Largest difference that counts as rounding, in units of the rms value (or of 1, if larger)."""


Result = TypeVar("Result")


@dataclass(frozen=True)
class ModuleSubject(ABC):
    """A module that is built from a seed, as often as needed."""

    entry: Entry[Any]
    options: Mapping[str, Any]
    d_model: int
    device: str

    def build(self, seed: int = 0) -> Any:
        """Return the module with its own initialisation, in training mode."""
        torch.manual_seed(seed)
        return self.entry.build(self.options, self.d_model).to(self.device)

    def awake(self, seed: int = 0) -> Any:
        """Return the module in evaluation mode, with noise on every parameter.

        Many models start with outputs of zero, which would hide faults.
        """
        module = self.build(seed).eval()
        with torch.no_grad():
            for index, parameter in enumerate(module.parameters()):
                parameter += 0.05 * self.noise(*parameter.shape, seed=index).to(parameter.dtype)
        return module

    def noise(self, *shape: int, seed: int) -> Tensor:
        """Return standard normal numbers, the same on every device."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(shape, generator=generator).to(self.device)

    @abstractmethod
    def inputs(self, seed: int) -> tuple[Tensor, ...]:
        """Return the arguments of a call, each with the batch first."""

    @abstractmethod
    def loss(self, module: Any, seed: int) -> Tensor:
        """Return the loss of a task whose gradient reaches every part."""

    @abstractmethod
    def walk(self, module: Any, dtype: torch.dtype) -> list[Tensor]:
        """Return all outputs of a call and of steps, with inputs and state in `dtype`."""


def module_check(check: Callable[[Any], None]) -> Check:
    """Decorator of a check: one thread, no TF32, and the global random state restored."""

    @functools.wraps(check)
    def run(subject: Any) -> None:
        with _reproducible():
            check(subject)

    return run


@contextmanager
def _reproducible() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(), torch.backends.cudnn.flags(allow_tf32=False):
            yield
    finally:
        torch.set_num_threads(threads)


def assert_same(actual: Tensor, expected: Tensor, what: str) -> None:
    """Assert equality up to rounding."""
    assert actual.shape == expected.shape, f"{what}: {actual.shape} is not {expected.shape}"
    difference = (actual - expected).abs().max().item()
    assert difference <= _limit(expected), f"{what}: differs by {difference:.3g}"


def assert_changed(actual: Tensor, before: Tensor, what: str) -> None:
    """Assert a difference larger than rounding."""
    assert (actual - before).abs().max().item() > _limit(before), what


def _limit(expected: Tensor) -> float:
    return TOLERANCE * max(1.0, expected.float().square().mean().sqrt().item())


def modes(module: Any) -> Iterator[str]:
    """Yield the names of evaluation and training mode, with the module in that mode."""
    for name, training in (("evaluation", False), ("training", True)):
        module.train(training)
        yield name
    module.eval()


def seeded(call: Callable[..., Result], *arguments: Any) -> Result:
    """Return the result of a call with a fixed seed (for dropout), without gradients."""
    torch.manual_seed(5)
    with torch.no_grad():
        return call(*arguments)


def state_leaves(state: Any) -> list[Any]:
    """Return the leaves of a state, of any type."""
    leaves: list[Any] = []
    tree_map(leaves.append, state)
    return leaves


def assert_batch_first(state: Any, batch: int) -> None:
    """Assert that every leaf is a tensor with `batch` rows."""
    for leaf in state_leaves(state):
        assert isinstance(leaf, Tensor), f"the state holds a {type(leaf).__name__}, not a tensor"
        shape = tuple(leaf.shape)
        assert shape[:1] == (batch,), f"the state of {batch} rows holds {shape}: no batch first"


@module_check
def rows_are_independent(subject: ModuleSubject) -> None:
    """A row's output depends on that row alone, in training (no batch norm) and after it."""
    inputs, others = subject.inputs(seed=1), subject.inputs(seed=2)
    mixed = tuple(
        torch.cat([mine[:1], theirs[1:]]) for mine, theirs in zip(inputs, others, strict=True)
    )
    module = subject.awake()
    for mode in modes(module):
        before = seeded(module, *inputs)
        after = seeded(module, *mixed)
        assert_same(after[0], before[0], f"row 0 when other rows change, in {mode} mode")
    with torch.no_grad():
        alone = module(*(tensor[:1] for tensor in inputs))
        assert_same(alone, module(*inputs)[:1], "row 0 alone and in a batch")


@module_check
def every_parameter_learns(subject: ModuleSubject) -> None:
    """Each trainable parameter gets a gradient within a few steps of an optimiser.

    One step is too few: an output of zero has no gradient for the parameters before it.
    """
    module = subject.build().train()
    dead = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not dead:
        return
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3)
    for step in range(6):
        optimiser.zero_grad()
        subject.loss(module, seed=step).backward()  # type: ignore[no-untyped-call]
        for name, parameter in module.named_parameters():
            if parameter.grad is not None:
                assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
                if parameter.grad.any():
                    dead.discard(name)
        optimiser.step()
    assert not dead, f"no gradient ever reaches {', '.join(sorted(dead))}"


@module_check
def state_dict_round_trips(subject: ModuleSubject) -> None:
    """A module of another seed equals the first one after loading its weights by safetensors."""
    module, inputs = subject.awake(), subject.inputs(seed=1)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with torch.no_grad():
        expected = module(*inputs)
    state = module.state_dict()
    spoilt = [name for name, tensor in state.items() if not torch.equal(tensor, before[name])]
    assert not spoilt, f"a call in evaluation mode changes {', '.join(spoilt)}"
    written = safetensors.torch.save({name: tensor.contiguous() for name, tensor in state.items()})
    other = subject.build(seed=1).eval()
    other.load_state_dict(safetensors.torch.load(written))
    with torch.no_grad():
        assert_same(other(*inputs), expected, "the reloaded module's output")


@module_check
def finite_in_bfloat16(subject: ModuleSubject) -> None:
    """In bfloat16 calls, steps and gradients stay finite, and outputs stay bfloat16."""
    module = subject.awake().to(torch.bfloat16)
    outputs = subject.walk(module, torch.bfloat16)
    for output in outputs:
        assert output.dtype == torch.bfloat16, f"an output is {output.dtype}"
        assert output.isfinite().all(), "an output is not finite"
    if not outputs[0].requires_grad:
        return
    outputs[0].float().square().mean().backward()  # type: ignore[no-untyped-call]
    for name, parameter in module.named_parameters():
        finite = parameter.grad is None or bool(parameter.grad.isfinite().all())
        assert finite, f"the gradient of {name} is not finite"


@module_check
def seed_reproduces(subject: ModuleSubject) -> None:
    """`torch.manual_seed` fixes initialisation and training; another seed gives another start."""
    first, second, other = subject.build(3), subject.build(3), subject.build(4)
    losses = []
    for module in (first, second):
        torch.manual_seed(7)
        losses.append(subject.loss(module.train(), seed=1).item())
    pairs = list(zip(first.parameters(), second.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs), "a seed gives different weights each time"
    assert losses[0] == losses[1], f"a seed gives the losses {losses[0]} and {losses[1]}"
    trainable = [parameter.requires_grad for parameter in first.parameters()]
    others = list(zip(first.parameters(), other.parameters(), strict=True))
    moved = any(not torch.equal(a, b) for a, b in others)
    assert moved or not any(trainable), "every seed gives the same weights"


Tree = TypeVar("Tree")


def clone(state: Tree) -> Tree:
    """Return a copy of a state, since a step may change its argument in place."""
    return tree_map(torch.clone, state)


MODULE_CHECKS: Sequence[Check] = (
    rows_are_independent,
    every_parameter_learns,
    state_dict_round_trips,
    *CONFIG_CHECKS,
    finite_in_bfloat16,
    seed_reproduces,
)
