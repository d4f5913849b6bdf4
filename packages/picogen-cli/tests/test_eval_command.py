"""`picogen eval`: its table, its marks, its limits, its formats; no torch."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from picogen_cli.main import main
from picogen_core.testing.samples import sample_pieces


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    for name, count, seed in (("own", 20, 1), ("real", 20, 0)):
        (tmp_path / name).mkdir()
        for piece in sample_pieces(count, seed):
            (tmp_path / name / piece.name).write_text(piece.text)
    return tmp_path


def picogen(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["eval", *arguments])
    return int(end.value.code or 0)


QUICK = ("--set", "validity.convert=false", "--jobs", "1")


def test_the_table_shows_the_reference_and_marks_what_differs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert picogen("own", "--reference", "real", "--baseline", "real", *QUICK) == 0
    out = capsys.readouterr().out
    head = out.splitlines()[0].split()
    assert head == ["value", "[95", "%]", "reference", "baseline", "unit", "n", "better"]
    for name in ("powerlaw_distance", "valid", "copies", "mean_js", "key_clarity", "beta"):
        assert f"\n  {name} " in out
    assert "* differs beyond noise" not in out or "(Holm)" in out
    assert "psd_03" not in out and "likelihood" not in out
    assert picogen("own", "--reference", "bach", "--metric", "musicality", "--jobs", "1") == 0
    marked = [s for s in capsys.readouterr().out.splitlines() if " * " in s]
    assert any("rhythm_entropy" in line for line in marked)


def test_json_and_csv_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("own", "--reference", "real", "--metric", "powerlaw", "--baseline", "real", *QUICK)
    given = tuple(part for part in given if part not in ("--set", "validity.convert=false"))
    assert picogen(*given, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert picogen(*given, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    values = data["metrics"]["powerlaw"]["values"]
    assert [row["name"] for row in rows] == list(values)
    beta = next(row for row in rows if row["name"] == "beta")
    assert float(beta["value"]) == values["beta"]["value"]
    assert float(beta["p"]) == values["beta"]["p"]
    known = data["baseline"]["metrics"]["powerlaw"]["values"]["beta"]["value"]
    assert float(beta["baseline"]) == float(beta["reference"]) == known
    assert data["scores"][0]["facts"]["powerlaw"]["notes"] > 200 and data["failed"] == []


@pytest.mark.parametrize(
    ("limit", "code", "says"),
    [
        ("valid=99", 0, ""),
        ("validity=99", 0, ""),
        ("valid=101", 1, "failed: valid is 100.0 < 101"),
        ("bar_alignment_error=0", 0, ""),
        ("bar_alignment_error=-1", 1, "> -1"),
        (
            "validity.bars_as_announced=9",
            1,
            "could not be measured (limit 9): no piece has counter",
        ),
        ("repairs=3", 1, "repairs could not be measured (limit 3): no piece has the JSON"),
        ("meter_agreement=99", 0, ""),
        ("pieces_in_meter=101", 1, "failed: pieces_in_meter is 100.0 < 101"),
        ("valit=9", 2, "Did you mean 'valid'"),
        ("valid", 2, "NAME=NUMBER"),
        ("valid=nan", 2, "NAME=NUMBER"),
    ],
)
def test_limits(limit: str, code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert picogen("own", "--metric", "validity", "--fail-under", limit, *QUICK) == code
    assert says in capsys.readouterr().err


def bad_music(folder: Path) -> None:
    """Pieces with 2 of 10 bars in meter, written by a model and then repaired 42 times each."""
    folder.mkdir()
    header = "L:1/4\nM:4/4\nK:C\nV:1\n"
    for number in range(4):
        bars = ["CDEFG"] * 8 + ["CDEF"] * 2
        raw = header + "".join(f"[r:{i}/{9 - i}][V:1]{bar}|\n" for i, bar in enumerate(bars))
        mended = "X:1\n" + header + "[V:1]CDEF|\n" * 10
        repairs = [{"name": "align bars", "count": 42, "detail": ""}]
        record = {"raw": raw, "complete": True, "repairs": repairs}
        (folder / f"{number}.abc").write_text(mended)
        (folder / f"{number}.json").write_text(json.dumps(record))


def test_bad_music_shows_in_the_first_three_rows(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad_music(alone / "bad")
    assert picogen("bad", "--jobs", "1") == 0
    told = capsys.readouterr()
    head, *lines = told.out.splitlines()[1:5]
    assert head.split() == ["validity"]
    rows = [line.replace("*", " ").split() for line in lines]
    assert [row[0] for row in rows] == ["valid", "meter_agreement", "repairs"]
    assert rows[1][1:5] == ["20.0", "[20.0,", "20.0]", "98.9"]  # O'Neill's beside it
    assert rows[2][1] == "42.0" and rows[2][-1] == "lower"
    assert "4 of 4 pieces are judged before repair, by the JSON beside them" in told.err
    assert "reference: oneills (shipped), since no --reference is given" in told.err


@pytest.mark.parametrize(("limit", "code"), [("repairs=42", 0), ("validity.repairs=41", 1)])
def test_fewer_repairs_are_better(
    limit: str, code: int, alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad_music(alone / "bad")
    given = ("bad", "--metric", "validity", "--fail-under", limit)
    assert picogen(*given, *QUICK) == code
    failed = "failed: validity.repairs is 42.0 > 41"
    assert (failed in capsys.readouterr().err) is bool(code)


def test_what_is_wrong_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for given, says in (
        (("own", "--reference", "oneill"), "Did you mean 'oneills'"),
        (("own", "--metric", "novelty"), "Add --reference"),
        (("own", "--set", "powerlow.bootstrap=30"), "METRIC.OPTION=VALUE"),
        (("own", "--metric", "powerlaw", "--set", "powerlaw.boots=30"), "no option 'boots'"),
        (("none",), "no such file or folder"),
    ):
        assert picogen(*given) == 2
        said = [s for s in capsys.readouterr().err.splitlines() if s.startswith("picogen: ")]
        assert len(said) == 1 and says in said[0]


def test_what_could_not_be_used_is_told(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (alone / "own" / "junk.abc").write_text("junk")
    assert picogen("own", "--metric", "powerlaw", "--reference", "bach", "--no-cache") == 0
    said = capsys.readouterr().err
    assert "junk.abc: not read: no ABC" in said and "under 50" in said
    assert not (alone / "cache").exists()


def test_no_torch_is_loaded() -> None:
    code = (
        "import sys\nfrom picogen_cli.main import main\n"
        "try: main(['eval', 'own', '--reference', 'real', '--jobs', '1'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print([m for m in ('torch', 'transformers', 'music21', 'verovio') if m in sys.modules])"
    )
    for piece in sorted(Path("own").iterdir())[2:]:
        piece.unlink()  # these are converted
    for piece in sorted(Path("real").iterdir())[2:]:
        piece.unlink()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_shards_leave_nothing_to_measure_and_the_merge_says_what_one_process_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, alone: Path
) -> None:
    given = ("own", "--metric", "powerlaw,validity", *QUICK, "--json")
    Path("own/broken.abc").write_text("X:1\nK:C\n")
    assert picogen(*given, "--no-cache") == 0
    whole = capsys.readouterr().out
    assert picogen(*given, "--merge") == 2
    assert "no shard. Run picogen eval with --shard" in capsys.readouterr().err
    counts = []
    for shard in ("1/2", "2/2"):
        assert picogen(*given, "--shard", shard) == 0
        counts.append(json.loads(capsys.readouterr().out)["pieces"])
    assert counts == [10, 10]

    def measured(*_: object) -> None:
        raise AssertionError("nothing is left to measure")

    monkeypatch.setattr("picogen_core.evaluation.measuring._measure_score", measured)
    assert picogen(*given, "--merge") == 0
    assert capsys.readouterr().out == whole
