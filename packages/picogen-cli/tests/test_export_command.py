"""`picogen export` from the command line."""

import json
import re
from pathlib import Path

import pytest
import torch
from picogen_cli.main import main
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent

torch.set_num_threads(1)


def picogen(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    config = ModelConfig(
        d_model=32, backbone="llama", backbone_options={"layers": 1, "heads": 4, "kv_heads": 2},
        head="char-gru",
    )  # fmt: skip
    save_checkpoint(tmp_path / "ckpt", GenericStudent(config), {})
    return tmp_path / "ckpt"


def test_it_writes_a_folder_and_says_so(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert picogen("export", checkpoint, "--to", "hf", "--output-dir", "out", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["backbone"], shown["to"], shown["output_dir"]) == ("llama", "hf", "out")
    assert set(shown["files"]) == {path.name for path in Path("out").iterdir()}
    assert "model.safetensors" in shown["files"]
    assert json.loads(Path("out/config.json").read_text())["hidden_size"] == 32


def test_onnx_is_written_and_checked(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    asked = ("export", checkpoint, "--to", "onnx", "--output-dir", "out")
    assert picogen(*asked, "--max-patches", "8", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    graphs = {"backbone.onnx", "head_begin.onnx", "head_step.onnx"}
    assert set(shown["files"]) == graphs | {"README.md", "initial_state.npz", "model.json"}
    assert 0 < shown["difference_from_torch"]["logits"] < 1e-5
    assert json.loads(Path("out/model.json").read_text())["max_patches"] == 8
    assert picogen(*asked) == 2
    assert "not empty" in capsys.readouterr().err
    assert (
        picogen("export", checkpoint, "--to", "hf", "--output-dir", "x", "--max-patches", "8") == 2
    )
    assert "--max-patches is for --to onnx" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("to", "output", "message"),
    [
        ("hff", "out", "no backbone can be written as 'hff'. Did you mean 'hf'? Formats: hf, "),
        ("rwkv", "out", "backbone 'llama' (picogen-backbones 0.2.0) cannot be written as 'rwkv'"),
        ("hf", "ckpt", "not empty"),
    ],
)
def test_faults_are_one_line(
    to: str, output: str, message: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert picogen("export", checkpoint, "--to", to, "--output-dir", output) == 2
    printed = capsys.readouterr()
    assert message in printed.err and len(printed.err.splitlines()) == 1
    assert not Path("out").exists()


def test_a_missing_checkpoint_says_so(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert picogen("export", "none", "--to", "hf", "--output-dir", "out") == 2
    assert "none: no such file or folder" in capsys.readouterr().err


def test_a_page_is_one_file_that_requests_nothing(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("export", checkpoint, "--to", "html", "--output-dir", "page")
    assert picogen(*asked, "--with", checkpoint, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["files"] == ["index.html"] == [path.name for path in Path("page").iterdir()]
    page = Path("page/index.html").read_text()
    weights = sum(one["parameters"] for one in shown["students"])
    engine = (
        400_000  # script, style and markup; of a float at most 32 bits in base 85: 5 characters
    )
    assert len(page.encode()) == shown["bytes"] < engine + 5 * weights
    assert [one["bits"] for one in shown["students"]] == [23, 23]
    assert "default-src 'none'" in page
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert page.count("</script>") == page.count("<script")
    assert picogen(*asked) == 2
    assert "not empty" in capsys.readouterr().err


def test_pages_of_other_parts_and_options_of_other_formats_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ModelConfig(d_model=32, backbone="gpt2", backbone_options={"layers": 1, "heads": 2})
    save_checkpoint(tmp_path / "gpt2", GenericStudent(config), {})
    out = ("--output-dir", tmp_path / "out")
    assert picogen("export", tmp_path / "gpt2", "--to", "html", *out) == 2
    shown = capsys.readouterr().err
    assert "backbone 'gpt2' cannot run in a page" in shown
    assert "llama, mamba, qwen, rwkv" in shown
    assert not (tmp_path / "out").exists()
    assert picogen("export", tmp_path / "gpt2", "--to", "hf", *out, "--weights", "int8") == 2
    assert "--with and --weights are for --to html" in capsys.readouterr().err
