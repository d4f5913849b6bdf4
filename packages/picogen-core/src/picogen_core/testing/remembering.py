"""The properties of a head that remembers. Other heads pass.

Shapes are those of `written_pieces`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from picogen_core.abc.patches import EOS, PAD, PATCH_SIZE
from picogen_core.model.state_tree import merge_states, select_rows
from picogen_core.testing.kit import Check, NotApplicable
from picogen_core.testing.modules import (
    ModuleSubject,
    assert_batch_first,
    assert_changed,
    assert_same,
    clone,
    modes,
    module_check,
    seeded,
    state_leaves,
)
from picogen_core.testing.written_pieces import (
    LENGTHS,
    WINDOW,
    Pieces,
    empty_memory,
    make_pieces,
    narrowed,
    write,
)

QUOTED, LETTERS, QUOTE_STEPS = 3, 8, 500


def remembering_check(check: Check) -> Check:
    """Decorator of a check: not applicable if the spec lacks `remembers`."""

    @functools.wraps(check)
    def run(subject: Any) -> None:
        if not subject.entry.spec.remembers:
            raise NotApplicable("it forgets earlier patches")
        module_check(check)(subject)

    return run


def _heads(subject: ModuleSubject) -> Iterator[tuple[str, Any]]:
    """Yield the head in evaluation mode, also with a window shorter than a piece if it has one."""
    yield "", subject.awake()
    narrow = narrowed(subject)
    if narrow is not None:
        yield f", window={WINDOW}", narrow.awake()


@remembering_check
def remembers_earlier_patches(subject: ModuleSubject) -> None:
    """The logits of every patch change with the characters of the patch before."""
    module, pieces = subject.awake(), make_pieces(subject, seed=1, lengths=(5, 5))
    other = make_pieces(subject, seed=2, lengths=(5, 5))
    before = seeded(pieces.call, module)
    for t in range(1, 5):
        patches = pieces.patches.clone()
        patches[:, t - 1] = other.patches[:, t - 1]
        changed = Pieces(pieces.hidden, patches, pieces.lengths)
        after = seeded(changed.call, module)
        assert_changed(after[:, t], before[:, t], f"patch {t} does not see the patch before it")


@remembering_check
def sees_no_later_patch(subject: ModuleSubject) -> None:
    """Logits up to a place do not depend on later characters, patches and hidden states.

    This holds in evaluation and in training mode.
    """
    for which, module in _heads(subject):
        pieces, other = make_pieces(subject, seed=1), make_pieces(subject, seed=2)
        for mode in modes(module):
            before = seeded(pieces.call, module)
            for t, j in itertools.product(range(max(LENGTHS)), (0, 1, 7)):
                changed = _changed(pieces, other, t, j, like_lengths=mode == "training")
                after = seeded(changed.call, module)
                what = f"when patch {t} changes from place {j} on, in {mode} mode{which}"
                there = (pieces.patches[:, t, : j + 1] != PAD).all(1)
                for name, seen in (
                    ("logits up to there", (there, t, slice(j + 1))),
                    ("logits of earlier patches", (slice(None), slice(t))),
                ):
                    if before[seen].numel():
                        assert_same(after[seen], before[seen], f"{name} {what}")


def _changed(pieces: Pieces, other: Pieces, t: int, j: int, like_lengths: bool) -> Pieces:
    """Return pieces with other characters from place j of patch t, and other hidden states after t.

    `like_lengths`: patches keep their lengths, so that dropout draws the same numbers.
    """
    hidden, patches = pieces.hidden.clone(), pieces.patches.clone()
    hidden[:, t + 1 :] = other.hidden[:, t + 1 :]
    patches[:, t, j:], patches[:, t + 1 :] = other.patches[:, t, j:], other.patches[:, t + 1 :]
    patches[:, t] = torch.where(patches[:, t] == PAD, EOS, patches[:, t])
    if like_lengths:
        patches = torch.where(patches == PAD, EOS, patches)
    same = torch.arange(patches.shape[1], device=patches.device)[:, None] <= t
    keep = (pieces.patches == PAD) & (same if not like_lengths else True)
    return Pieces(hidden, patches.masked_fill(keep, PAD), pieces.lengths)


@remembering_check
def pieces_are_independent(subject: ModuleSubject) -> None:
    """A piece's logits are the same alone, and among others in any order, in training too."""
    for which, module in _heads(subject):
        pieces = make_pieces(subject, seed=1)
        for mode in modes(module):
            if mode == "training" and _draws(module):
                continue
            together = seeded(pieces.call, module)
            order = [2, 0, 1]
            moved = seeded(pieces.rows(order).call, module)
            assert_same(moved, together[order], f"logits in another order, in {mode} mode{which}")
            for row, length in enumerate(LENGTHS):
                one = pieces.rows([row])
                one = Pieces(one.hidden[:, :length], one.patches[:, :length], one.lengths)
                alone = seeded(one.call, module)
                what = f"logits of a piece of {length} patches, alone, in {mode} mode{which}"
                assert_same(alone, together[[row], :length], what)


