"""The properties of a head.

Glossary: N patches, P = 16 characters of a patch, V = 128 character codes, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from picogen_core.abc.patches import PATCH_SIZE, VOCABULARY
from picogen_core.model.state_tree import merge_states, select_rows
from picogen_core.plugins.specs import HeadSpec
from picogen_core.testing.compiled.heads import COMPILED_CHECKS
from picogen_core.testing.kit import Check, NotApplicable
from picogen_core.testing.modules import (
    MODULE_CHECKS,
    ModuleSubject,
    assert_batch_first,
    assert_changed,
    assert_same,
    clone,
    modes,
    module_check,
    seeded,
)
from picogen_core.testing.remembering import REMEMBERING_CHECKS

N, P, V = 6, PATCH_SIZE, VOCABULARY
PRINTABLE = (32, 127)  # the codes of text
PATCH_STEPS = 300


class HeadSubject(ModuleSubject):
    """A head, its options and the width of its hidden states.

    In the checks of this module, a head that remembers gets pieces of a single patch.
    """

    @property
    def remembers(self) -> bool:
        spec: HeadSpec = self.entry.spec
        return spec.remembers

    def patches(self, seed: int) -> tuple[Float[Tensor, "N D"], Int[Tensor, "N P"]]:
        """Return hidden states, and patches that they predict."""
        generator = torch.Generator().manual_seed(seed)
        patch = torch.randint(*PRINTABLE, (N, P), generator=generator).to(self.device)
        return self.noise(N, self.d_model, seed=seed), patch

    def inputs(self, seed: int) -> tuple[Tensor, ...]:
        hidden, patch = self.patches(seed)
        return hidden, patch, *self.alone(hidden)

    def alone(self, hidden: Float[Tensor, "N D"]) -> tuple[Int[Tensor, " N"], ...]:
        """Return the further arguments of a call on patches that are whole pieces."""
        rows = torch.arange(len(hidden), device=hidden.device)
        return (rows, torch.ones_like(rows)) if self.remembers else ()

    def call(
        self, module: Any, hidden: Float[Tensor, "N D"], patch: Int[Tensor, "N J"]
    ) -> Float[Tensor, "N J V"]:
        """Return the logits of patches that are whole pieces."""
        result: Tensor = module(hidden, patch, *self.alone(hidden))
        return result

    def begin(self, module: Any, hidden: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N V"], Any]:
        """Return the first logits of patches that are whole pieces, and their state."""
        if not self.remembers:
            logits, state = module.begin(hidden)
        else:
            memory = module.initial_memory(len(hidden), 1, hidden.device, hidden.dtype)
            logits, state = module.begin(hidden, memory)
        return logits, state

    def loss(self, module: Any, seed: int) -> Tensor:
        hidden, patch = self.patches(seed)
        if self.remembers:  # two pieces of three patches
            place = torch.arange(N, device=hidden.device)
            logits = module(hidden, patch, place // 3, 1 + place % 3)
        else:
            logits = module(hidden, patch)
        return nn.functional.cross_entropy(logits.flatten(0, 1), patch.flatten())

    def walk(self, module: Any, dtype: torch.dtype) -> list[Tensor]:
        hidden, patch = self.patches(seed=1)
        hidden = hidden.to(dtype)
        return [self.call(module, hidden, patch), self.stepped(module, hidden, patch)]

    def stepped(
        self, module: Any, hidden: Float[Tensor, "N D"], patch: Int[Tensor, "N P"]
    ) -> Float[Tensor, "N P V"]:
        """Return the logits of a patch, one character after another."""
        with torch.no_grad():
            logits, state = self.begin(module, hidden)
            all_logits = [logits]
            for j in range(P - 1):
                logits, state = module.step(patch[:, j], state)
                all_logits.append(logits)
        return torch.stack(all_logits, dim=1)


@module_check
def keeps_shape(subject: HeadSubject) -> None:
    """[N, D], [N, P] -> finite logits [N, P, V], for a single patch too."""
    module, (hidden, patch) = subject.awake(), subject.patches(seed=1)
    for rows in (N, 1):
        logits = subject.call(module, hidden[:rows], patch[:rows])
        assert logits.shape == (rows, P, V), f"logits are {tuple(logits.shape)}"
        assert logits.isfinite().all(), "a logit is not finite"


@module_check
def is_causal(subject: HeadSubject) -> None:
    """The logits of position j do not change when characters from j on do, in training either."""
    module, (hidden, patch) = subject.awake(), subject.patches(seed=1)
    _, other = subject.patches(seed=2)
    for mode in modes(module):
        before = seeded(subject.call, module, hidden, patch)
        for j in range(P):
            changed = torch.cat([patch[:, :j], other[:, j:]], dim=1)
            after = seeded(subject.call, module, hidden, changed)
            what = f"logits up to position {j} when the characters from there on change"
            assert_same(after[:, : j + 1], before[:, : j + 1], f"{what}, in {mode} mode")


@module_check
def uses_earlier_characters(subject: HeadSubject) -> None:
    """Each character changes the logits of the next."""
    module, (hidden, patch) = subject.awake(), subject.patches(seed=1)
    _, other = subject.patches(seed=2)
    with torch.no_grad():
        before = subject.call(module, hidden, patch)
        for j in range(P - 1):
            changed = patch.clone()
            changed[:, j] = other[:, j]
            after = subject.call(module, hidden, changed)[:, j + 1]
            assert_changed(after, before[:, j + 1], f"position {j + 1} does not see character {j}")


@module_check
def uses_the_hidden_state(subject: HeadSubject) -> None:
    """The logits of every position change with the hidden state."""
    module, (hidden, patch) = subject.awake(), subject.patches(seed=1)
    other, _ = subject.patches(seed=2)
    with torch.no_grad():
        before = subject.call(module, hidden, patch)
        after = subject.call(module, other, patch)
    for j in range(P):
        what = f"position {j} does not depend on the hidden state"
        assert_changed(after[:, j], before[:, j], what)


@module_check
def step_equals_call(subject: HeadSubject) -> None:
    """`begin` and then one step per character give the logits of a call."""
    module, (hidden, patch) = subject.awake(), subject.patches(seed=1)
    with torch.no_grad():
        expected = subject.call(module, hidden, patch)
    stepped = subject.stepped(module, hidden, patch)
    for j in range(P):
        assert_same(stepped[:, j], expected[:, j], f"the logits of position {j}")


@module_check
def cut_patches_equal_whole_ones(subject: HeadSubject) -> None:
    """With `reads_cut_patches`, the logits of cut patches are the first of the whole ones."""
    if not subject.entry.spec.reads_cut_patches:
        raise NotApplicable("its spec has no reads_cut_patches")
    module, (hidden, patch) = subject.awake(), subject.patches(seed=1)
    with torch.no_grad():
        whole = subject.call(module, hidden, patch)
        for width in (2, 7, 15):
            cut = subject.call(module, hidden, patch[:, :width])
            assert cut.shape == (N, width, V), f"{width} characters gave logits {tuple(cut.shape)}"
            assert_same(cut, whole[:, :width], f"the logits of patches cut to {width} characters")


@module_check
def states_can_be_selected_and_merged(subject: HeadSubject) -> None:
    """A state has the batch first: rows can be removed, added, moved and doubled independently."""
    module, (hidden, patch) = subject.awake(), subject.patches(seed=1)
    with torch.no_grad():
        _, state = subject.begin(module, hidden)
        assert_batch_first(state, N)
        _, state = module.step(patch[:, 0], state)
        assert_batch_first(state, N)
        expected, following = module.step(patch[:, 1], clone(state))
        second, _ = module.step(patch[:, 2], following)
        order = [4, 0, 0, 5, 1]
        first = select_rows(state, torch.tensor(order[:2], device=hidden.device))
        rest = select_rows(state, torch.tensor(order[2:], device=hidden.device))
        output, merged = module.step(patch[order, 1], merge_states([first, rest]))
        assert_same(output, expected[order], "a step after selecting and merging rows")
        output, _ = module.step(patch[order, 2], merged)
        assert_same(output, second[order], "the second step after selecting and merging rows")


@module_check
def learns_patches_by_heart(subject: HeadSubject) -> None:
    """After seconds of training on 6 pairs of hidden state and patch, it knows them.

    Cross-entropy starts near ln 128 = 4.85 nat and has to fall below a quarter of it. A head
    without trainable parameters passes.
    """
    module, (hidden, patch) = subject.build().train(), subject.patches(seed=1)
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not parameters:
        return
    optimiser = torch.optim.AdamW(parameters, lr=3e-3)
    goal, loss = math.log(V) / 4, math.inf
    for _ in range(PATCH_STEPS):
        logits = subject.call(module, hidden, patch)
        cross_entropy = nn.functional.cross_entropy(logits.flatten(0, 1), patch.flatten())
        loss = cross_entropy.item()
        if loss < goal:
            return
        optimiser.zero_grad()
        cross_entropy.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    raise AssertionError(f"after {PATCH_STEPS} steps cross-entropy is {loss:.2f}, not {goal:.2f}")


CHECKS: Sequence[Check] = (
    keeps_shape,
    is_causal,
    uses_earlier_characters,
    uses_the_hidden_state,
    step_equals_call,
    cut_patches_equal_whole_ones,
    states_can_be_selected_and_merged,
    *MODULE_CHECKS,
    learns_patches_by_heart,
    *REMEMBERING_CHECKS,
    *COMPILED_CHECKS,
)
