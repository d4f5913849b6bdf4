"""Likelihood: the bits of `training.evaluate`, in one key, with a model of known odds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from picogen_core import ConfigError, Undefined
from picogen_core.evaluation.scoring import ScoreRequest, score_folder
from picogen_core.score.reading import Piece, piece_from_abc
from picogen_metrics.likelihood import LikelihoodMetric, LikelihoodOptions

TUNE = "X:1\nM:4/4\nL:1/4\nK:{}\nGABc|dcBA|GBdB|G4|]\n"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model whose every character is equally likely: 7 bits each."""
    import torch
    from picogen_core.model.checkpoint import save_checkpoint
    from picogen_core.model.config import ModelConfig
    from picogen_core.model.student import GenericStudent

    torch.set_num_threads(1)
    config = ModelConfig.model_validate(
        {"backbone": "rwkv", "head": "char-gru", "d_model": 64, "backbone_options": {"layers": 1}}
    )
    model = GenericStudent(config)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.zero_()
    folder = tmp_path_factory.mktemp("run") / "best"
    save_checkpoint(folder, model, {})
    return folder


def test_equal_odds_are_seven_bits_a_character(checkpoint: Path) -> None:
    metric = LikelihoodMetric(LikelihoodOptions(checkpoint=checkpoint))
    rows = [metric.measure(piece_from_abc("a", TUNE.format(key))) for key in ("G", "D")]
    assert rows[0]["bits"] == pytest.approx(7 * rows[0]["characters"])
    assert rows[0]["notes"] == 13
    values = metric.summarise(rows, None, np.random.default_rng(0)).values
    assert values["bits_per_character"].value == pytest.approx(7)
    assert values["bits_per_character"].unit == "bit/character"
    music = sum(row["music_bits"] for row in rows)
    assert values["bits_per_note"].value == pytest.approx(music / 26)
    assert values["bits_per_note"].n == 26 and values["bits_per_note"].better == "lower"


def test_the_crop_and_the_key_are_fixed(checkpoint: Path) -> None:
    short = LikelihoodMetric(LikelihoodOptions(checkpoint=checkpoint, max_patches=8))
    whole = LikelihoodMetric(LikelihoodOptions(checkpoint=checkpoint))
    piece = piece_from_abc("a", TUNE.format("G"))
    assert short.measure(piece)["characters"] < whole.measure(piece)["characters"]
    moved = piece_from_abc("b", "X:1\nM:4/4\nL:1/4\nK:A\nABcd|edcB|Aece|A4|]\n")
    assert whole.measure(moved)["notes"] == whole.measure(piece)["notes"]


def test_what_a_model_cannot_read_is_undefined(checkpoint: Path) -> None:
    metric = LikelihoodMetric(LikelihoodOptions(checkpoint=checkpoint))
    notes = piece_from_abc("a", "K:C\nCDEF|").voices
    with pytest.raises(Undefined, match="MusicXML"):
        metric.measure(Piece("a", "<score-partwise/>", notes))
    with pytest.raises(Undefined, match="no notes"):
        metric.measure(Piece("a", "K:C\n", {}))


def test_scoring_hands_the_checkpoint_over(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text(TUNE.format("G"))
    request = ScoreRequest(["likelihood"], checkpoint=checkpoint, cache=tmp_path / "c")
    for _ in range(2):
        report = score_folder(tmp_path, request)
        assert report.metrics["likelihood"].values["bits_per_character"].value == pytest.approx(7)
    assert report.scores[0].facts["likelihood"].values["bits_per_character"] == pytest.approx(7)
    with pytest.raises(ConfigError, match="Add --weights-path"):
        score_folder(tmp_path, ScoreRequest(["likelihood"]))
