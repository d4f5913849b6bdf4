"""Checkpoints as commands take them: `hf:` names, and files that are none."""

from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from picogen_cli.main import main

torch.set_num_threads(1)

NAME = "hf:ElectricAlexis/NotaGen/weights.pth"
COMMANDS = {
    "generate": ("generate", "--output-dir", "out", "--weights-path"),
    "export": ("export", "--to", "hf", "--output-dir", "out2"),
    "distill": ("distill", "--data", "data", "--exp-name", "x", "--teacher-ckpt"),
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from picogen_core.data.prepare import prepare
    from picogen_core.data.types import SourcePiece

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    abc = "X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|{}|C4|]\n"
    pieces = [SourcePiece(f"p{i}", abc.format("CDEFGABc"[i] * 4), "", "") for i in range(8)]
    prepare(pieces, tmp_path / "data", eval_ratio=0.3)
    Path("text.pth").write_text("hello")
    Path("run.toml").write_text(f'teacher_ckpt = "{NAME}"\n')
    return tmp_path


@pytest.mark.parametrize("command", list(COMMANDS))
def test_one_line_and_exit_code_2(
    command: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, message in ((NAME, f"{NAME}: not in {data / 'hub'}"), ("text.pth", "not a file of")):
        with pytest.raises(SystemExit) as end:
            main([*COMMANDS[command], path])
        told = capsys.readouterr().err
        assert end.value.code == 2
        assert message in told and len(told.splitlines()) == 1, told


def test_a_name_in_the_configuration(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["distill", "--data", "data", "--exp-name", "x", "--config", "run.toml"])
    assert end.value.code == 2
    assert f"{NAME}: not in {data / 'hub'}" in capsys.readouterr().err
