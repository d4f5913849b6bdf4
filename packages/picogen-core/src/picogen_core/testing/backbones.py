"""The properties of a backbone.

Glossary: B rows, S patches, D width. Rows are longer than two chunks of any backbone that mixes
patches in chunks: 256 patches for calls, 64 for single steps.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from picogen_core.model.state_tree import merge_states, select_rows
from picogen_core.testing.compiled.backbones import COMPILED_CHECKS
from picogen_core.testing.kit import Check
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

LENGTHS = (150, 1, 64, 97)
LONG = 600
BORDERS = (1, 2, 15, 16, 31, 32, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, LONG - 1)
AFTER = 4  # patches stepped after a prefill
LETTERS, DELAY = 8, 2  # of the copy task
COPY_STEPS = 400


class BackboneSubject(ModuleSubject):
    """A backbone, its options and its width."""

    def inputs(self, seed: int) -> tuple[Tensor, ...]:
        return (self.noise(4, max(LENGTHS), self.d_model, seed=seed),)

    def loss(self, module: Any, seed: int) -> Tensor:
        (x,) = self.inputs(seed)
        target = self.noise(*x.shape, seed=seed + 100)
        return nn.functional.mse_loss(module(x), target)

    def walk(self, module: Any, dtype: torch.dtype) -> list[Tensor]:
        x = self.inputs(seed=1)[0].to(dtype)
        after = x[:, :AFTER]
        return [module(x), *self.prefill_and_step(module, x, self.lengths(), after)]

    def lengths(self) -> Int[Tensor, " B"]:
        return torch.tensor(LENGTHS, device=self.device)

    def empty(self, module: Any, x: Float[Tensor, "B S D"], after: int) -> Any:
        """Return an empty state with room for `x` and `after` more patches."""
        return module.initial_state(len(x), x.shape[1] + after, x.device, x.dtype)

    def prefill_and_step(
        self,
        module: Any,
        x: Float[Tensor, "B S D"],
        lengths: Int[Tensor, " B"],
        after: Float[Tensor, "B K D"],
    ) -> list[Float[Tensor, "B D"]]:
        """Return the outputs of a prefill and of the K steps after it."""
        with torch.no_grad():
            output, state = module.prefill(x, lengths, self.empty(module, x, after.shape[1]))
            outputs = [output]
            for t in range(after.shape[1]):
                output, state = module.step(after[:, t], state)
                outputs.append(output)
        return outputs


@module_check
def keeps_shape(subject: BackboneSubject) -> None:
    """[B, S, D] -> [B, S, D] in the dtype of the input, for a single patch too."""
    module = subject.awake()
    for rows, patches in ((3, 7), (1, 1), (2, 130)):
        x = subject.noise(rows, patches, subject.d_model, seed=1)
        output = module(x)
        assert output.shape == x.shape, f"{tuple(x.shape)} became {tuple(output.shape)}"
        assert output.dtype == x.dtype, f"{x.dtype} became {output.dtype}"
        assert output.isfinite().all(), "the output is not finite"


@module_check
def is_causal(subject: BackboneSubject) -> None:
    """Outputs up to patch t - 1 do not change when patches from t on do, in training either."""
    module = subject.awake()
    x, other = (subject.noise(1, LONG, subject.d_model, seed=seed) for seed in (1, 2))
    for mode in modes(module):
        before = seeded(module, x)
        for t in BORDERS:
            changed = torch.cat([x[:, :t], other[:, t:]], dim=1)
            after = seeded(module, changed)
            what = f"outputs before patch {t} when it changes, in {mode} mode"
            assert_same(after[:, :t], before[:, :t], what)


@module_check
def uses_the_past(subject: BackboneSubject) -> None:
    """Every output changes with the patches before its own.

    Every other patch is replaced by noise, and the outputs of the patches between must change. (A
    constant added to a patch would vanish in a LayerNorm.)
    """
    module = subject.awake()
    x, other = (subject.noise(1, LONG, subject.d_model, seed=seed) for seed in (1, 2))
    place = torch.arange(LONG, device=x.device)
    with torch.no_grad():
        before = module(x)[0]
        for parity in (0, 1):
            replaced = (place % 2 == parity)[:, None]
            after = module(torch.where(replaced, other, x))[0]
            for t in range(1, LONG):
                if t % 2 != parity:
                    what = f"the output of patch {t} does not depend on earlier patches"
                    assert_changed(after[t], before[t], what)


@module_check
def ignores_padding(subject: BackboneSubject) -> None:
    """Padding after a row's end, of any length, changes neither outputs nor later steps."""
    module, (x,) = subject.awake(), subject.inputs(seed=1)
    lengths, after = subject.lengths(), subject.noise(4, AFTER, subject.d_model, seed=2)
    padding = torch.arange(x.shape[1], device=x.device) >= lengths[:, None]
    noisy = torch.where(padding[..., None], 10 * subject.noise(*x.shape, seed=3), x)
    longer = torch.cat([noisy, subject.noise(4, 5, subject.d_model, seed=4)], dim=1)
    expected = subject.prefill_and_step(module, x, lengths, after)
    for what, padded in (("other padding", noisy), ("more padding", longer)):
        outputs = subject.prefill_and_step(module, padded, lengths, after)
        for t, (output, wanted) in enumerate(zip(outputs, expected, strict=True)):
            moment = f"step {t} after a prefill" if t else "prefill"
            assert_same(output, wanted, f"{moment} with {what}")


