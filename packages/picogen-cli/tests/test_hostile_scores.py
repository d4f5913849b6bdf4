"""Hostile files in one folder: each is refused or mended in seconds, and the good one comes out."""

import json
import re
import time

import pytest
import typer
from lxml import etree
from picogen_cli.commands.convert import convert
from typer.testing import CliRunner

HEADER = "X:1\nT:Hostile\nL:1/8\nM:4/4\nK:C\n"
VOICES = "L:1/8\nM:4/4\nK:C\nV:1 treble\n"
HOSTILE = {
    "rests": HEADER + "Z99999999|\n",
    "rests_in_voice": VOICES + "[V:1]Z99999999|\n",
    "chord": HEADER + "[" + "C" * 50_000 + "]|\n",
    "chord_in_voice": VOICES + "[V:1][" + "C" * 50_000 + "]|\n",
    "brackets": HEADER + "[" * 30_000 + "]" * 30_000 + "\n",
    "brackets_in_voice": VOICES + "[V:1]" + "(" * 30_000 + "C" + ")" * 30_000 + "|\n",
    "braces": VOICES + "[V:1]" + "{" * 30_000 + "C" + "}" * 30_000 + "|\n",
    "long_line": HEADER + "CDEF GABc|" * 10_000 + "\n",
    "long_line_in_voice": VOICES + "[V:1]" + "CDEF GABc|" * 10_000 + "\n",
    "long_title": "X:1\nT:" + "A" * 100_000 + "\nK:C\nC|\n",
    "quotes": VOICES + '[V:1]"' + "a" * 100_000 + '"C|\n',
    "include": "X:1\nK:C\n%%abc-include /etc/passwd\nI:abc-include /etc/passwd\n",
    "header_only": HEADER,
    "meter": "X:1\nM:__import__('os').getpid()/4\nL:1/8\nK:C\n",
    "nothing": "",
    "zeros": "\0" * 50_000,
    "large": HEADER + "C|\n" * 200_000,
    "tuplets": VOICES + "[V:1]" + "(99:98:97" * 400 + "C|\n",
    "voices": VOICES + "".join(f"[V:{i}]C8|" for i in range(5000)) + "\n",
}
SECONDS = 20  # of CPU in this process, for all of them


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for name, text in HOSTILE.items():
        (folder / f"{name}.abc").write_text(text)
    (folder / "binary.abc").write_bytes(bytes(range(256)) * 100)
    (folder / "bomb.mxl").write_bytes(b"PK\x03\x04" + bytes(1000))
    (folder / "entities.xml").write_text(
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><score-partwise>&b;</score-partwise>'
    )
    (folder / "good.abc").write_text(HEADER + "CDEF GABc|c8|]\n")
    app = typer.Typer()
    app.command()(convert)
    out = folder.parent / "out"
    begun = time.process_time()
    arguments = [str(folder), "--output-dir", str(out), "--to", "musicxml", "--check", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert time.process_time() - begun < SECONDS
    assert result.exit_code == 1
    files = json.loads(result.stdout)["files"]
    return out, {file["input"].rsplit("/", 1)[1].split(".")[0]: file for file in files}


def test_every_file_is_accounted_for(told):
    _, files = told
    assert set(files) == {*HOSTILE, "binary", "bomb", "entities", "good"}
    for file in files.values():
        assert "\n" not in file.get("error", "") and len(file.get("error", "")) < 300


def test_the_good_file_comes_out(told):
    out, files = told
    assert files["good"]["repairs"] == []
    assert etree.fromstring((out / "good.musicxml").read_bytes()).findtext("work/work-title")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rests", "'Z99999999' rests over 64 bars"),
        ("long_line", "line 6 has 100,000 characters; at most 16,384"),
        ("brackets", "line 6 has 60,000 characters"),
        ("header_only", "no note"),
        ("include", "no note"),
        ("meter", "no note"),
        ("nothing", "no K: line"),
        ("zeros", "no K: line"),
        ("large", r"600,\d+ characters; at most 262,144"),
        ("chord_in_voice", "no music"),
        ("bomb", "not a compressed MusicXML file"),
    ],
)
def test_hopeless_files_are_refused_with_a_reason(told, name, reason):
    assert re.search(reason, told[1][name].get("error", "no error")), told[1][name]


def test_nothing_of_this_machine_is_in_the_scores(told):
    out, _ = told
    written = b"".join(file.read_bytes() for file in out.rglob("*.musicxml"))
    assert b"root:" not in written and b"/bin/" not in written