def _draws(module: nn.Module) -> bool:
    """Return whether training mode draws random numbers, which depend on the shape."""
    return any(getattr(part, "p", 0) or getattr(part, "dropout", 0.0) for part in module.modules())


@remembering_check
def writing_equals_the_call(subject: ModuleSubject) -> None:
    """`begin`, steps and `close` of patch after patch give the logits of a call.

    Steps after a patch's end have no effect.
    """
    for which, module in _heads(subject):
        pieces = make_pieces(subject, seed=1)
        expected = seeded(pieces.call, module)
        memory = empty_memory(module, pieces)
        written, _ = seeded(write, module, pieces, memory, range(max(LENGTHS)))
        for t in range(max(LENGTHS)):
            for j in range(PATCH_SIZE):
                what = f"the logits of place {j} of patch {t}, written{which}"
                assert_same(written[:, t, j], expected[:, t, j], what)


@remembering_check
def reading_equals_writing(subject: ModuleSubject) -> None:
    """Pieces of different lengths are read at once, and each continues as if it had been written.

    Padding of any length after their ends has no effect. Pieces without a patch are allowed.
    """
    for which, module in _heads(subject):
        pieces = make_pieces(subject, seed=1, lengths=(9, 9, 9))
        lengths = torch.tensor(LENGTHS, device=subject.device) - 1
        noise = make_pieces(subject, seed=2, lengths=(9, 9, 9))
        expected = seeded(pieces.call, module)
        for longest in (max(LENGTHS) - 1, max(LENGTHS)):
            behind = torch.arange(longest, device=subject.device) >= lengths[:, None]
            wrong, right = (
                (each.hidden[:, :longest], each.patches[:, :longest]) for each in (noise, pieces)
            )
            prompt = Pieces(
                torch.where(behind[..., None], wrong[0], right[0]),
                torch.where(behind[..., None], wrong[1], right[1]),
                lengths,
            )
            memory = seeded(_read, module, prompt, empty_memory(module, pieces))
            assert_batch_first(memory, len(lengths))
            for row, length in enumerate(lengths.tolist()):
                one, rows = pieces.rows([row]), torch.tensor([row], device=subject.device)
                rest = range(length, 9)
                begun = select_rows(memory, rows)
                written, _ = seeded(write, module, one, begun, rest)
                what = f"what follows a prompt of {length} patches read with others{which}"
                assert_same(written, expected[[row], length:], what)

        nothing = Pieces(pieces.hidden[:, :0], pieces.patches[:, :0], 0 * lengths)
        memory = seeded(_read, module, nothing, empty_memory(module, pieces))
        written, _ = seeded(write, module, pieces, memory, range(2))
        assert_same(written, expected[:, :2], f"what follows an empty prompt{which}")


def _read(module: Any, prompt: Pieces, memory: Any) -> Any:
    return module.read(prompt.hidden, prompt.patches, prompt.lengths, memory)


@remembering_check
def memories_can_be_selected_and_merged(subject: ModuleSubject) -> None:
    """A memory has the batch first: rows can be removed, added, moved and doubled independently.

    This holds between patches and within one.
    """
    for which, module in _heads(subject):
        pieces = make_pieces(subject, seed=1, lengths=(7, 7, 7))
        with torch.no_grad():
            memory = empty_memory(module, pieces)
            assert_batch_first(memory, 3)
            expected = pieces.call(module)
            _, memory = write(module, pieces, memory, range(3))
            rows = torch.tensor([2, 0, 0], device=subject.device)
            fresh = empty_memory(module, pieces.rows([1]))
            _, fresh = write(module, pieces.rows([1]), fresh, range(3))
            merged = merge_states([select_rows(memory, rows), fresh])
            order = [2, 0, 0, 1]
            written, _ = write(module, pieces.rows(order), merged, range(3, 7))
            what = "patches after selecting and merging memories"
            assert_same(written, expected[order, 3:], f"{what}{which}")
            _, state = module.begin(pieces.hidden[:, 3], memory)
            _, state = module.step(pieces.patches[:, 3, 0], state)
            assert_batch_first(state, 3)
            states = [select_rows(state, torch.tensor([i], device=subject.device)) for i in (1, 2)]
            logits, _ = module.step(pieces.patches[[1, 2], 3, 1], merge_states(states))
            wanted = torch.where(
                (pieces.patches[[1, 2], 3, 2] == PAD)[:, None], logits, expected[[1, 2], 3, 2]
            )
            assert_same(logits, wanted, f"a step after selecting and merging states{which}")


