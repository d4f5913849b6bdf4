"""A plugin that breaks its contract is found before the first step."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from picogen_core import PluginError
from picogen_core.training.config import TrainConfig
from picogen_core.training.dry_run.plan import plan_training
from picogen_core.training.loop import run_training

PLUGIN = """
from picogen_core import BackboneSpec, HeadSpec, LossSpec, LossValue, Options, hookimpl


def build_backbone(options, d_model):
    import torch

    class Mean(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = torch.nn.Linear(d_model, d_model)

        def forward(self, x):
            return self.mix(x)

        def initial_state(self, batch, max_patches, device, dtype):
            return ()

        def prefill(self, x, lengths, state):
            return self.mix(x[:, -1]){broken}, state

    return Mean()


@hookimpl
def picogen_backbones():
    yield BackboneSpec(name="stepless", summary="A test.", config=lambda: Options,
                       build=build_backbone)


@hookimpl
def picogen_losses():
    yield LossSpec(name="bare", summary="A test.", config=lambda: Options,
                   build=lambda options: lambda batch: batch.student_logits.mean())
    yield LossSpec(name="vector", summary="A test.", config=lambda: Options,
                   build=lambda options: lambda batch: LossValue(batch.student_logits.mean(0)))
"""


def config(data: Path, out: Path, **changes: Any) -> TrainConfig:
    values = {
        "exp_name": "run", "output_dir": out, "data": data, "d_model": 64, "max_patches": 32,
        "max_steps": 2, "backbone": {"name": "rwkv", "layers": 1},
        "head": {"name": "char-gru", "width": 32},
    }  # fmt: skip
    return TrainConfig(**values | changes)


@pytest.mark.parametrize("start", [run_training, plan_training])
def test_a_backbone_without_step_is_refused(
    offer: Callable[[str, str], None], ragged: Path, tmp_path: Path, start: Any
) -> None:
    offer("picogen-t-stepless", PLUGIN.replace("{broken}", ""))
    settings = config(ragged, tmp_path, backbone={"name": "stepless"})
    with pytest.raises(
        PluginError, match=r"'stepless' \(picogen-t-stepless 0.1\): step raised AttributeError"
    ):
        start(settings)
    assert not (tmp_path / "run").exists()


def test_a_wrong_shape_is_named(
    offer: Callable[[str, str], None], ragged: Path, tmp_path: Path
) -> None:
    offer("picogen-t-stepless", PLUGIN.replace("{broken}", "[:, :5]"))
    with pytest.raises(PluginError, match=r"prefill returned \(2, 5\), not \(2, 64\)"):
        run_training(config(ragged, tmp_path, backbone={"name": "stepless"}))


@pytest.mark.parametrize(
    "loss, told", [("bare", "returned a Tensor, not a LossValue"), ("vector", "numbers, not one")]
)
def test_a_loss_that_returns_something_else_is_named(
    offer: Callable[[str, str], None], ragged: Path, tmp_path: Path, loss: str, told: str
) -> None:
    offer("picogen-t-stepless", PLUGIN.replace("{broken}", ""))
    with pytest.raises(PluginError, match=rf"loss '{loss}' \(picogen-t-stepless 0.1\) .*{told}"):
        run_training(config(ragged, tmp_path, loss={loss: {"weight": 1.0}}))


def test_the_check_draws_none_of_the_run_s_random_numbers(
    ragged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from picogen_core.model.checkpoint import load_model

    run_training(config(ragged, tmp_path, exp_name="checked"))
    monkeypatch.setattr("picogen_core.training.setup.check_contract", lambda *_: None)
    run_training(config(ragged, tmp_path, exp_name="unchecked"))
    checked, unchecked = (
        load_model(tmp_path / name / "last").state_dict() for name in ("checked", "unchecked")
    )
    assert checked and all(torch.equal(checked[key], unchecked[key]) for key in checked)
