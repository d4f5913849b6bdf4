"""Presets, their precedence, dry runs, and a resolved file that makes the run again."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from picogen_cli.main import main
from picogen_cli.settings import PRESETS, resolve
from picogen_core import ConfigError
from picogen_core.data.prepare import prepare
from picogen_core.data.types import SourcePiece
from picogen_core.model.student import GenericStudent
from picogen_core.training.config import TrainConfig, check_config

torch.set_num_threads(1)

MILLIONS = {"tiny": (0.9, 1.1), "small": (5, 6), "base": (28, 33), "chorales": (0.9, 1.1)}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    abc = "X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|{}|C4|]\n"
    pieces = [SourcePiece(f"p{i}", abc.format("CDEFGABc"[i] * 4), "", "") for i in range(8)]
    prepare(pieces, tmp_path / "data", eval_ratio=0.3)
    return tmp_path / "data"


def picogen(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def settings(*sets: str, preset: str | None = None, **flags: Any) -> TrainConfig:
    return resolve(None, flags, sets, preset=preset)


@pytest.mark.parametrize("backbone", ["rwkv", "llama"])
@pytest.mark.parametrize("preset", MILLIONS)
def test_a_preset_is_of_its_size_with_any_backbone(preset: str, backbone: str):
    config = settings(preset=preset, **{"backbone.name": backbone})
    check_config(config)
    with torch.device("meta"):
        model = GenericStudent(config.model_config_for(None))
    low, high = MILLIONS[preset]
    assert low <= model.parameter_count() / 1e6 <= high


def test_every_preset_is_offered():
    assert sorted(path.stem for path in PRESETS.glob("*.toml")) == sorted(MILLIONS)
    with pytest.raises(SystemExit) as end:
        main(["train", "--preset", "tinny", "--dry-run"])
    assert end.value.code == 2


def test_each_source_is_above_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    tiny = tomllib.loads((PRESETS / "tiny.toml").read_text())
    keys = ("d_model", "batch_size", "epochs", "lr", "max_patches")

    def found(*sets: str, config: Path | None = None, **flags: Any) -> tuple[Any, ...]:
        resolved = resolve(config, flags, sets, preset="tiny")
        return tuple(getattr(resolved, key) for key in keys)

    before = tuple(tiny[key] for key in keys)
    assert found() == before
    Path("picogen.toml").write_text("d_model = 8\nbatch_size = 8\nepochs = 8\nlr = 8.0\n")
    assert found() == (8, 8, 8, 8.0, before[4])
    Path("more.toml").write_text("batch_size = 9\nepochs = 9\nlr = 9.0\n")
    more = Path("more.toml")
    assert found(config=more) == (8, 9, 9, 9.0, before[4])
    assert found(config=more, epochs=10, lr=10.0) == (8, 9, 10, 10.0, before[4])
    assert found("lr=11.0", config=more, epochs=10, lr=10.0) == (8, 9, 10, 11.0, before[4])
    Path("picogen.toml").write_text('[backbone]\nname = "llama"\nlayers = 7\n')
    assert resolve(None, {}, [], preset="tiny").backbone == {"name": "llama", "layers": 7}


def test_values_of_set_have_their_types():
    config = settings(
        "loss.physics.weight=0.5", "loss.physics.schedule=cosine",
        "backbone.layers=3", "head.width=64", "exp_name=7up", "cache_limit=2GB",
        "compile=true", "max_seconds=2.5",
    )  # fmt: skip
    assert config.loss == {"physics": {"weight": 0.5, "schedule": "cosine"}}
    assert config.backbone["layers"] == 3 and config.head["width"] == 64
    assert (config.exp_name, config.cache_limit) == ("7up", "2GB")
    assert config.compile is True and config.max_seconds == 2.5


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("loss.physics.wieght=1", "Did you mean 'weight'"),
        ("loss.logit-kd.temprature=1", "Did you mean 'temperature'"),
        ("loss.logit-kd.temperature=-1", "temperature=-1"),
        ("loss.physics.schedule=exp", "schedule='exp'"),
        ("loss.physics=1", "loss.physics=1: input should be a valid dictionary"),
        ("head.widht=3", "Did you mean 'width'"),
        ("head.width=wide", "width='wide'"),
        ("lr=fast", "lr='fast'"),
        ("lr.rate=1", "lr="),
        ("bacth_size=3", "Did you mean 'batch_size'"),
        ("track=wandbb", "track='wandbb'"),
    ],
)
def test_a_wrong_set_is_told_before_anything_is_loaded(item: str, message: str):
    with pytest.raises(ConfigError) as error:
        check_config(settings(item))
    assert message in str(error.value)


SMALL = ("--set", "d_model=32", "--set", "backbone.head_size=16", "--set", "head.width=16")


def test_the_resolved_file_makes_the_run_again(data: Path):
    """A distillation from a preset, flags and `--set`; from the file alone it is the same."""
    teacher = ("train", "--preset", "tiny", "--epochs", "1", "--exp-name", "teacher", *SMALL)
    assert picogen(*teacher, "--data", "data") == 0
    student = ("distill", "--preset", "tiny", "--epochs", "2", "--exp-name", "first", *SMALL)
    student += ("--data", "data", "--teacher-ckpt", "checkpoints/teacher", "--seed", "5")
    student += ("--set", "loss.logit-kd.temperature=2.0", "--beta-phy", "0")
    assert picogen(*student, "--set", "loss.hidden-mse.schedule=linear") == 0
    assert picogen("train", "--config", "checkpoints/first/config.toml", "--exp-name", "b") == 0
    weights = [Path("checkpoints", name, "last/model.safetensors") for name in ("first", "b")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    first, second = (
        json.loads(Path("checkpoints", name, "manifest.json").read_text())
        for name in ("first", "b")
    )
    assert first["teacher"]["sha256"] == second["teacher"]["sha256"]
    assert first.pop("sessions") and second.pop("sessions")
    assert first["result"].pop("cpu_seconds") > 0 and second["result"].pop("cpu_seconds") > 0
    assert first == second


def test_a_dry_run_prints_and_leaves_nothing(data: Path, capsys: pytest.CaptureFixture[str]):
    before = sorted(data.parent.rglob("*"))
    arguments = ("train", "--preset", "tiny", "--data", "data", *SMALL, "--dry-run")
    assert picogen(*arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    subjects = [line.split()[0] for line in lines]
    assert subjects == ["run", "parameters", "data", "memory", "disk", "time"]
    assert picogen(*arguments, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert f"{sum(plan['parameters'].values()):,} (patch_embedding" in lines[1]
    assert f"{plan['steps']:,} steps of" in lines[5] and plan["teacher"] is None
    distil = ("distill", "--data", "data", *SMALL, "--set", "backbone.layers=1", "--dry-run")
    assert picogen(*distil, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["teacher"]["cache_bytes"] > 0 and plan["parameters"]["projector"] > 0
    assert sorted(data.parent.rglob("*")) == before
