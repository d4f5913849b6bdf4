"""`hf:` names, against a hub cache made here; nothing is fetched."""

from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants, errors
from picogen_core import BadCheckpoint
from picogen_core.model.checkpoint import load_model
from picogen_core.model.config import ModelConfig
from picogen_core.model.files.hub import local_path
from picogen_core.model.files.notagen import write_notagen
from picogen_core.model.locate import locate
from picogen_core.model.student import GenericStudent
from picogen_core.training.config import TrainConfig

torch.set_num_threads(1)
COMMIT = "a" * 40
NAME = "hf:ElectricAlexis/NotaGen/sub/weights.pth"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An offline cache that holds one file of one repository; the file."""
    repo = tmp_path / "hub" / "models--ElectricAlexis--NotaGen"
    file = repo / "snapshots" / COMMIT / "sub" / "weights.pth"
    file.parent.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    torch.manual_seed(0)
    config = ModelConfig(
        d_model=64, max_patches=24, backbone="gpt2", backbone_options={"layers": 1},
        head="char-transformer", head_options={"layers": 1},
    )  # fmt: skip
    write_notagen(file, GenericStudent(config))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return file


@pytest.mark.parametrize("name", [NAME, f"{NAME}@main", f"{NAME}@{COMMIT}", Path(NAME)])
def test_a_file_in_the_cache_is_found_without_a_network(hub: Path, name: str | Path):
    assert local_path(name) == hub
    assert load_model(name).config.d_model == 64
    assert locate(name).digest() == locate(hub).digest()


def test_other_paths_stay_as_they_are():
    assert local_path("runs/a.pth") == Path("runs/a.pth")


def test_the_configuration_keeps_the_name(hub: Path):
    config = TrainConfig.model_validate({"teacher_ckpt": NAME})
    assert config.model_dump(mode="json")["teacher_ckpt"] == NAME
    assert config.teacher_ckpt and local_path(config.teacher_ckpt) == hub


def test_offline_says_what_to_do(hub: Path):
    with pytest.raises(BadCheckpoint) as raised:
        local_path("hf:ElectricAlexis/NotaGen/other.pth@v1")
    assert str(raised.value) == (
        f"hf:ElectricAlexis/NotaGen/other.pth@v1: not in {constants.HF_HUB_CACHE}, and "
        "HF_HUB_OFFLINE is set. On a machine with network, run hf download "
        "ElectricAlexis/NotaGen other.pth --revision v1; copy the file here and give its path "
        "instead."
    )


@pytest.mark.parametrize("name", ["hf:", "hf:NotaGen", "hf:A/B/c@", "hf:A/B@", "hf:/B/c"])
def test_names_that_are_no_names(name: str):
    with pytest.raises(BadCheckpoint, match="write it as hf:OWNER/REPO, hf:OWNER/REPO/FILE"):
        local_path(name)


def answer(kind: type[Exception]) -> Exception:
    """Without a response of the HTTP library, which depends on huggingface_hub's version."""
    return kind.__new__(kind, "no\nthing")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (lambda: answer(errors.GatedRepoError), "the owner of A/B has to grant access"),
        (lambda: answer(errors.RepositoryNotFoundError), "the hub has no repository A/B"),
        (lambda: answer(errors.RevisionNotFoundError), "A/B has no revision v1"),
        (lambda: answer(errors.RemoteEntryNotFoundError), r"A/B has no file c\.pth"),
        (lambda: answer(errors.HfHubHTTPError), "cannot be fetched"),
        (lambda: errors.LocalEntryNotFoundError("x"), "the hub cannot be reached.*hf download"),
        (lambda: OSError(28, "No space left on device"), "No space left"),
    ],
)
def test_refusals_are_told_apart(
    error: Callable[[], Exception], message: str, monkeypatch: pytest.MonkeyPatch
):
    def download(*arguments: str, local_files_only: bool = False, **more: str) -> str:
        raise errors.LocalEntryNotFoundError("not here") if local_files_only else error()

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(BadCheckpoint, match=message) as raised:
        local_path("hf:A/B/c.pth@v1")
    assert "\n" not in str(raised.value) and str(raised.value).startswith("hf:A/B/c.pth@v1: ")
