"""Runs that start from a checkpoint, and parts of a model that do not learn."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from picogen_core import BadCheckpoint, ConfigError
from picogen_core.data.prepared.index import open_data
from picogen_core.model.checkpoint import load_model, save_checkpoint
from picogen_core.model.files.notagen import write_notagen
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.runtime.progress import Quiet
from picogen_core.training import loop
from picogen_core.training.config import TrainConfig, check_config
from picogen_core.training.evaluate import evaluate
from picogen_core.training.initial_weights import adopt
from picogen_core.training.loop import run_training
from picogen_core.training.processes import Processes
from picogen_core.training.setup import build_parts

ARCHITECTURE = {
    "d_model": 64, "max_patches": 24,
    "backbone": {"name": "gpt2", "layers": 1, "max_patches": 24},  # has dropout
    "head": {"name": "char-transformer", "layers": 1},
}  # fmt: skip
CPU = torch.device("cpu")


class Heard(Quiet):
    """A reporter that keeps the messages."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def base(ragged: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    torch.set_num_threads(1)
    config = TrainConfig(
        exp_name="base", output_dir=tmp_path_factory.mktemp("base"), data=ragged, epochs=2,
        lr=3e-3, **ARCHITECTURE,
    )  # fmt: skip
    run_training(config)
    return config


def tuned(base: TrainConfig, out: Path, **changes: Any) -> TrainConfig:
    values = {"output_dir": out, "data": base.data, "init": base.run_dir, "epochs": 1, "lr": 1e-3}
    return TrainConfig(**values | {"exp_name": "tuned"} | changes)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder).state_dict()


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def parts_of(config: TrainConfig, heard: Heard | None = None):
    return build_parts(adopt(config, "never"), CPU, heard or Quiet())


def test_a_run_starts_from_a_run_and_its_file_reproduces_it(base: TrainConfig, tmp_path: Path):
    config = tuned(base, tmp_path)
    start = parts_of(config).model.state_dict()
    assert all(torch.equal(start[k], t) for k, t in weights(base.run_dir).items())
    data = open_data(base.data)
    before = evaluate(load_model(base.run_dir), data, 8, 24).nats_per_character
    run_training(config)
    after = evaluate(load_model(config.run_dir), data, 8, 24).nats_per_character
    assert after < before
    stored = TrainConfig(**tomllib.loads((config.run_dir / "config.toml").read_text()))
    assert (stored.d_model, stored.max_patches, stored.init) == (64, 24, base.run_dir)
    assert stored.backbone == {"name": "gpt2", "layers": 1, "max_patches": 24, "dropout": 0.1}
    again = stored.model_copy(update={"exp_name": "again"})
    run_training(again)
    first, second = weights(config.run_dir / "last"), weights(again.run_dir / "last")
    assert all(torch.equal(first[k], second[k]) for k in first)
    recorded = manifest(config.run_dir / "last")["init"]
    headers = recorded.pop("headers")
    assert headers == manifest(base.run_dir / "last")["headers"]
    assert headers["M"] == {"4/4": headers["pieces"]}
    assert recorded == {
        "path": str(base.run_dir),
        "sha256": locate(base.run_dir).digest(),
        "tags": [],
    }


