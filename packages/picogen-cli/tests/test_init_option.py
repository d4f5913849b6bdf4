"""`--init` and `--freeze` on the command line; what they do is tested where it is done."""

from pathlib import Path

import pytest
from picogen_cli.defaults import shipped_teacher
from picogen_cli.main import main
from picogen_cli.settings import resolve
from picogen_core.training.initial_weights import adopt

TEACHER = str(shipped_teacher())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_architecture_is_the_checkpoints_and_flags_stand_above_it(folder: Path):
    assert resolve(None, {}, []).backbone == {"name": "rwkv"}
    flags = {"init": Path(TEACHER), "freeze": ["head", "embedding"], "backbone.name": None}
    config = adopt(resolve(None, flags, ["head.dropout=0.3", "max_patches=64"]), "never")
    assert config.backbone == {"name": "rwkv", "layers": 4, "head_size": 64, "chunk": 32}
    assert config.head == {"name": "char-memory", "layers": 1, "window": 1024, "dropout": 0.3}
    assert (config.d_model, config.max_patches) == (256, 64)
    assert config.freeze == ("embedding", "head")
    assert adopt(config, "never") == config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backbone", "llama"), "backbone 'llama' was requested, but"),
        (("--freeze", "heads"), "freeze.0='heads': input should be 'embedding', 'backbone' or"),
        (("--freeze", "head", "--freeze", "backbone", "--freeze", "embedding"), "nothing to train"),
        (("--set", "backbone.layer=2"), "Did you mean 'layers'"),
        (("--set", "d_model=64"), "d_model=64, but"),
    ],
)
def test_faults_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
):
    with pytest.raises(SystemExit) as end:
        main(["train", "--init", TEACHER, "--data", "nowhere", *arguments])
    assert end.value.code == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and error[0].startswith("picogen: ") and message in error[0]
    assert not Path("checkpoints").exists()


def test_a_file_beside_the_user_that_says_otherwise_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "picogen.toml").write_text('[head]\nname = "char-gru"\n')
    with pytest.raises(SystemExit) as end:
        main(["distill", "--init", TEACHER])
    assert end.value.code == 2
    assert "head 'char-gru' was requested, but" in capsys.readouterr().err
