"""What a path to a checkpoint means, and what is read through that one door."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from picogen_core.errors import BadCheckpoint
from picogen_core.model.checkpoint import load_model, save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.locate import FolderCheckpoint, PthCheckpoint, locate
from picogen_core.model.student import GenericStudent

PTH = next((Path(__file__).parents[1] / "data/notagen").glob("*.pth"))
CONFIG = ModelConfig(
    d_model=32, max_patches=16, backbone="gpt2", backbone_options={"layers": 1}, head="parallel"
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with best/ and last/, of different weights."""
    folder = tmp_path_factory.mktemp("run")
    for number, name in enumerate(("best", "last")):
        torch.manual_seed(number)
        save_checkpoint(folder / name, GenericStudent(CONFIG), {"step": number})
    return folder


@pytest.fixture
def run(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "run"))


def test_a_run_means_its_best_checkpoint_then_its_last(run):
    found = locate(run)
    assert isinstance(found, FolderCheckpoint)
    assert (found.path, found.folder, found.manifest()) == (run, run / "best", {"step": 0})
    shutil.rmtree(run / "best")
    assert locate(run).manifest() == {"step": 1}


def test_a_run_that_was_stopped_between_two_renames_has_its_checkpoint(run):
    shutil.rmtree(run / "last")
    (run / "best").rename(run / "best.before")
    assert locate(run).file == run / "best.before" / "model.safetensors"


def test_the_file_of_weights_means_its_folder(run):
    file = run / "last" / "model.safetensors"
    assert locate(file).manifest() == {"step": 1}
    assert locate(file).digest() == locate(run / "last").digest() != locate(run).digest()


def test_config_arrays_and_model_are_of_one_checkpoint(run):
    found = locate(run)
    assert (found.config.backbone, found.config.d_model) == ("gpt2", 32)
    model = found.model()
    assert model is found.model() and not model.training
    arrays = found.arrays()
    assert set(arrays) == set(model.state_dict())
    assert all(np.array_equal(arrays[name], t.numpy()) for name, t in model.state_dict().items())
    assert load_model(run) is not load_model(run)


def test_a_pth_has_no_manifest():
    found = locate(PTH)
    assert isinstance(found, PthCheckpoint) and found.manifest() == {}
    config, built = found.config, found.model().config
    assert (config.d_model, config.max_patches) == (built.d_model, built.max_patches)
    assert (config.backbone, config.head) == ("gpt2", "char-transformer")
    assert set(found.arrays()) == set(found.model().state_dict())


def test_a_manifest_that_cannot_be_read_says_nothing(run):
    for text in ("{", "[1]"):
        (run / "best" / "manifest.json").write_text(text)
        assert locate(run).manifest() == {}


def test_what_is_no_checkpoint_is_told(tmp_path):
    with pytest.raises(BadCheckpoint, match="no such file or folder"):
        locate(tmp_path / "nothing")
    with pytest.raises(BadCheckpoint, match=r"no model\.safetensors with a config\.json in it"):
        locate(tmp_path)
