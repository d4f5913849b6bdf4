"""The command line without surprises: help, short names, environment, completion, versions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from picogen_cli.help import EXAMPLES
from picogen_cli.main import main
from picogen_core.generation.request.options import GenerateRequest
from picogen_core.plugins.options import option_name

COMMANDS = [name.split() for name in EXAMPLES]
TUNES = "\n".join(
    f"X:{i}\nT:{i}\nM:4/4\nL:1/4\nK:G\n{'GABc|dcBA|' * (i + 1)}G4|]\n" for i in range(3)
)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "book.abc").write_text(TUNES)
    return tmp_path


def picogen(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example_that_the_parser_knows(command: list[str], capsys):
    assert picogen(*command, "-h") == 0
    shown = capsys.readouterr().out
    example = EXAMPLES[" ".join(command)]
    assert shown.endswith(f"Example:\n  {example}\n")
    assert "env var" not in shown
    for word in example.split():
        if word.startswith("-"):
            assert f"{word} " in shown or f"{word}," in shown, word


def test_every_option_of_a_request_is_one_of_generate(capsys):
    assert picogen("generate", "--help") == 0
    shown = capsys.readouterr().out
    flat = " ".join(shown.split())
    for name, field in GenerateRequest.model_fields.items():
        assert f"--{option_name(name, field).replace('_', '-')} " in shown
        assert str(field.description).removesuffix(".")[:40] in flat, name
    headings = [line[:-1] for line in shown.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == [
        "Checkpoint", "The piece", "Its beginning", "How many", "Sampling",
        "The best of several", "Engine", "Output", "Options", "Example",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "value", "command", "message"),
    [
        ("PICOGEN_GENERATE_BARS", "0", "generate", "'--bars': Input should be greater"),
        ("PICOGEN_GENERATE_LIST", "none.jsonl", "generate", "list none.jsonl: cannot be read"),
        ("PICOGEN_GENERATE_CONTINUE", "none.abc", "generate", "none.abc: there is no such file"),
        ("PICOGEN_GENERATE_TO", "svgs", "generate", "--to svgs"),
        ("PICOGEN_TRAIN_LR", "fast", "train", "'--lr': Input should be a valid number"),
        ("PICOGEN_DATA_JOBS", "0", "data book.abc", "'--jobs': Input should be greater"),
        ("PICOGEN_PLUGINS_CHECK_WIDTH", "1", "plugins check head char-gru", "'--width'"),
    ],
)
def test_options_from_the_environment(
    variable: str, value: str, command: str, message: str, monkeypatch, capsys
):
    monkeypatch.setenv(variable, value)
    assert picogen(*command.split()) == 2
    assert message in capsys.readouterr().err


def test_the_command_line_goes_before_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("PICOGEN_DATA_OUTPUT_DIR", "other")
    assert picogen("data", "book.abc", "-o", "d", "--json") == 0
    assert Path("d/index.jsonl").is_file() and not Path("other").exists()


def test_debug_from_the_environment(monkeypatch):
    monkeypatch.setenv("PICOGEN_DEBUG", "1")
    from picogen_core import BadInput

    with pytest.raises(BadInput):
        main(["eval", "none"])


def test_shells_complete_commands_and_options():
    code = "import sys; sys.argv[0] = 'picogen'; from picogen_cli.main import main; main([])"
    words = {"_PICOGEN_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | words | {"COMP_WORDS": "picogen generate --ke"},
    )  # fmt: skip
    assert done.stdout.split() == ["--key", "--keep-bars"]


def test_a_list_under_its_old_name_is_taken_with_a_warning(capsys):
    assert picogen("generate", "--jobs", "none.jsonl") == 2
    warning, fault = capsys.readouterr().err.splitlines()
    assert warning.startswith("--jobs FILE is now --list FILE")
    assert fault == "picogen: list none.jsonl: cannot be read (No such file or directory)."


def test_json_has_the_version_of_its_format(capsys):
    def printed(*arguments: str) -> dict:
        assert picogen(*arguments) == 0
        return json.loads(capsys.readouterr().out)

    assert printed("data", "book.abc", "-o", "d", "--json")["version"] == 1
    assert printed("data", "info", "d", "--json")["version"] == 1
    assert printed("plugins", "head", "--json")["version"] == 1
    assert printed("eval", "book.abc", "--metric", "powerlaw", "--format", "json")["version"] == 1
    assert printed("convert", "book.abc", "--to", "abc", "-o", "c", "--json")["version"] == 1


def test_metrics_with_commas_and_tables_in_markdown(capsys):
    given = ("eval", "book.abc", "--metric", "powerlaw,musicality", "--jobs", "1")
    assert picogen(*given, "--format", "md") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| metric | value [95 %] | reference | unit | n | better |"
    assert {line.split()[1].partition(".")[0] for line in lines[2:] if line.startswith("| ")} == {
        "powerlaw", "musicality",
    }  # fmt: skip
    assert picogen(*given, "--format", "csv") == 0
    table = capsys.readouterr().out
    assert table.startswith("metric,name,value") and picogen(*given, "--csv") == 0
    assert capsys.readouterr().out == table
    assert picogen("eval", "book.abc", "--metric", "powerlaw,powerlow") == 2
    assert "Did you mean 'powerlaw'" in capsys.readouterr().err


def test_info_is_a_command_and_may_be_a_source(alone: Path, capsys):
    assert picogen("data", "info", "--help") == 0
    assert "picogen data info" in capsys.readouterr().out
    (alone / "info").mkdir()
    (alone / "info" / "book.abc").write_text(TUNES)
    assert picogen("data", "info", "--output-dir", "d") == 0
    assert "3 pieces" in capsys.readouterr().out
    assert picogen("data", "info", "d") == 0
    assert "pieces: 3" in capsys.readouterr().out


def test_data_without_a_held_out_piece_is_reported(capsys):
    assert picogen("data", "book.abc", "-o", "d", "--eval-ratio", "0") == 0
    assert "held out: no piece (--eval-ratio 0)" in capsys.readouterr().out
    assert picogen("data", "book.abc", "-o", "e", "--eval-ratio", "0.5") == 0
    assert "held out" not in capsys.readouterr().out
