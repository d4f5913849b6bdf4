import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from picogen_cli.main import main
from picogen_core import BadInput

HEAVY = ("torch", "transformers", "numpy", "scipy", "music21", "verovio", "lxml")
TUNES = "\n".join(
    f"X:{i}\nT:Tune {i}\nM:4/4\nL:1/4\nK:G\n" + "|".join(bars) + "|]\n"
    for i, bars in enumerate(
        [["GABc", "dcBA", f"G{'ABcd'[i % 4]}{'BcdA'[i // 4 % 4]}G", "G4"] * 3 for i in range(16)]
    )
)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path


def picogen(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


@pytest.fixture
def data(alone: Path) -> Path:
    (alone / "book.abc").write_text(TUNES)
    assert picogen("data", "book.abc", "--output-dir", "data", "--eval-ratio", "0.25") == 0
    return alone / "data"


SMALL = ("--set", "d_model=64", "--set", "backbone.layers=1", "--epochs", "1", "--batch-size", "4")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["distill", "--help"], ["export", "--help"], ["plugins"]]
)
def test_looking_around_loads_nothing_heavy(arguments: list[str], tmp_path: Path):
    code = (
        "import sys\nfrom picogen_cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as end: assert not end.code, end.code\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [["--debug", "eval", "none"], ["eval", "none", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(arguments: list[str]):
    with pytest.raises(BadInput, match="no such file or folder"):
        main(arguments)


def test_python_m_picogen_cli_is_picogen():
    done = subprocess.run(
        [sys.executable, "-m", "picogen_cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "picogen 0.2.0\n"


FAULTS = [
    (["train", "--backbone", "lama"], "Did you mean 'llama'? Installed:"),
    (["train", "--backbone", "hyena"], "Installed: gpt2, llama, mamba, qwen, rwkv"),
    (["train", "--backbone", "rwkv", "--set", "backbone.layer=2"], "Did you mean 'layers'"),
    (["train", "--set", "bakbone.layers=2"], "Did you mean 'backbone'"),
    (["train", "--set", "backbone.layers"], "write it as key=value"),
    (["train", "--set", "loss.phisics.weight=1"], "Did you mean 'physics'"),
    (["train", "--config", "none.toml"], "there is no such configuration file"),
    (["train", "--bakbone", "rwkv"], "--backbone"),
    (["train", "--data", "none.jsonl"], "picogen data"),
    (["distill", "--teacher-ckpt", "none.pth", "--data", "data"], "none.pth: no such file"),
    (["distill", "--teacher-ckpt", "book.abc", "--data", "data"], "NotaGen checkpoint"),
    (["generate", "--weights-path", "none"], "none: no such file or folder"),
    (["generate", "--weights-path", "none", "--to", "svgs"], "Did you mean 'svg'"),
    (["eval", "nowhere"], "nowhere"),
    (["eval", "data", "--metric", "powerlow"], "Did you mean 'powerlaw'"),
    (["data", "nothing.abc", "--output-dir", "new"], "no such file or folder"),
    (["data", "music21:oneils", "--output-dir", "new"], "Did you mean 'oneills'"),
    (["data", "book.abc", "--output-dir", "data"], "not empty"),
    (["sing"], "No such command"),
]


@pytest.mark.parametrize(("arguments", "message"), FAULTS, ids=[" ".join(a) for a, _ in FAULTS])
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], message: str, data: Path, capsys: pytest.CaptureFixture[str]
):
    before = sorted(path.name for path in data.iterdir())
    capsys.readouterr()
    assert picogen(*arguments) == 2
    printed = capsys.readouterr()
    said = [line for line in printed.err.splitlines() if line.startswith("picogen: ")]
    assert len(said) == 1 and message in said[0], printed.err
    assert "Traceback" not in printed.err and printed.out == ""
    assert sorted(path.name for path in data.iterdir()) == before


def test_the_first_commands(data: Path, capsys: pytest.CaptureFixture[str]):
    """train, distill, generate, eval as the first PiCo-Gen had them, with dashes."""
    train = ("train", "--backbone", "llama", "--exp-name", "llama_baseline_v1", "--lr", "1e-4")
    assert picogen(*train, "--data", data, *SMALL) == 0
    distill = ("distill", "--backbone", "rwkv", "--exp-name", "rwkv_distill_v1", "--lr", "5e-5")
    distill += ("--teacher-ckpt", "checkpoints/llama_baseline_v1", "--alpha-kd", "1.0")
    assert picogen(*distill, "--beta-phy", "0.5", "--data", data, *SMALL) == 0
    assert picogen(*train, "--data", data, *SMALL) == 2  # nothing is overwritten
    capsys.readouterr()
    generate = (
        "generate",
        "--weights-path",
        "checkpoints/llama_baseline_v1",
        "--backbone",
        "llama",
    )
    generate += (
        "--num-samples",
        "5",
        "--max-length",
        "40",
        "--temperature",
        "1.0",
        "--top-k",
        "40",
    )
    generate += ("--prompt", r"X:1\nT:My Song\nM:4/4\nK:C\nCDEF|GABc|", "--json")
    assert picogen(*generate) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["written"]
    written = Path("out") / f"{shown['written'][0]}.abc"
    assert written.read_text().startswith(
        "X:1\nT:My Song\nL:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]CDEF|"
    )
    assert picogen(*generate) == 2
    assert (
        picogen("generate", "--weights-path", "checkpoints/rwkv_distill_v1", "--backbone", "gpt2")
        == 2
    )


def test_settings_come_from_files_flags_and_sets(data: Path):
    Path("picogen.toml").write_text(
        'epochs = 1\nd_model = 64\n[backbone]\nname = "llama"\nlayers = 1\n'
    )
    Path("more.toml").write_text("batch_size = 8\nlr = 0.5\n")
    arguments = (
        "train",
        "--data",
        data,
        "--exp-name",
        "r",
        "--config",
        "more.toml",
        "--lr",
        "1e-4",
    )
    assert picogen(*arguments, "--set", "head.width=16") == 0
    resolved = Path("checkpoints/r/config.toml").read_text()
    for line in ("epochs = 1", "batch_size = 8", "lr = 0.0001", "width = 16", 'name = "llama"'):
        assert line in resolved
    assert picogen("train", "--config", "checkpoints/r/config.toml", "--exp-name", "again") == 0
    first, second = (
        Path("checkpoints", name, "last/model.safetensors").read_bytes() for name in ("r", "again")
    )
    assert first == second


def test_eval_reports_json_alone_on_stdout(data: Path, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert picogen("eval", "book.abc", "--metric", "powerlaw", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["pieces"] == 16
    beta = report["metrics"]["powerlaw"]["values"]["beta"]
    assert beta["n"] == 16 and beta["low"] <= beta["value"] <= beta["high"]


def test_data_info(data: Path, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert picogen("data", "info", "data", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["pieces"] == 16 and facts["keys"] == {"G": 16}
    assert facts["splits"] == {"train": 12, "eval": 4}


def test_ctrl_c_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from picogen_cli import main as module

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "app", interrupted)
    assert picogen("demo") == 130
    assert capsys.readouterr().err == "picogen: interrupted. Begin again in another folder.\n"


def test_sigterm_has_its_own_exit_code(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from picogen_core.training import loop

    evaluate = loop.evaluate

    def terminated(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return evaluate(*arguments)

    monkeypatch.setattr(loop, "evaluate", terminated)
    capsys.readouterr()
    assert picogen("train", "--data", data, "--exp-name", "r", *SMALL) == 143
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("picogen: terminated.") and "--resume auto" in said[-2]


def test_resume_with_and_without_a_word(data: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ("train", "--data", data, "--exp-name", "r", *SMALL)
    assert picogen(*arguments, "--resume", "always") == 2
    assert "r: no checkpoint to resume from" in capsys.readouterr().err
    assert picogen(*arguments, "--resume", "auto") == 0
    assert picogen(*arguments) == 2
    capsys.readouterr()
    assert picogen(*arguments, "--resume", "--epochs", "2", "--json") == 0
    printed = capsys.readouterr()
    assert "Resuming checkpoints/r after step 3." in printed.err
    assert json.loads(printed.out)["steps"] == 6
    assert picogen(*arguments, "--resume", "perhaps") == 2


def test_waiting_threads_do_not_spin(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert picogen("--version") == 0
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