@module_check
def prefill_equals_call(subject: BackboneSubject) -> None:
    """Prefill of rows of different lengths gives each row's output at its last patch."""
    module, (x,), lengths = subject.awake(), subject.inputs(seed=1), subject.lengths()
    with torch.no_grad():
        output, state = module.prefill(x, lengths, subject.empty(module, x, 0))
        for row, length in enumerate(LENGTHS):
            alone = module(x[row : row + 1, :length])[0, -1]
            assert_same(output[row], alone, f"prefill of a row of {length} patches")
    assert_batch_first(state, len(x))


@module_check
def step_equals_call(subject: BackboneSubject) -> None:
    """Steps from an empty state, or after a prefill, give the outputs of a call."""
    module, (x,) = subject.awake(), subject.inputs(seed=1)
    with torch.no_grad():
        expected = module(x)
        state = subject.empty(module, x, 0)
        for t in range(x.shape[1]):
            output, state = module.step(x[:, t], state)
            assert_same(output, expected[:, t], f"step {t} from an empty state")
    after = subject.noise(4, AFTER, subject.d_model, seed=2)
    outputs = subject.prefill_and_step(module, x, subject.lengths(), after)
    with torch.no_grad():
        for row, length in enumerate(LENGTHS):
            whole = torch.cat([x[row, :length], after[row]])[None]
            wanted = module(whole)[0, length - 1 :]
            stepped = torch.stack([output[row] for output in outputs])
            assert_same(stepped, wanted, f"{AFTER} steps after a prefill of {length} patches")


@module_check
def states_can_be_selected_and_merged(subject: BackboneSubject) -> None:
    """A state has the batch first: rows can be removed, added, moved and doubled independently."""
    module, (x,), lengths = subject.awake(), subject.inputs(seed=1), subject.lengths()
    after = subject.noise(4, AFTER, subject.d_model, seed=2)
    with torch.no_grad():
        assert_batch_first(subject.empty(module, x, AFTER), len(x))
        _, state = module.prefill(x, lengths, subject.empty(module, x, AFTER))
        assert_batch_first(state, len(x))
        _, fresh = module.prefill(x[1:2], lengths[1:2], subject.empty(module, x[1:2], AFTER))
        expected, following = module.step(after[:, 0], clone(state))
        assert_batch_first(following, len(x))
        second, _ = module.step(after[:, 1], following)
        rows = torch.tensor([3, 0, 0], device=x.device)
        merged = merge_states([select_rows(state, rows), fresh])
        order = [3, 0, 0, 1]
        output, merged = module.step(after[order, 0], merged)
        assert_same(output, expected[order], "a step after selecting and merging rows")
        output, _ = module.step(after[order, 1], merged)
        assert_same(output, second[order], "the second step after selecting and merging rows")


@module_check
def learns_a_copy_task(subject: BackboneSubject) -> None:
    """After seconds of training, it recalls which of 8 letters was two patches ago.

    Cross-entropy starts at ln 8 = 2.08 nat and has to fall below a quarter of it.
    """
    module = subject.build().train()
    torch.manual_seed(1)
    letters = nn.Embedding(LETTERS, subject.d_model).to(subject.device)
    readout = nn.Linear(subject.d_model, LETTERS).to(subject.device)
    parameters = [p for part in (module, letters, readout) for p in part.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=3e-3)
    generator = torch.Generator().manual_seed(2)
    goal, loss = math.log(LETTERS) / 4, math.inf
    for _ in range(COPY_STEPS):
        text = torch.randint(LETTERS, (16, 12), generator=generator).to(subject.device)
        x = 0.1 * letters(text)  # at full size they dominate learned positions for 300 steps
        logits = readout(module(x))[:, DELAY:]
        cross_entropy = nn.functional.cross_entropy(
            logits.flatten(0, 1), text[:, :-DELAY].flatten()
        )
        loss = cross_entropy.item()
        if loss < goal:
            return
        optimiser.zero_grad()
        cross_entropy.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    raise AssertionError(f"after {COPY_STEPS} steps cross-entropy is {loss:.2f}, not {goal:.2f}")


@module_check
def exports_write_files(subject: BackboneSubject) -> None:
    """Each format of `export`, if any, writes files, returns Python code that opens them, and does
    not change the module."""
    module = subject.awake()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    for to, write in subject.entry.spec.export.items():
        with tempfile.TemporaryDirectory() as folder:
            opening = write(module, subject.noise(5, subject.d_model, seed=1), Path(folder))
            assert any(Path(folder).iterdir()), f"export {to!r} writes nothing"
        assert isinstance(opening, str), f"export {to!r} returns {opening!r}, not Python"
        compile(opening, f"export {to!r}", "exec")
        after = module.state_dict()
        same = before.keys() == after.keys() and all(
            torch.equal(tensor, after[name]) for name, tensor in before.items()
        )
        assert same, f"export {to!r} changes the module"


CHECKS: Sequence[Check] = (
    keeps_shape,
    is_causal,
    uses_the_past,
    ignores_padding,
    prefill_equals_call,
    step_equals_call,
    states_can_be_selected_and_merged,
    *MODULE_CHECKS,
    exports_write_files,
    learns_a_copy_task,
    *COMPILED_CHECKS,
)
