"""`picogen convert` on files, folders, books and broken texts."""

import json
import os
import zipfile
from pathlib import Path

import pytest
import typer
from lxml import etree
from picogen_cli.commands.convert import convert, find_scores
from picogen_core import BadInput, ConfigError
from picogen_core.score import convert as convert_module
from typer.testing import CliRunner

TUNE = "X:1\nT:One\nL:1/8\nM:4/4\nK:C\nCDEF GABc|c8|]\n"
PIECE = "L:1/8\nM:4/4\nK:C\nV:1 treble\nV:2 bass\n[V:1]C4 E(4|[V:2]z8|\n[V:1]c8|]\n"
BROKEN = "X:1\nT:Nothing\nK:C\n"


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(convert)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def scores(tmp_path):
    folder = tmp_path / "scores"
    (folder / "deep").mkdir(parents=True)
    (folder / "tune.abc").write_text(TUNE)
    (folder / "deep" / "tune.abc").write_text(PIECE)
    return folder


def test_a_folder_keeps_its_shape(run, scores, tmp_path):
    out = tmp_path / "out"
    result = run(scores, "--output-dir", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"2 of 2 converted, in {out}.\n"
    written = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    endings = (".mid", ".musicxml", ".svg")
    assert written == [f"{name}{end}" for name in ("deep/tune", "tune") for end in endings]
    score = etree.fromstring((out / "deep" / "tune.musicxml").read_bytes())
    assert [len(part.findall("measure")) for part in score.findall("part")] == [2, 2]


def test_json_alone_on_stdout(run, scores, tmp_path):
    result = run(scores, "--output-dir", tmp_path / "out", "--to", "musicxml", "--json")
    told = json.loads(result.stdout)
    assert (told["converted"], told["failed"]) == (2, 0)
    deep = next(file for file in told["files"] if file["name"] == "deep/tune")
    assert deep["input"] == str(scores / "deep" / "tune.abc")
    assert deep["outputs"] == [str(tmp_path / "out" / "deep" / "tune.musicxml")]
    assert [repair["name"] for repair in deep["repairs"]] == [
        "drop short tuplets",
        "complete rests",
        "align bars",
    ]


def test_a_failure_is_told_and_the_rest_goes_on(run, scores, tmp_path):
    (scores / "broken.abc").write_text(BROKEN)
    result = run(scores, "--output-dir", tmp_path / "out", "--to", "musicxml", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["converted"], told["failed"]) == (2, 1)
    assert f"{scores / 'broken.abc'}: the tune has no note" in result.stderr


def test_a_full_folder_needs_force_and_loses_nothing(run, scores, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    (out / "tune.musicxml").write_text("old")
    refused = run(scores, "--output-dir", out, "--to", "musicxml")
    assert isinstance(refused.exception, BadInput)
    assert str(refused.exception).endswith("is not empty. Choose another or add --force.")
    assert (out / "tune.musicxml").read_text() == "old"
    assert run(scores, "--output-dir", out, "--to", "musicxml", "--force").exit_code == 0
    assert (out / "mine.txt").read_text() == "mine"
    assert (out / "tune.musicxml").read_text().startswith("<?xml")


def test_a_book_is_numbered(run, tmp_path):
    (tmp_path / "book.abc").write_text(
        TUNE + "\n" + TUNE.replace("X:1", "X:2").replace("One", "Two")
    )
    out = tmp_path / "out"
    assert run(tmp_path / "book.abc", "--output-dir", out, "--to", "musicxml").exit_code == 0
    titles = {
        path.name: etree.fromstring(path.read_bytes()).findtext("work/work-title")
        for path in out.iterdir()
    }
    assert titles == {"book_001.musicxml": "One", "book_002.musicxml": "Two"}


def test_musicxml_is_engraved(run, scores, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    run(scores / "tune.abc", "--output-dir", first)
    result = run(first / "tune.musicxml", "--output-dir", second, "--to", "svg,midi")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in second.iterdir()) == ["tune.mid", "tune.svg"]
    assert (second / "tune.mid").read_bytes() == (first / "tune.mid").read_bytes()


def test_compressed_musicxml_is_read(run, scores, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    run(scores / "tune.abc", "--output-dir", first)
    container = '<container><rootfiles><rootfile full-path="score.xml"/></rootfiles></container>'
    with zipfile.ZipFile(tmp_path / "tune.mxl", "w") as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("score.xml", (first / "tune.musicxml").read_bytes().decode())
    (tmp_path / "bad.mxl").write_bytes(b"PK no archive")
    result = run(
        tmp_path / "tune.mxl",
        tmp_path / "bad.mxl",
        "--output-dir",
        second,
        "--to",
        "musicxml,midi",
        "--check",
    )
    assert result.exit_code == 1
    assert "bad.mxl: not a compressed MusicXML file" in result.stderr
    assert (second / "tune.mid").read_bytes() == (first / "tune.mid").read_bytes()
    score = etree.fromstring((second / "tune.musicxml").read_bytes())
    assert score.findtext("work/work-title") == "One"


def test_what_was_mended_is_told_file_by_file(run, scores, tmp_path):
    result = run(scores, "--output-dir", tmp_path / "out", "--to", "musicxml")
    deep = scores / "deep" / "tune.abc"
    mended = "drop short tuplets (1), complete rests (1), align bars (1)"
    assert f"{deep}: mended: {mended}" in result.stderr.replace("\n", " ")
    assert f"{scores / 'tune.abc'}: mended" not in result.stderr


def test_check_fails_what_the_schema_refuses(run, scores, tmp_path):
    first = tmp_path / "first"
    assert run(scores, "--output-dir", first, "--to", "musicxml", "--check").exit_code == 0
    bad = tmp_path / "bad.musicxml"
    bad.write_bytes((first / "tune.musicxml").read_bytes().replace(b"<step>C<", b"<step>H<", 1))
    result = run(bad, "--output-dir", tmp_path / "second", "--to", "musicxml", "--check", "--json")
    assert result.exit_code == 1
    assert "The value 'H' is not an element" in json.loads(result.stdout)["files"][0]["error"]


def test_pictures_and_sound(run, scores, tmp_path):
    out = tmp_path / "out"
    result = run(scores / "tune.abc", "--output-dir", out, "--to", "png,wav")
    assert result.exit_code == 0, result.output
    assert (out / "tune.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "tune.wav").read_bytes().startswith(b"RIFF")


def test_abc_goes_before_its_own_musicxml(scores):
    (scores / "tune.musicxml").touch()
    assert find_scores([scores])["tune"] == scores / "tune.abc"


def test_inputs_that_cannot_be(run, scores, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    for path, fault in [
        (tmp_path / "nowhere.abc", "does not exist"),
        (tmp_path / "empty", "holds no .abc"),
        (tmp_path / "notes.txt", "is no score"),
    ]:
        with pytest.raises(BadInput, match=fault):
            find_scores([path])
    with pytest.raises(BadInput, match="would both be written as tune"):
        find_scores([scores / "tune.abc", scores / "deep" / "tune.abc"])
    unknown = run(scores, "--output-dir", tmp_path / "out", "--to", "pdf")
    assert isinstance(unknown.exception, ConfigError)
    assert not (tmp_path / "out").exists()


KERN = "**kern\n*M2/4\n=1\n4c\n4d\n=2\n2e\n==\n*-\n"


def test_kern_and_midi_in_any_case_become_abc_and_scores(run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "A.KRN").write_text(KERN)
    (folder / "tune.Abc").write_text(TUNE)
    result = run(folder, "--output-dir", tmp_path / "out", "--to", "musicxml,abc", "--json")
    assert result.exit_code == 0, result.output
    files = {file["name"]: file for file in json.loads(result.stdout)["files"]}
    assert set(files) == {"A", "tune"} and not any(f["differences"] for f in files.values())
    abc = (tmp_path / "out" / "A.abc").read_text()
    assert abc.endswith("[V:1]C2 D2|\n[V:1]E4|]\n")
    assert (tmp_path / "out" / "A.musicxml").read_bytes().count(b"<step>") == 3


def test_musicxml_becomes_abc_with_its_parts(run, scores, tmp_path):
    first = tmp_path / "first"
    assert run(scores / "tune.abc", "--output-dir", first, "--to", "musicxml").exit_code == 0
    result = run(first, "--output-dir", tmp_path / "second", "--to", "abc")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "second" / "tune.abc").read_text()
    assert text.startswith("X:1\nT:One\n") and "[V:1]CDEF GABc|" in text


def test_a_named_file_is_read_by_its_content(run, tmp_path):
    (tmp_path / "tune.txt").write_text(TUNE)
    (tmp_path / "score.mxl").write_text(TUNE.replace("One", "Two"))
    for name in ("tune.txt", "score.mxl"):
        result = run(tmp_path / name, "--output-dir", tmp_path / f"{name}-out", "--to", "musicxml")
        assert result.exit_code == 0, result.output


def test_a_score_is_not_written_over_itself(run, tmp_path):
    (tmp_path / "tune.abc").write_text(TUNE)
    result = run(tmp_path / "tune.abc", "--output-dir", tmp_path, "--to", "abc", "--force")
    assert result.exit_code == 1 and "written over itself" in result.stderr
    assert (tmp_path / "tune.abc").read_text() == TUNE


def test_check_goes_on_behind_numbers_that_are_none(run, scores, tmp_path):
    good = tmp_path / "good"
    assert run(scores / "tune.abc", "--output-dir", good, "--to", "musicxml").exit_code == 0
    xml = (good / "tune.musicxml").read_text()
    (good / "decimal.musicxml").write_text(
        xml.replace("<duration>1</duration>", "<duration>1.0</duration>")
    )
    (good / "broken.musicxml").write_text(
        xml.replace("<duration>1</duration>", "<duration>x</duration>")
    )
    result = run(good, "--output-dir", tmp_path / "out", "--to", "midi", "--check", "--json")
    told = json.loads(result.stdout)
    assert (told["converted"], told["failed"], result.exit_code) == (2, 1, 1)
    assert any("broken" in f["input"] and "error" in f for f in told["files"])


def test_tunes_of_a_book_and_other_scores_have_names_of_their_own(run, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "book.abc").write_text(TUNE + "\n" + TUNE.replace("X:1", "X:2"))
    (folder / "book_001.abc").write_text(TUNE)
    result = run(folder, "--output-dir", out, "--to", "musicxml", "--json")
    told = json.loads(result.stdout)
    assert told["converted"] == 3
    written = sorted(file.name for file in out.iterdir())
    assert written == ["book_001.musicxml", "book_001~2.musicxml", "book_002.musicxml"]
    (renamed,) = [file for file in told["files"] if "~" in file["name"]]
    assert "is the name of another score or of a page" in renamed["remarks"][0]


def test_no_score_is_called_as_the_page_of_another(run, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "x.abc").write_text(TUNE.replace("c8|]", "\n".join(["CDEF GABc|"] * 200) + "|]"))
    (folder / "x-2.abc").write_text(TUNE)
    result = run(folder, "--output-dir", out, "--to", "svg", "--json")
    outputs = [path for file in json.loads(result.stdout)["files"] for path in file["outputs"]]
    assert len(outputs) == len(set(outputs)) == len(list(out.iterdir())) > 2
    assert "x-2~2.svg" in {file.name for file in out.iterdir()}
    assert run(folder, "--output-dir", tmp_path / "o", "--to", "musicxml").exit_code == 0
    assert {file.name for file in (tmp_path / "o").iterdir()} == {"x.musicxml", "x-2.musicxml"}


def test_no_input_is_written_over(run, tmp_path):
    (tmp_path / "a.abc").write_text(TUNE)
    (tmp_path / "b.xml").write_text("<score-partwise/>")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = run(tmp_path, "--output-dir", tmp_path, "--force", "--to", "abc")
    assert result.exit_code == 1 and "would be written over itself" in result.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_pipes_huge_files_and_links_out_of_the_folder_fail_alone(run, scores, tmp_path):
    os.mkfifo(scores / "p.abc")
    with (scores / "huge.abc").open("wb") as file:
        file.truncate(8 << 30)
    (scores / "zero.abc").symlink_to("/dev/zero")
    (tmp_path / "secret.abc").write_text(TUNE)
    (scores / "link.abc").symlink_to(tmp_path / "secret.abc")
    result = run(scores, "--output-dir", tmp_path / "out", "--to", "musicxml")
    assert result.exit_code == 1
    assert result.stdout.startswith("2 of 6 converted")
    for told in ("p.abc: not a regular file", "huge.abc: larger than 32 MB"):
        assert told in result.stderr
    assert result.stderr.count("a link that leads out of the folder") == 2


def test_whatever_a_converter_raises_costs_one_tune(run, scores, tmp_path, monkeypatch):
    def convert_text(text, *rest):
        if "T:One" in text:
            raise OverflowError("too\nlarge")
        return original(text, *rest)

    original = convert_module.convert_text
    monkeypatch.setattr(convert_module, "convert_text", convert_text)
    result = run(scores, "--output-dir", tmp_path / "out", "--to", "musicxml")
    assert result.exit_code == 1 and result.stdout.startswith("1 of 2 converted")
    assert "tune.abc: OverflowError: too large" in result.stderr


def test_shards_and_their_merge_are_one_process(run, scores, tmp_path, monkeypatch):
    (scores / "book.abc").write_text("\n\n".join(TUNE.replace("One", f"{i}") for i in range(3)))
    (scores / "TUNE-2.abc").write_text(TUNE)
    (scores / "empty.abc").write_text("")
    (scores / "broken.abc").write_text(BROKEN)
    options = ("--to", "musicxml,svg", "--json")
    monkeypatch.chdir(tmp_path)
    whole = run("scores", "-o", "one", *options)
    assert whole.exit_code == 1
    many = ("scores", "-o", "many", *options)
    counts = []
    for shard in ("2/3", "1/3"):
        counts += [len(json.loads(run(*many, "--shard", shard).stdout)["files"])]
    early = run(*many, "--merge")
    assert "shard 3/3 is not done" in str(early.exception)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "many").rglob("*.svg")}
    for shard in ("3/3", "2/3"):  # the second again
        counts += [len(json.loads(run(*many, "--shard", shard).stdout)["files"])]
    assert (
        counts[0] == counts[3]
        and before.items()
        <= {path: path.stat().st_mtime_ns for path in (tmp_path / "many").rglob("*.svg")}.items()
    )
    merged = run(*many, "--merge")
    assert merged.exit_code == 1
    assert merged.stdout == whole.stdout.replace("one", "many")
    written = [path.relative_to("one") for path in sorted(Path("one").rglob("*.*"))]
    assert written == [path.relative_to("many") for path in sorted(Path("many").rglob("*.*"))]
    for path in written:
        assert ("one" / path).read_bytes() == ("many" / path).read_bytes()
    with pytest.raises(BadInput, match="no shard"):
        raise run(*many, "--merge", "--force").exception
