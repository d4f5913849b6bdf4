"""A dry run reports what the run then costs, and leaves nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from picogen_core import BadInput
from picogen_core.model.checkpoint import load_model
from picogen_core.training.config import TrainConfig
from picogen_core.training.dry_run import plan as planning
from picogen_core.training.dry_run.plan import plan_training
from picogen_core.training.loop import run_training


def config_of(data: Path, out: Path, **changes: Any) -> TrainConfig:
    torch.set_num_threads(1)
    values: dict[str, Any] = {
        "output_dir": out / "runs", "data": data, "d_model": 32, "max_patches": 24, "epochs": 2,
        "backbone": {"name": "rwkv", "layers": 1, "head_size": 16}, "cache_dir": out / "cache",
        "head": {"name": "char-gru", "width": 32},
    }  # fmt: skip
    return TrainConfig(**values | changes)


def test_a_plan_of_a_distillation_comes_true(ragged: Path, tmp_path: Path):
    teacher = run_training(config_of(ragged, tmp_path, exp_name="teacher", epochs=1)).run_dir
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    loss: dict[str, Any] = {"logit-kd": {}, "hidden-mse": {}}
    config = config_of(ragged, tmp_path, teacher_ckpt=teacher, loss=loss)
    plan = plan_training(config)
    assert not config.run_dir.exists() and not (tmp_path / "cache").exists()
    result = run_training(config)
    model = load_model(config.run_dir / "last")
    assert sum(plan.parameters.values()) == sum(p.numel() for p in model.parameters())
    assert plan.parameters["projector"] == 32 * 32 + 32
    assert sum(plan.parameters.values()) - plan.parameters["projector"] == result.parameters
    assert plan.trained == sum(plan.parameters.values())
    assert (plan.steps, plan.steps_per_epoch) == (result.steps, result.steps // 2)
    assert (plan.pieces, plan.held_out) == (40, 10)
    kept = [json.loads(path.read_text()) for path in (tmp_path / "cache").rglob("cache.json")]
    shards = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.bin"))
    assert plan.teacher and len(kept) == 1 and plan.teacher.cache_bytes == shards
    written = sum(path.stat().st_size for path in config.run_dir.rglob("*.safetensors"))
    assert 0.5 * plan.checkpoint_bytes < written < plan.checkpoint_bytes
    weights = 4 * sum(plan.parameters.values())
    assert 4 * weights <= plan.model_bytes < 4.1 * weights  # gradients and two moments
    assert plan.seconds > plan.steps * plan.step_seconds > 0


def test_a_cache_that_does_not_fit_is_none(ragged: Path, tmp_path: Path):
    teacher = run_training(config_of(ragged, tmp_path, exp_name="teacher", epochs=1)).run_dir
    config = config_of(ragged, tmp_path, teacher_ckpt=teacher, loss={"logit-kd": {}})
    for changes in ({"cache_limit": "1k"}, {"crops": "random"}):
        plan = plan_training(config.model_copy(update=changes))
        assert plan.teacher and plan.teacher.cache_bytes is None
        assert plan.step_seconds == plan.first_epoch_step_seconds


def test_what_the_run_would_refuse_is_refused(
    ragged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = config_of(ragged, tmp_path)
    config.run_dir.mkdir(parents=True)
    (config.run_dir / "file").write_text("")
    with pytest.raises(BadInput, match="not empty"):
        plan_training(config)
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(planning.shutil, "disk_usage", lambda path: full)
    with pytest.raises(BadInput, match="1 kB free; the checkpoints of other take up to"):
        plan_training(config.model_copy(update={"exp_name": "other"}))
    assert [path.name for path in config.run_dir.iterdir()] == ["file"]
