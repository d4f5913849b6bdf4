"""Rewards for music that the student writes itself: what was drawn, and its gradient."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picogen_core import ConfigError
from picogen_core.abc.patches import BOS, EOS, decode
from picogen_core.data.batches import Sampling, collate, train_steps
from picogen_core.data.prepared.index import open_data
from picogen_core.data.prepared.store import encode_piece
from picogen_core.model.checkpoint import load_model
from picogen_core.runtime.progress import Quiet
from picogen_core.training.config import TrainConfig
from picogen_core.training.loop import run_training
from picogen_core.training.own_text.feedback import (
    drawn_characters,
    log_probabilities,
    normalised,
    rewarded_pieces,
)
from picogen_core.training.processes import Processes
from picogen_core.training.setup import build_parts
from torch.nn import functional as F

torch.set_num_threads(1)
ALONE = Processes(torch.device("cpu"))
NO_CAST = torch.autocast("cpu", enabled=False)


def make_config(data: Path, out: Path, **changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        "output_dir": out, "data": data, "d_model": 32, "max_patches": 24, "epochs": 1,
        "backbone": {"name": "rwkv", "layers": 1, "head_size": 16}, "batch_size": 4, "lr": 3e-3,
        "sample_patches": 12,
    }  # fmt: skip
    return TrainConfig(**values | changes)


def test_too_few_pieces_to_know_the_target_are_refused(ragged: Path, tmp_path: Path):
    feedback = {"physics": {"mode": "feedback"}}
    with pytest.raises(ConfigError, match=r"needs 20 .* 13 of 40 have one"):
        run_training(make_config(ragged, tmp_path, loss=feedback))


def test_reinforce_is_the_gradient_of_what_was_drawn(ragged: Path, tmp_path: Path, letters: None):
    """Its gradient against one formula on the probabilities with which characters were drawn."""
    head = {"name": "char-gru", "width": 32}
    config = make_config(
        ragged, tmp_path, loss={"letters": {"weight": 0.5}}, head=head, accumulate=2
    )
    parts = build_parts(config, ALONE.device, Quiet())
    model, train = parts.model, open_data(ragged).split("train")
    batches = next(train_steps(train, None, Sampling(4, 2, 24, 0), 0))
    steps = (
        rewarded_pieces(config, parts.objective, model, batches, step, 0.0, ALONE)
        for step in range(20)
    )
    pieces = next(each[0] for each in steps if each)
    assert [number for number, _ in pieces.batches] == [0, 1, 2, 3]
    assert pieces.parts["letters/rewarded"] == 16
    rng = torch.Generator().manual_seed(0)
    advantages = [torch.randn(4, generator=rng) for _ in pieces.batches]
    pieces = type(pieces)(**vars(pieces) | {"advantages": advantages})
    pieces.add(model, NO_CAST, ALONE.device, (0, 0))
    got = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    total, count = torch.zeros(()), 0
    for (_, batch), advantage in zip(pieces.batches, advantages, strict=True):
        output = model(batch.patches, batch.lengths)
        probabilities = output.logits.softmax(-1)
        for n, (row, patch) in enumerate(
            zip(output.row.tolist(), output.patch.tolist(), strict=True)
        ):
            for place, code in enumerate(batch.patches[row, patch].tolist()):
                if patch * 16 + place < int(batch.given[row]) or code == 0:
                    continue
                if place and batch.patches[row, patch, 0] == BOS:
                    continue
                never = [0, EOS] if place == 0 else [0, BOS]
                possible = 1 - probabilities[n, place, never].sum()
                total = total - advantage[row] * (probabilities[n, place, code] / possible).log()
                count += 1
    assert count == pieces.characters
    (0.5 * total / count).backward()
    wanted = [p.grad for p in model.parameters() if p.grad is not None]
    for mine, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-3)


def test_drawn_characters_end_at_bos():
    batch = collate([encode_piece("L:1/4\nM:4/4\nK:C\nV:1 treble\n[V:1]CDEF|\n")])
    drawn = drawn_characters(batch)[0]
    assert drawn[0].sum() == 0 and drawn[-1].tolist() == [True] + [False] * 15
    text = decode(batch.patches[0].numpy())
    cuts = (batch.patches[0, 1:-1] == EOS).sum()
    assert drawn.sum() == len(text) + cuts + 1


def test_probabilities_are_those_of_the_draw(small_student: Path):
    model = load_model(small_student)
    batch = collate([encode_piece("L:1/4\nM:4/4\nK:C\nV:1 treble\n[V:1]CDEF|\n")])
    output = model(batch.patches, batch.lengths)
    row, logs = log_probabilities(output, batch)
    assert torch.isfinite(logs).all() and (logs <= 0).all() and set(row.tolist()) == {0}
    plain = F.log_softmax(output.logits, -1).gather(2, output.characters[..., None])[..., 0]
    assert (logs >= plain[drawn_characters(batch)[output.row, output.patch]] - 1e-6).all()


def test_advantages_are_normalised_and_nothing_for_pieces_without_reward():
    got = normalised(np.array([1.0, np.nan, 3.0, 5.0]))
    np.testing.assert_allclose(got, [-np.sqrt(1.5), 0, 0, np.sqrt(1.5)], atol=1e-12)
    assert normalised(np.array([2.0, 2.0])).tolist() == [0, 0]
    assert normalised(np.array([np.nan])).tolist() == [0]