def test_a_notagen_file_is_a_start_and_options_that_keep_shapes_may_change(
    base: TrainConfig, tmp_path: Path
):
    file = tmp_path / "weights.pth"
    write_notagen(file, load_model(base.run_dir))
    heard = Heard()
    config = tuned(
        base, tmp_path, init=file, backbone={"dropout": 0.0}, max_patches=16, freeze=["backbone"]
    )
    model = parts_of(config, heard).model
    start = weights(file)
    assert all(torch.equal(t, start[k]) for k, t in model.state_dict().items())
    assert model.config.backbone_options["dropout"] == 0 and model.config.max_patches == 16
    assert heard.said[0] == f"{file} is loaded with changed options: backbone.dropout 0.1 -> 0.0."
    trained = sum(
        p.numel() for name, p in model.named_parameters() if not name.startswith("backbone.")
    )
    assert heard.said[1].startswith(
        f"Training {trained:,} of {model.parameter_count():,} parameters"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 128}, "d_model=128, but .*base has 64. Leave d_model out"),
        ({"backbone": {"name": "llama"}}, "backbone 'llama' was requested, but .* has 'gpt2'"),
        ({"head": {"name": "char-gru"}}, "head 'char-gru' was requested, but .*Leave --head out"),
        ({"backbone": {"layers": 2}}, r"missing.*keep the tensors.*backbone\.layers 1 -> 2"),
        ({"backbone": {"dropot": 0.2}}, "no option 'dropot'. Did you mean 'dropout'"),
        ({"max_patches": 25}, "max_patches=25 is more than .* has positions for. Use .*=24"),
        ({"init": Path("nowhere")}, "nowhere: no such file or folder"),
    ],
)
def test_what_contradicts_the_checkpoint_is_refused(
    base: TrainConfig, tmp_path: Path, changes: dict[str, Any], message: str
):
    with pytest.raises((ConfigError, BadCheckpoint), match=message):
        parts_of(tuned(base, tmp_path, **changes))


def test_a_run_does_not_start_from_itself(base: TrainConfig):
    config = tuned(base, base.output_dir, exp_name="base")
    with pytest.raises(ConfigError, match="the folder of the run itself"):
        run_training(config, force=True)
    assert (base.run_dir / "best" / "model.safetensors").exists()


def test_the_projector_of_a_student_is_kept_where_it_fits(base: TrainConfig, tmp_path: Path):
    teach = {"teacher_ckpt": base.run_dir, "loss": {"hidden-mse": {}}, "cache_limit": "0"}
    student: dict[str, Any] = {"d_model": 32}
    student["backbone"] = {"name": "rwkv", "layers": 1, "head_size": 16}
    distilled = tuned(
        base, tmp_path, init=None, exp_name="student", max_patches=24, **teach, **student
    )
    run_training(distilled)
    start = weights(distilled.run_dir)
    assert start["projector.weight"].shape == (64, 32)
    config = tuned(base, tmp_path, init=distilled.run_dir)
    assert not any(k.startswith("projector.") for k in parts_of(config).model.state_dict())
    again = parts_of(tuned(base, tmp_path, init=distilled.run_dir, **teach)).model.state_dict()
    assert all(torch.equal(again[k], t) for k, t in start.items())
    wide = GenericStudent(load_model(base.run_dir).config.model_copy(update={"d_model": 128}))
    save_checkpoint(tmp_path / "wide", wide, {})
    teach["teacher_ckpt"] = tmp_path / "wide"
    other = parts_of(tuned(base, tmp_path, init=distilled.run_dir, **teach)).model.state_dict()
    assert other["projector.weight"].shape == (128, 32)


def test_a_student_with_its_teachers_head_goes_on_without_the_teacher(
    base: TrainConfig, tmp_path: Path
):
    student = tuned(
        base, tmp_path, init=None, exp_name="student", d_model=32, max_patches=24,
        teacher_ckpt=base.run_dir, loss={"logit-kd": {}}, cache_limit="0",
        backbone={"name": "rwkv", "layers": 1, "head_size": 16}, head={"name": "teacher"},
    )  # fmt: skip
    run_training(student)
    config = tuned(base, tmp_path, init=student.run_dir)
    run_training(config)
    before, after = weights(student.run_dir), weights(config.run_dir / "last")
    for name in before:
        kept = torch.equal(before[name], after[name])
        assert kept == name.startswith("head.inner."), name