@remembering_check
def a_memory_outlives_what_was_begun(subject: ModuleSubject) -> None:
    """A patch that was begun and abandoned leaves no trace in the memory."""
    for which, module in _heads(subject):
        pieces, other = (make_pieces(subject, seed=seed, lengths=(6, 6)) for seed in (1, 2))
        with torch.no_grad():
            _, memory = write(module, pieces, empty_memory(module, pieces), range(4))
            kept = clone(memory)
            expected, _ = write(module, pieces, clone(memory), range(4, 6))
            write(module, other, memory, range(4, 5))
            again, _ = write(module, pieces, memory, range(4, 6))
            assert_same(again, expected, f"a patch begun anew after another was given up{which}")
            same = all(a.shape == b.shape for a, b in _pairs(memory, kept))
            assert same, f"the memory changes its shape{which}"


def _pairs(a: Any, b: Any) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(state_leaves(a), state_leaves(b), strict=True)


@remembering_check
def the_window_is_kept(subject: ModuleSubject) -> None:
    """With an option `window`, earlier characters have no effect on logits.

    A memory for 10,000 patches is no larger than one for 1,000.
    """
    narrow = narrowed(subject)
    if narrow is None:
        raise NotApplicable("it has no option window")
    module = narrow.awake()
    layers = narrow.entry.options(narrow.options).model_dump().get("layers", 1)
    patches = layers * (WINDOW // PATCH_SIZE + 1) + 4
    pieces, other = (
        _full(make_pieces(subject, seed=seed, lengths=(patches, patches))) for seed in (1, 2)
    )
    before = seeded(pieces.call, module)
    mixed = pieces.patches.clone()
    mixed[:, :2] = other.patches[:, :2]
    after = seeded(Pieces(pieces.hidden, mixed, pieces.lengths).call, module)
    assert_same(after[:, -1], before[:, -1], "the last patch when the first ones change")
    device = torch.device(subject.device)
    memories = [module.initial_memory(1, n, device, torch.float32) for n in (1_000, 10_000)]
    sizes = [[leaf.nbytes for leaf in state_leaves(memory)] for memory in memories]
    assert sizes[0] == sizes[1], f"1,000 patches take {sizes[0]} bytes, 10,000 take {sizes[1]}"


def _full(pieces: Pieces) -> Pieces:
    """Return the pieces without padding."""
    patches = torch.where(pieces.patches <= EOS, ord("z"), pieces.patches)
    return Pieces(pieces.hidden, patches, pieces.lengths)


@remembering_check
def learns_to_quote(subject: ModuleSubject) -> None:
    """After seconds of training on random pieces that repeat their first half, it predicts the
    second half.

    All hidden states are the same. Cross-entropy there is near ln 8 = 2.08 nat once the letters are
    known, and has to fall below half of it.
    """
    module = subject.build().train()
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not parameters:
        return
    optimiser = torch.optim.AdamW(parameters, lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    goal, loss = math.log(LETTERS) / 2, math.inf
    shape = 16, QUOTED
    for _ in range(QUOTE_STEPS):
        letters = torch.randint(LETTERS, (*shape, PATCH_SIZE), generator=generator) + ord("A")
        hidden = torch.randn(*shape, subject.d_model, generator=generator)
        letters, hidden = letters.to(subject.device), hidden.to(subject.device)
        lengths = torch.full((shape[0],), 2 * QUOTED, device=subject.device)
        pieces = Pieces(hidden.repeat(1, 2, 1), letters.repeat(1, 2, 1), lengths)
        logits = pieces.call(module)
        known = nn.functional.cross_entropy(logits.flatten(0, 2), pieces.patches.flatten())
        quoted = nn.functional.cross_entropy(logits[:, QUOTED:].flatten(0, 2), letters.flatten())
        loss = quoted.item()
        if loss < goal:
            return
        optimiser.zero_grad()
        known.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    raise AssertionError(f"after {QUOTE_STEPS} steps cross-entropy is {loss:.2f}, not {goal:.2f}")


REMEMBERING_CHECKS: Sequence[Check] = (
    remembers_earlier_patches,
    sees_no_later_patch,
    pieces_are_independent,
    writing_equals_the_call,
    reading_equals_writing,
    memories_can_be_selected_and_merged,
    a_memory_outlives_what_was_begun,
    the_window_is_kept,
    learns_to_quote,
)
