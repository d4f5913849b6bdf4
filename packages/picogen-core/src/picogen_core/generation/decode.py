"""Cached decoding of a batch of independent pieces: the reference engine, in torch.

N rows still being written  P = 16 characters a patch  D width  V = 128 codes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from picogen_core.abc.patches import (
    BOS,
    EOS,
    PAD,
    PATCH_SIZE,
    decode,
    encode_prompt,
    patch_text,
)
from picogen_core.errors import BadInput, ConfigError
from picogen_core.generation.options import SamplingOptions
from picogen_core.generation.sampling import sample
from picogen_core.model.student import GenericStudent
from picogen_core.trees import select_rows

FIRST_COUNTER = "[r:0/"  # a body begins at its first bar


@dataclass
class Draft:
    """One piece as it is being written. `text` has the counters `[r:i/n]` still in it."""

    number: int
    text: str
    patches: int
    complete: bool = False
    in_body: bool = False
    rng: np.random.Generator = field(default_factory=np.random.default_rng)


@torch.no_grad()
def generate(
    model: GenericStudent,
    prompt: str,
    *,
    seed: int,
    numbers: Sequence[int],
    max_patches: int,
    sampling: SamplingOptions,
    on_patch: Callable[[int], None] | None = None,
) -> list[Draft]:
    """Continue `prompt` (as `place_prompt` made it) once for each number, all in one batch.

    Piece k draws from a stream of uniforms made of (seed, k) alone. A piece is complete when the
    model closed it; otherwise it ran into `max_patches`, prompt included. `on_patch` hears how
    many pieces got another patch.

    Raises:
        BadInput: the prompt fills `max_patches`, or the model's output is not finite.
        ConfigError: more patches than the backbone has positions for.
    """
    begun = encode_prompt(prompt)
    count = len(begun.patches)
    if count + 1 > max_patches:
        raise ConfigError(
            f"the prompt fills {count} patches of --max-length {max_patches}. Ask for more."
        )
    device = model.device
    one = torch.from_numpy(begun.patches.astype(np.int64))[None].to(device)
    hidden, state = model.prefill(
        one, torch.tensor([count], device=device), model.initial_state(1, max_patches)
    )
    rows = torch.zeros(len(numbers), dtype=torch.long, device=device)
    hidden, state = hidden[rows], select_rows(state, rows)
    text = decode(begun.patches)
    drafts = [
        Draft(
            k, text, count, in_body="[r:" in text + begun.tail, rng=np.random.default_rng([seed, k])
        )
        for k in numbers
    ]
    active, tail = drafts, begun.tail
    while active:
        patch = _next_patches(model, hidden, active, tail, sampling)
        tail = ""
        going = []
        for i, draft in enumerate(active):
            codes = patch[i].numpy().astype(np.uint8)
            draft.patches += 1
            draft.complete = bool(codes[0] == BOS)
            draft.text += patch_text(codes)
            draft.in_body |= draft.text.rfind("[r:") >= 0
            if not draft.complete and draft.patches < max_patches:
                going.append(i)
        if on_patch:
            on_patch(len(active))
        if len(going) < len(active):
            kept = torch.tensor(going, dtype=torch.long, device=device)
            active = [active[i] for i in going]
            patch, state = patch[going], select_rows(state, kept)
        if active:
            hidden, state = model.step(patch.to(device), state)
    return drafts


def _next_patches(
    model: GenericStudent,
    hidden: Float[Tensor, "N D"],
    drafts: Sequence[Draft],
    tail: str,
    sampling: SamplingOptions,
) -> Int[Tensor, "N P"]:
    """One patch a row. A body that does not begin at bar 0 is drawn again after `[r:0/`."""
    uniforms = torch.from_numpy(np.stack([draft.rng.random(PATCH_SIZE) for draft in drafts]))
    patch = _draw(model.head, hidden, [tail] * len(drafts), uniforms, sampling)
    again = [
        i
        for i, draft in enumerate(drafts)
        if not draft.in_body
        and (text := _text(patch[i])).startswith("[r:")
        and text[:5] != FIRST_COUNTER
    ]
    if again:
        forced = [FIRST_COUNTER] * len(again)
        patch[again] = _draw(model.head, hidden[again], forced, uniforms[again], sampling)
    return patch


def _text(patch: Int[Tensor, " P"]) -> str:
    return patch_text(patch.numpy().astype(np.uint8))


def _draw(
    head: Any,
    hidden: Float[Tensor, "N D"],
    forced: Sequence[str],
    uniforms: Float[Tensor, "N P"],
    sampling: SamplingOptions,
) -> Int[Tensor, "N P"]:
    """Characters up to EOS, then padding; the characters of `forced` come first."""
    rows = len(forced)
    given = torch.full((rows, PATCH_SIZE), -1)
    for i, text in enumerate(forced):
        given[i, : len(text)] = torch.tensor(list(text.encode("ascii")), dtype=torch.long)
        if text.endswith("\n"):  # a line is complete: nothing but EOS follows in its patch
            given[i, len(text) : len(text) + 1] = EOS
    patch = torch.full((rows, PATCH_SIZE), PAD)
    done = torch.zeros(rows, dtype=torch.bool)
    state: Any = None
    for j in range(PATCH_SIZE):
        if j == 0:
            logits, state = head.begin(hidden)
        else:
            logits, state = head.step(patch[:, j - 1].to(hidden.device), state)
        logits = logits.float().cpu()
        if not torch.isfinite(logits).all():
            raise BadInput(
                f"the model's output is not finite at character {j} of a patch. "
                "The checkpoint is damaged or diverged in training; use another."
            )
        logits[:, PAD] = -torch.inf  # stands only behind EOS
        logits[:, EOS if j == 0 else BOS] = -torch.inf  # BOS only heads the closing patch
        drawn = sample(logits, uniforms[:, j], sampling)
        drawn = torch.where(given[:, j] >= 0, given[:, j], drawn)
        patch[:, j] = torch.where(done, PAD, drawn)
        done |= (drawn == EOS) | ((drawn == BOS) & (j == 0))
        if bool(done.all()):
            break
    return patch