@pytest.mark.parametrize("freeze", [["backbone"], ["head", "embedding"]])
def test_a_frozen_run_that_was_cut_ends_with_the_same_weights(
    base: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, freeze: list[str]
):
    config = tuned(base, tmp_path, freeze=freeze, save_every=2, weight_decay=0.5)
    run_training(config)
    before, after = weights(base.run_dir), weights(config.run_dir / "last")
    modules = {"embedding": "patch_embedding.", "backbone": "backbone.", "head": "head."}
    for part, prefix in modules.items():
        kept = [torch.equal(before[k], after[k]) for k in before if k.startswith(prefix)]
        assert kept and (all(kept) if part in freeze else not any(kept)), part
    assert manifest(config.run_dir / "last")["frozen"] == sorted(freeze)
    step = loop._Run.step

    class Killed(Exception):
        pass

    def killed(self: Any, batches: Any) -> None:
        if self.progress.step == 5:
            raise Killed
        step(self, batches)

    cut = config.model_copy(update={"exp_name": "cut"})
    monkeypatch.setattr(loop._Run, "step", killed)
    with pytest.raises(Killed):
        run_training(cut)
    monkeypatch.setattr(loop._Run, "step", step)
    run_training(tuned(base, tmp_path, exp_name="cut", freeze=freeze, save_every=2,
                       weight_decay=0.5), resume="auto")  # fmt: skip
    other = weights(cut.run_dir / "last")
    assert all(torch.equal(after[k], other[k]) for k in after)


def test_a_run_goes_on_without_its_start_but_not_from_another(base: TrainConfig, tmp_path: Path):
    file = tmp_path / "weights.pth"
    write_notagen(file, load_model(base.run_dir))
    config = tuned(base, tmp_path, init=file)
    run_training(config)
    recorded = manifest(config.run_dir / "last")["init"]
    file.rename(tmp_path / "away.pth")
    more = config.model_copy(update={"epochs": 2})
    assert run_training(more, resume="always").steps == 20
    assert manifest(config.run_dir / "last")["init"] == recorded
    write_notagen(file, load_model(config.run_dir))
    with pytest.raises(ConfigError, match=r"started with another init .*weights\.pth"):
        run_training(config.model_copy(update={"epochs": 3}), resume="auto")
    with pytest.raises(ConfigError, match=r"started with freeze=\(\), not"):
        run_training(more.model_copy(update={"freeze": ("head",)}), resume="auto")


def test_frozen_parts_draw_no_dropout_and_come_back_from_evaluation_so(base: TrainConfig):
    model = load_model(base.run_dir)
    model.freeze(["backbone"])
    for _ in range(2):
        model.train()
        assert model.training and not model.backbone.training and model.head.training
        assert not any(module.training for module in model.backbone.modules())
        model.eval()
        assert not model.head.training
    assert not any(p.requires_grad for p in model.backbone.parameters())


def test_a_frozen_recurrent_cell_keeps_the_mode_that_has_a_gradient(ragged: Path, tmp_path: Path):
    config = TrainConfig(
        data=ragged, output_dir=tmp_path, d_model=32, max_patches=24, freeze=["head"],
        backbone={"name": "rwkv", "layers": 1, "head_size": 16},
    )  # fmt: skip
    model = build_parts(config, CPU, Quiet()).model
    assert model.head.gru.training and not model.head.training and model.backbone.training


def test_freezing_all_is_refused(base: TrainConfig, tmp_path: Path):
    config = TrainConfig(freeze=["head", "backbone", "embedding", "head"])
    assert config.freeze == ("backbone", "embedding", "head")
    with pytest.raises(ConfigError, match="leaves nothing to train"):
        check_config(config)
    with pytest.raises(ConfigError, match="nothing is trained"):
        run_training(tuned(base, tmp_path, freeze=["head", "backbone", "embedding"]))
    assert not (tmp_path / "tuned").exists()


def test_processes_exchange_the_gradients_of_what_learns(base: TrainConfig):
    class Doubling:
        """Two processes with the same gradients."""

        sent: torch.Tensor

        def reduce(self, tensor: torch.Tensor, how: str) -> torch.Tensor:
            self.sent = tensor
            return 2 * tensor

    model = load_model(base.run_dir)
    model.freeze(["backbone"])
    learning = [p for p in model.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.grad = torch.ones_like(parameter)
    accelerator = Doubling()
    Processes(CPU, 0, 2, accelerator).sum_gradients(model.parameters())
    assert len(accelerator.sent) == sum(p.numel() for p in learning) + len(learning)
    assert all((p.grad == 2).all() for p in learning)
    assert all(p.grad is None for p in model.backbone.parameters())
