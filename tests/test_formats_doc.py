"""docs/formats.md: its commands and snippets run, its table names every repair, its limits hold."""

import re
import shlex
from pathlib import Path

import pytest
from picogen_cli.commands.convert import convert
from picogen_core.abc.repair import MAX_TEXT, STEPS
from picogen_core.abc.repair.lines import MAX_LINE, MAX_VOICES
from picogen_core.score import limits
from picogen_core.score.convert import MAX_TUNE_LINE
from picogen_core.score.engrave import MAX_PAGES
from picogen_core.score.formats import FORMATS, TARGETS
from picogen_core.score.synth import MAX_SECONDS
from typer import Typer
from typer.testing import CliRunner

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "formats.md").read_text(encoding="utf-8")
TUNE = "X:1\nT:One\nC:Nobody\nQ:1/4=90\nL:1/8\nM:4/4\nK:C\nCDEF GABc|c8|]\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def test_the_commands_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tune.abc").write_text(TUNE)
    app = Typer()
    app.command()(convert)
    commands = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        assert command[:2] == ["picogen", "convert"]
        result = CliRunner().invoke(app, command[2:])
        assert result.exit_code == 0, result.output
    written = {path.as_posix() for path in Path().rglob("tune.*")}
    assert {
        "converted/tune.svg",
        "pictures/tune.png",
        "pictures/tune.wav",
        "again/tune.mid",
    } < written


def test_the_snippet_runs(capsys):
    for block in blocks("python"):
        exec(compile(block, "formats.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["[('complete rests', 1)]", "[]"]


def test_every_repair_is_listed_as_its_function_says():
    rows = re.findall(r"^\| ([a-z ]+) \| ((?:[^|\\]|\\.)+) \|$", PAGE, re.M)
    listed = {name: text.replace("\\|", "|") for name, text in rows}
    for step in STEPS:
        assert step.__doc__
        said = step.__doc__.split("\n")[0].rstrip(".")
        assert listed[step.__name__.replace("_", " ")] == said


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("ABC text", (f"{MAX_TEXT // 1024} KiB",)),
        ("a line", (f"{MAX_TUNE_LINE // 1024} KiB", f"{MAX_LINE // 1024} KiB")),
        ("a rest of whole bars", (f"{limits.MAX_BAR_RESTS} bars",)),
        ("voices", (str(MAX_VOICES),)),
        ("CPU time", (f"{limits.CPU_SECONDS} s",)),
        ("memory", (f"{limits.MEMORY_BYTES >> 30} GiB",)),
        ("pages, sound", (f"{MAX_PAGES} pages", f"{MAX_SECONDS // 60} minutes")),
    ],
)
def test_the_limits_are_the_code_s(what, value):
    row = re.search(rf"^\| {what} \| (.*) \|$", PAGE, re.M)
    assert row
    assert all(part in row.group(1) for part in value)


def test_every_format_to_write_is_listed_with_its_files_and_maker():
    rows = re.findall(r"^\| `([a-z]+)` \| `NAME([^`]*)`(.*?) \| (.*) \|$", PAGE, re.M)
    assert [name for name, *_ in rows] == list(TARGETS)
    for name, end, more, made_by in rows:
        made = FORMATS[name]
        assert (end, made_by) == (made.end_of(1), made.made_by)
        assert (f"`NAME{made.end_of(2)}`" in more) == made.paged


def test_every_suffix_that_is_read_is_listed():
    rows = re.findall(r"^\| ((?:`\.[a-z]+` ?)+)\| ", PAGE, re.M)
    assert [re.findall(r"\.[a-z]+", row) for row in rows] == [
        list(read.reads) for read in FORMATS.values() if read.reads
    ]
