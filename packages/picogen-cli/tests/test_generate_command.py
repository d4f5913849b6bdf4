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


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main(["generate", *map(str, arguments)])
    return stopped.value.code


def test_one_piece_bar_by_bar(checkpoint: Path, tmp_path: Path, capsys):
    given = ["--weights-path", checkpoint, "--prompt", PROMPT, "--bars", 4, "--seed", 2]
    assert run(*given, "--stream", "--output-dir", tmp_path / "a") == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[:4] == ["L:1/8", "M:4/4", "K:C", "V:1 treble"]
    assert lines[4:6] == ["[V:1]CDEF GABc|", "[V:1]c4 c4|"] and len(lines) == 8
    assert "1 of 1 pieces" in told.err
    record = json.loads((tmp_path / "a" / "0001.json").read_text())
    assert record["bars_written"] == record["bars_asked"] == 4


def test_a_closed_pipe_leaves_the_piece_as_far_as_it_was(checkpoint: Path, tmp_path: Path):
    given = ["--weights-path", checkpoint, "--bars", 30, "--stream", "--output-dir", tmp_path / "o"]
    process = subprocess.Popen(
        [sys.executable, "-m", "picogen_cli", "generate", *map(str, given)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout and process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=100) == 1
    assert process.stderr and "Traceback" not in process.stderr.read()
    record = json.loads((tmp_path / "o" / "0001.json").read_text())
    assert record["interrupted"] and not record["complete"]


def test_a_full_disk_under_the_report(checkpoint: Path, tmp_path: Path):
    given = ["--weights-path", checkpoint, "--bars", 2, "--json", "--output-dir", tmp_path / "o"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "picogen_cli", "generate", *map(str, given)],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=100, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("picogen: the output: No space left on device.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "inf"], "'--temperature': Input should be less than or equal to 1000"),
        (["--top-p", "nan"], "generate: top_p=nan: input should be a finite number."),
        (["--max-length", "1"], "greater than or equal to 2. See: "),
        (["--stream", "--num-samples", "2"], "--stream prints one piece"),
        (["--shard", "1/2"], "--shard is a part of the list of --list"),
        (["--list", "j.jsonl", "--num-samples", "2"], "--list names the pieces"),
        (["--rank", "nul"], "--rank nul: no such choice. Did you mean 'nll'?"),
        (["--bars", "9", "--max-length", "12"], "--bars 9 takes"),
        (["--list", "none.jsonl"], "list none.jsonl: cannot be read"),
        (["--jobs", "2"], "--jobs counts processes, and generate has one"),
    ],
)
def test_what_does_not_go_together(
    checkpoint: Path, tmp_path: Path, capsys, arguments: list[str], message: str
):
    given = ["--weights-path", checkpoint, "--output-dir", tmp_path / "o"]
    assert run(*given, *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_list_goes_on_where_it_ended(checkpoint: Path, tmp_path: Path, capsys):
    jobs, out = tmp_path / "jobs.jsonl", tmp_path / "out"
    (tmp_path / "air.abc").write_text("X:1\nT:Air\nM:4/4\nL:1/8\nK:C\nCDEF GABc|c4 c4|C8|]\n")
    rows = [{"id": "one", "continue": "air.abc", "keep_bars": 2, "bars": 4}, {"id": "two"}]
    jobs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ["--weights-path", checkpoint, "--list", jobs, "--bars", 3, "--output-dir", out]
    assert run(*given, "--json", "--shard", "3/3") == 0  # of two pieces: none
    assert json.loads(capsys.readouterr().out)["written"] == []
    assert run(*given, "--json", "--shard", "1/2") == 0
    assert json.loads(capsys.readouterr().out)["written"] == ["one"]
    assert run(*given, "--json", "--to", "musicxml") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["written"] == ["two"] and report["found"] == ["one"]
    assert sorted(report["converted"]) == ["one", "two"]
    assert (out / "one.musicxml").read_bytes().count(b"<measure") == 4
    assert json.loads((out / "two.json").read_text())["bars_written"] == 3
