"""Trained models that plugins bring, by name."""

from pathlib import Path
from types import ModuleType

import pytest
import torch
from picogen_core import BackboneSpec, BadCheckpoint, Options, ShippedWeights, hookimpl
from picogen_core.model.checkpoint import load_model, save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.files.hub import local_path
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import Registry, registry

torch.set_num_threads(1)


def bringing(weights: dict[str, ShippedWeights], name: str = "other") -> ModuleType:
    @hookimpl
    def picogen_backbones():
        yield BackboneSpec(
            name=name, summary="A mixer.", config=lambda: Options, build=print, weights=weights
        )

    module = ModuleType(f"plugin_{name}")
    module.picogen_backbones = picogen_backbones
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = ModelConfig(d_model=32, max_patches=24, backbone="rwkv", head="char-gru",
                         backbone_options={"layers": 1, "head_size": 32})  # fmt: skip
    save_checkpoint(tmp_path / "weights", GenericStudent(config), {})
    return tmp_path / "weights"


@pytest.fixture
def brought(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A third party's weights, called `jigs`."""
    known = registry()
    monkeypatch.setattr(known, "plugins", known.plugins)
    known.include(bringing({"jigs": ShippedWeights(folder, "jigs")}), "picogen-jigs")
    yield folder
    monkeypatch.undo()
    known._sort()


def test_a_name_is_a_checkpoint(brought: Path):
    assert local_path("jigs") == brought
    assert load_model("jigs").config.d_model == 32
    assert locate("jigs").digest() == locate(brought).digest()


def test_a_path_with_a_checkpoint_wins(
    brought: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jigs").mkdir()
    assert local_path("jigs") == brought  # a folder of music, say
    save_checkpoint(tmp_path / "jigs/last", load_model("jigs"), {})
    assert local_path("jigs") == Path("jigs")


def test_an_unknown_name_is_answered_with_the_known(brought: Path):
    with pytest.raises(BadCheckpoint, match=r"Did you mean 'jigs'.*shipped model: .*jigs"):
        load_model("jgis")


def test_two_that_bring_one_name_are_told_apart(folder: Path):
    weights = {"jigs": ShippedWeights(folder, "jigs"), "reels": ShippedWeights(folder, "reels")}
    known = Registry.from_modules(
        {"picogen-a": bringing(weights), "picogen-b": bringing({"jigs": weights["jigs"]}, "more")}
    )
    assert set(known.weights()) == {"jigs@picogen-a", "jigs@picogen-b", "reels"}
