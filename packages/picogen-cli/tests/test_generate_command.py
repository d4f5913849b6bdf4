"""`picogen generate` as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from picogen_cli.main import main
from picogen_core.model.checkpoint import save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent

torch.set_num_threads(1)

PROMPT = r"T:Air\nM:4/4\nL:1/8\nK:C\nCDEF GABc|c4 c4|"
HEAVY = ("torch", "transformers", "scipy", "music21", "verovio", "jaxtyping")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "rwkv"
    config = ModelConfig(
        d_model=64, max_patches=32, backbone="rwkv", backbone_options={"layers": 1},
        head="char-gru",
    )  # fmt: skip
    save_checkpoint(folder, GenericStudent(config), {})
    return folder


def test_from_shell_to_musicxml_without_torch(checkpoint: Path, tmp_path: Path):
    arguments = [
        "generate", "--weights-path", str(checkpoint), "--num-samples", "1", "--prompt", PROMPT,
        "--max-length", "12", "--engine", "numba", "--to", "musicxml", "--json",
        "--output-dir", str(tmp_path / "out"),
    ]  # fmt: skip
    code = f"""
import json, sys
from picogen_cli.main import main
try:
    main({arguments!r})
except SystemExit as done:
    assert done.code == 0, done.code
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    *report, loaded = done.stdout.strip().splitlines()
    assert json.loads(loaded) == []
    assert json.loads("\n".join(report))["written"] == ["0001"]
    record = json.loads((tmp_path / "out" / "0001.json").read_text())
    assert record["engine"] == "numba" and record["stopped"] == "it reached 12 patches"
    assert b"<measure" in (tmp_path / "out" / "0001.musicxml").read_bytes()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--engine", "numa", "--engine numa: no such choice. Did you mean 'numba'?"),
        ("--rollover", "yes", "--rollover yes: no such choice. Known: auto, always, never."),
        ("--order", "first", "--order first: no such choice."),
        ("--engine", "numba --device cuda", "--engine numba: it computes on the CPU, not on cuda."),
    ],
)
def test_choices_that_do_not_exist(
    checkpoint: Path, tmp_path: Path, capsys, option: str, value: str, message: str
):
    with pytest.raises(SystemExit) as stopped:
        main(
            ["generate", "--weights-path", str(checkpoint), "--output-dir", str(tmp_path / "o"),
             option, *value.split()]
        )  # fmt: skip
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_sampling_options_reach_the_record(checkpoint: Path, tmp_path: Path):
    with pytest.raises(SystemExit):
        main(
            ["generate", "--weights-path", str(checkpoint), "--output-dir", str(tmp_path / "o"),
             "--num-samples", "2", "--prompt", PROMPT, "--max-length", "70", "--min-p", "0.01",
             "--order", "temperature-first", "--rollover", "always", "--seed", "3"]
        )  # fmt: skip
    records = [json.loads(file.read_text()) for file in sorted((tmp_path / "o").glob("*.json"))]
    assert [record["number"] for record in records] == [1, 2]
    assert all(record["sampling"]["min_p"] == 0.01 for record in records)
    assert all(record["sampling"]["order"] == "temperature-first" for record in records)
    assert all(record["rollover"] == 32 and record["patches"] <= 70 for record in records)
