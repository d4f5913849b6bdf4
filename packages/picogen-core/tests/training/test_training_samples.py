"""Pieces that are written and measured at evaluations, and the manifest of a run."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from picogen_core.evaluation.scoring import ScoreRequest, score_folder
from picogen_core.model.checkpoint import load_model
from picogen_core.runtime.progress import Quiet
from picogen_core.training.config import TrainConfig
from picogen_core.training.loop import run_training
from picogen_core.training.run import samples
from picogen_core.training.run.manifest import git_state
from picogen_core.training.run.samples import Sampler
from picogen_core.training.setup import build_parts
from picogen_core.training.state import Progress


class Heard(Quiet):
    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


def config_of(data: Path, out: Path, **changes: Any) -> TrainConfig:
    torch.set_num_threads(1)
    values: dict[str, Any] = {
        "output_dir": out, "data": data, "d_model": 64, "max_patches": 40, "epochs": 2,
        "backbone": {"name": "rwkv", "layers": 1, "head_size": 16}, "lr": 5e-3,
        "head": {"name": "char-transformer", "layers": 1, "dropout": 0.2},
        "samples": 3, "sample_share": 1e6,
    }  # fmt: skip
    return TrainConfig(**values | changes)


def evaluations(config: TrainConfig) -> list[dict[str, Any]]:
    rows = map(json.loads, (config.run_dir / "metrics.jsonl").open())
    return [row for row in rows if "eval_loss" in row]


@pytest.fixture(scope="module")
def run(ragged: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    config = config_of(ragged, tmp_path_factory.mktemp("runs"), epochs=3)
    run_training(config)
    return config


def test_the_row_says_what_the_folder_holds(run: TrainConfig):
    rows = evaluations(run)
    assert [row["samples"] for row in rows] == [f"samples/step-{10 * n}" for n in range(1, 4)]
    folder = run.run_dir / rows[-1]["samples"]
    assert sorted(path.name for path in folder.glob("*.json")) == [
        "0001.json", "0002.json", "0003.json",
    ]  # fmt: skip
    records = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    complete = sum(record["complete"] for record in records)
    assert rows[-1]["sample/complete"] == pytest.approx(100 * complete / 3)
    assert rows[-1]["sample/readable"] == pytest.approx(100 * len(list(folder.glob("*.abc"))) / 3)
    measured = samples.measure(folder, run.seed)
    assert {name: rows[-1].get(name) for name in measured} == measured


def test_they_change_nothing_of_the_run(run: TrainConfig):
    """With dropout on: neither what is drawn nor the mode of the model is another."""
    without = run.model_copy(update={"exp_name": "without", "samples": 0})
    run_training(without)
    assert not (without.run_dir / "samples").exists()
    a, b = (load_model(each.run_dir / "last").state_dict() for each in (run, without))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert all("sample/complete" not in row for row in evaluations(without))


def test_they_are_the_same_again_and_leave_the_model_as_it_was(run: TrainConfig):
    parts = build_parts(run, torch.device("cpu"), Quiet())
    parts.model.load_state_dict(load_model(run.run_dir / "last").state_dict())
    again = run.model_copy(update={"exp_name": "again"})
    Sampler(again, parts.model, Quiet())(Progress(step=30, seconds=1.0))
    assert all(module.training for module in parts.model.modules())
    for name in ("0001.abc", "0002.abc", "0003.abc"):
        old, new = (each.run_dir / "samples" / "step-30" / name for each in (run, again))
        assert old.exists() == new.exists()
        assert not old.exists() or old.read_text() == new.read_text()


def test_they_wait_until_their_share_of_the_time_pays_for_them(run: TrainConfig, tmp_path: Path):
    config = run.model_copy(update={"output_dir": tmp_path, "sample_share": 0.05})
    model, heard = load_model(run.run_dir), Heard()
    sampler = Sampler(config, model, heard)
    progress = Progress(step=1, seconds=1.0)
    assert sampler(progress) == {} == sampler(progress)
    assert len(heard.said) == 1 and "5% of the run's time" in heard.said[0]
    progress.seconds = 1e6
    assert sampler(progress)["samples"] == "samples/step-1"
    assert progress.sample_seconds >= (sampler.cost or 0) > 0
    progress.sample_seconds = 0.05e6
    assert sampler(progress) == {} and len(heard.said) == 2


def test_a_model_that_cannot_write_costs_only_the_samples(run: TrainConfig, tmp_path: Path):
    model, heard = load_model(run.run_dir), Heard()
    with torch.no_grad():
        model.patch_embedding.weight.fill_(torch.nan)
    sampler = Sampler(run.model_copy(update={"output_dir": tmp_path}), model, heard)
    row = sampler(Progress(step=7, seconds=1e6))
    assert row.get("sample/readable", 0) == 0
    assert row or heard.said[0].startswith("No samples after step 7: ")


def test_metrics_that_are_not_installed_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tune = "X:1\nL:1/8\nM:4/4\nK:C\n" + "CDEF GABc|edcB AGFE|CEGc ecGE|" * 2 + "C8|]\n"
    (tmp_path / "0001.abc").write_text(tune)
    (tmp_path / "0002.abc").write_text(tune.replace("GABc", "G2c2"))
    values = score_folder(tmp_path, ScoreRequest(["powerlaw"])).metrics["powerlaw"].values
    measured = samples.measure(tmp_path, 0)
    assert measured["sample/valid"] == 100 and {"sample/beta", "sample/rep"} <= set(measured)
    monkeypatch.setattr(samples, "SHOWN", {"powerlaw": ("beta", "none"), "nonesuch": ("x",)})
    expected = {"sample/beta": pytest.approx(values["beta"].value, abs=1e-6)}
    assert samples.measure(tmp_path, 0) == expected
    monkeypatch.setattr(samples, "SHOWN", {"nonesuch": ("x",)})
    assert samples.measure(tmp_path, 0) == {}


def test_the_manifest_says_what_made_the_run(run: TrainConfig, ragged: Path, tmp_path: Path):
    loss = {"logit-kd": {"temperature": 2.0, "schedule": "linear"}}
    config = config_of(
        ragged, tmp_path, epochs=1, samples=0, loss=loss, teacher_ckpt=run.run_dir,
        cache_dir=tmp_path / "cache",
    )  # fmt: skip
    run_training(config)
    run_training(config.model_copy(update={"epochs": 2}), resume="always")
    manifest = json.loads((config.run_dir / "manifest.json").read_text())
    assert manifest["components"]["head"]["config"]["dropout"] == 0.2
    kd = manifest["components"]["losses"]["logit-kd"]
    assert kd["config"] == {"divergence": "forward-kl", "temperature": 2.0}
    assert (kd["distribution"], kd["schedule"], kd["weight"]) == ("picogen-core", "linear", 1.0)
    assert [session["step"] for session in manifest["sessions"]] == [0, 10]
    assert manifest["data"]["sha256"] != manifest["eval_data"]["sha256"]
    checkpoint = json.loads((config.run_dir / "best" / "manifest.json").read_text())
    for name in ("data", "eval_data", "teacher", "parameters", "seed"):
        assert checkpoint[name] == manifest[name] and manifest[name] is not None
    assert checkpoint["components"]["backbone"] == manifest["components"]["backbone"]


def test_the_state_of_a_repository(tmp_path: Path):
    assert git_state(tmp_path) is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "file").write_text("1")
    for command in (["init", "-q"], ["add", "file"], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    state = git_state(tmp_path)
    assert state and len(state["commit"]) == 40 and not state["dirty"]
    (tmp_path / "file").write_text("2")
    assert git_state(tmp_path) == {**state, "dirty": True}
