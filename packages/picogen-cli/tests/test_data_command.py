"""`picogen data` on books, scores and folders."""

import json
from pathlib import Path

import pytest
from picogen_cli.main import main
from picogen_core.data.corpora import corpus_files

SCALES = ["GABc", "dcBA", "GBdg", "fedc", "BcdB", "AGFE", "gfed", "cABG"]


def book(count: int) -> str:
    tunes = []
    for i in range(count):
        bars = [SCALES[(i * k + k * k) % 8] for k in range(1, 13)]
        tunes.append(f"X:{i + 1}\nT:Tune {i}\nM:4/4\nL:1/4\nK:G\n" + "|".join(bars) + "|]\n")
    return "\n".join(tunes)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "book.abc").write_text(book(6))
    return tmp_path


def picogen(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in Path(name, "index.jsonl").read_text().splitlines()]


def test_a_folder_of_all_kinds(folder: Path, capsys: pytest.CaptureFixture[str]):
    _, bach = corpus_files("bach")
    _, mozart = corpus_files("quartets")
    music = folder / "music" / "Baroque" / "Bach, J. S." / "Choral"
    music.mkdir(parents=True)
    (music / "a.mxl").write_bytes(bach[0][1].read_bytes())
    (folder / "music" / "a.mxl").write_bytes(mozart[-1][1].read_bytes())
    (folder / "music" / "book.ABC").write_text(book(3))
    (folder / "music" / "bad.mid").write_text("no MIDI")
    arguments = ("data", "music", "music21:joplin", "--output-dir", "d", "--tags", "folders")
    assert picogen(*arguments, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["pieces"] == 6
    assert [entry["path"] for entry in report["rejected"]] == ["bad.mid"]
    paths = [row["path"] for row in rows("d")]
    assert sorted(paths) == [
        "Baroque/Bach, J. S./Choral/a.mxl", "a.mxl", "book.ABC#1", "book.ABC#2", "book.ABC#3",
        "joplin/maple_leaf_rag.mxl",
    ]  # fmt: skip
    assert rows("d")[paths.index("a.mxl")]["voices"] >= 4


def test_keys_jobs_and_what_is_told(capsys: pytest.CaptureFixture[str]):
    assert picogen("data", "book.abc", "--output-dir", "d", "--keys", "all", "--jobs", "2") == 0
    told = capsys.readouterr().out
    assert told.startswith("6 pieces, 90 with their keys in ")
    assert picogen("data", "info", "d") == 0
    told = capsys.readouterr().out
    assert "pieces: 6\nrows: 90\n" in told and "G × 6" in told and "median " in told


def test_resume_goes_on_and_says_when_there_is_nothing_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "d" / "parts").mkdir(parents=True)
    assert picogen("data", "book.abc", "--output-dir", "d") == 2
    assert "d is not empty" in capsys.readouterr().err
    assert picogen("data", "book.abc", "--output-dir", "d", "--resume") == 0
    assert len(rows("d")) == 6 and not (folder / "d" / "parts").exists()
    assert picogen("data", "book.abc", "--output-dir", "d", "--resume") == 2
    assert "nothing to resume" in capsys.readouterr().err
    assert picogen("data", "book.abc", "--output-dir", "d", "--force", "--keys", "2") == 0
    assert len(rows("d")) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("book.abc", "--keys", "C"), "--keys 'C': original, all, or a number"),
        (("book.abc", "--tags", "none.csv"), "tags none.csv: cannot be read"),
        (("music21:bac",), "Did you mean"),
        (("empty",), "has no file that is read"),
        (("gone.mid",), "no such file or folder"),
        (("notes.txt",), "nothing reads '.txt'"),
    ],
)
def test_faults_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
):
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("")
    assert picogen("data", *arguments, "--output-dir", "d") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("picogen: ") and message in error
    assert not (folder / "d" / "index.jsonl").exists()


def test_options_of_sources_are_set(folder: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ("data", "book.abc", "--output-dir", "d", "--set")
    assert picogen(*arguments, "abc.licence=CC0") == 0
    assert {row["licence"] for row in rows("d")} == {"CC0"}
    assert picogen(*arguments, "abd.licence=CC0", "--force") == 2
    assert "SOURCE.OPTION=VALUE; sources: abc, kern" in capsys.readouterr().err
    assert picogen(*arguments, "abc.license=CC0", "--force") == 2
    assert "no option 'license'. Did you mean 'licence'?" in capsys.readouterr().err


def test_a_named_file_is_read_by_its_content(folder: Path):
    (folder / "book.txt").write_text(book(3))
    (folder / "KERN.xml").write_text("**kern\n" + "4c\n4e\n" * 8 + "*-\n")
    assert picogen("data", "book.txt", "KERN.xml", "--output-dir", "d") == 0
    assert [row["path"] for row in rows("d")] == [
        "book.txt#1",
        "book.txt#2",
        "book.txt#3",
        "KERN.xml",
    ]


def test_shards_are_merged_to_what_one_process_writes(folder: Path, capsys):
    (folder / "book.abc").write_text(book(90))
    for shard in ("2/2", "1/2"):
        assert picogen("data", "book.abc", "-o", "many", "--shard", shard, "--json") == 0
        assert json.loads(capsys.readouterr().out)["shard"] == shard
    assert picogen("data", "book.abc", "-o", "many", "--merge") == 0
    assert picogen("data", "book.abc", "-o", "one") == 0
    names = sorted(path.name for path in Path("one").iterdir())
    assert names == sorted(path.name for path in Path("many").iterdir())
    assert all(Path("one", n).read_bytes() == Path("many", n).read_bytes() for n in names)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--shard", "0/2"), "--shard 0/2: give a part and their number, from 1/8 to 8/8."),
        (("--shard", "3/2"), "--shard 3/2: give a part and their number, from 1/8 to 8/8."),
        (("--shard", "1/2", "--merge"), "--shard does a part, --merge ends the work."),
    ],
)
def test_shards_that_make_no_sense(folder: Path, capsys, words, message):
    assert picogen("data", "book.abc", "-o", "d", *words) == 2
    assert message in capsys.readouterr().err
    assert not Path("d").exists()
