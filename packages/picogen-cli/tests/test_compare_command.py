"""`picogen compare`: runs side by side, their music, and folders that are none."""

import csv
import io
import json
import math
import shutil
from pathlib import Path

import pytest
from lxml import etree
from picogen_cli.main import main
from picogen_core.comparison import benchmark
from picogen_core.generation.engines import choose

TUNES = "\n".join(
    f"X:{i}\nT:Tune {i}\nM:4/4\nL:1/4\nK:G\n" + "|".join(bars) + "|]\n"
    for i, bars in enumerate(
        [["GABc", "dcBA", f"G{'ABcd'[i % 4]}{'BcdA'[i // 4 % 4]}G", "G4"] * 3 for i in range(16)]
    )
)


def picogen(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data` and `checkpoints/one`."""
    folder = tmp_path_factory.mktemp("compare")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PICOGEN_CACHE", str(folder / "cache"))
        (folder / "book.abc").write_text(TUNES)
        assert picogen("data", "book.abc", "--output-dir", "data", "--eval-ratio", "0.25") == 0
        assert picogen(
            "train", "--data", "data", "--exp-name", "one", "--epochs", "2", "--batch-size", "4",
            "--set", "d_model=64", "--set", "backbone.layers=1", "--set", "max_patches=64",
        ) == 0  # fmt: skip
    return folder


@pytest.fixture
def runs(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """`one`, and a copy with another learning rate and a hostile name. Nothing is compiled."""
    monkeypatch.chdir(trained)
    monkeypatch.setattr(choose, "_obstacle", lambda *_: "compiling takes too long for a test")
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    one, other = tmp_path / "one", tmp_path / "a|b<script>"
    shutil.copytree(trained / "checkpoints" / "one", one)
    shutil.copytree(one, other)
    settings = (other / "config.toml").read_text()
    (other / "config.toml").write_text(settings.replace("lr = 0.001", "lr = 0.5"))
    return one, other


def test_what_differs_and_what_the_folders_tell(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    curves = tmp_path / "curves.svg"
    assert picogen("compare", *runs, "--no-latency", "--curves", curves, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    manifest = json.loads((runs[0] / "best" / "manifest.json").read_text())
    rows = [json.loads(line) for line in (runs[0] / "metrics.jsonl").read_text().splitlines()]
    bits = min(row["eval_bits"] for row in rows if "eval_bits" in row)
    assert found["runs"] == ["one", "a|b<script>"]
    assert found["settings"] == {"lr": [0.001, 0.5]}
    assert [v["value"] for v in found["values"]["parameters"]] == [manifest["parameters"]] * 2
    assert [v["value"] for v in found["values"]["bits_per_character"]] == pytest.approx([bits] * 2)
    assert [v["value"] for v in found["values"]["steps"]] == [rows[-1]["step"]] * 2
    assert [v["value"] for v in found["values"]["characters"]] == [rows[-1]["characters"]] * 2
    assert [v["unit"] for v in found["values"]["training_cpu"]] == ["CPU s"] * 2
    assert any("music was not measured" in remark for remark in found["remarks"])
    svg = etree.parse(curves).getroot()
    panels = [e for e in svg if "chart" in e.get("class", "")]
    assert len(panels) == 8  # training and held out by steps, characters, CPU and other seconds
    assert rows[-1]["characters"] == manifest["progress"]["characters"]
    assert picogen("compare", *runs, "--no-latency", "--output", tmp_path / "c.md") == 0
    text = (tmp_path / "c.md").read_text()
    assert "| setting | one | a\\|b\\<script\\> |" in text and "| lr | 0.001 | 0.5 |" in text
    assert f"| parameters | {manifest['parameters']:,} |" in text


def seeded(one: Path, tmp_path: Path, losses: list[float]) -> list[Path]:
    """Copies of a run with seeds and best losses of their own."""
    found = []
    for seed, loss in enumerate(losses, 1):
        run = tmp_path / f"gru-{seed}"
        shutil.copytree(one, run)
        settings = (run / "config.toml").read_text()
        (run / "config.toml").write_text(settings.replace("seed = 0", f"seed = {seed}"))
        manifest = json.loads((run / "best" / "manifest.json").read_text())
        manifest["progress"]["best"] = loss * math.log(2)
        (run / "best" / "manifest.json").write_text(json.dumps(manifest))
        found.append(run)
    return found


def test_several_seeds_are_one_column_with_an_interval(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    seeds = seeded(runs[0], tmp_path, [1.0, 1.1, 1.2])
    command = ["compare", runs[1], *seeds, "--no-latency"]
    assert picogen(*command, "--json", "--curves", tmp_path / "c.svg") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == ["a|b<script>", "gru (3 seeds)"]
    assert found["settings"] == {"lr": [0.5, 0.001]}
    bits = found["values"]["bits_per_character"][1]
    half = 4.303 * 0.1 / math.sqrt(3)  # Student's t with two degrees of freedom
    assert bits["value"] == pytest.approx(1.1) and bits["n"] == 3
    assert [bits["low"], bits["high"]] == pytest.approx([1.1 - half, 1.1 + half])
    assert "gru (3 seeds)" in (tmp_path / "c.svg").read_text()
    assert picogen(*command, "--apart", "--json") == 0
    apart = json.loads(capsys.readouterr().out)
    assert apart["runs"] == ["a|b<script>", "gru-1", "gru-2", "gru-3"]
    assert apart["settings"]["seed"] == [0, 1, 2, 3]


def test_runs_of_other_lengths_and_data_are_remarked_on(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
):
    manifest = json.loads((runs[1] / "best" / "manifest.json").read_text())
    manifest["data"]["sha256"] = "0"
    (runs[1] / "best" / "manifest.json").write_text(json.dumps(manifest))
    settings = (runs[1] / "config.toml").read_text()
    (runs[1] / "config.toml").write_text(settings.replace("epochs = 2", "epochs = 8"))
    rows = [json.loads(line) for line in (runs[1] / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        for name in ("step", "epoch", "seconds", "cpu_seconds", "characters"):
            row[name] = 2 * row[name] if name in row else 0
    (runs[1] / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert picogen("compare", *runs, "--no-latency", "--json") == 0
    remarks = "\n".join(json.loads(capsys.readouterr().out)["remarks"])
    assert "The runs were trained on different data." in remarks
    assert "a|b<script> stopped at 50% of its length." in remarks
    assert "The runs have no common budget" in remarks


def test_measured_on_the_same_pieces(
    runs: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(benchmark, "PATCHES", 12)
    monkeypatch.setattr(benchmark, "ROUNDS", 2)
    scores = tmp_path / "scores"
    scores.mkdir()
    (scores / "book.abc").write_text(TUNES)
    tune = TUNES.split("\n\n")[0]
    (scores / "one.abc").write_text(tune)
    record = {"raw": tune, "repairs": [{"name": "align bars", "count": 5, "detail": ""}]}
    (scores / "one.json").write_text(json.dumps(record))
    command = ["compare", *runs, "--data", "data", "--format", "csv", "--metric", "validity",
               "--metric", "novelty", "--scores", scores, "--scores", scores]  # fmt: skip
    assert picogen(*command) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    by_name = {(row["run"], row["name"]): row for row in rows}
    bits = by_name["one", "bits_per_character"]
    assert float(bits["low"]) <= float(bits["value"]) <= float(bits["high"])
    assert bits["value"] == by_name["a|b<script>", "bits_per_character"]["value"]
    logged = json.loads((runs[0] / "best" / "manifest.json").read_text())["progress"]["best"]
    assert float(bits["value"]) == pytest.approx(logged / math.log(2), rel=1e-5)
    assert int(bits["n"]) == 4
    for name in ("valid", "meter_agreement", "pieces_in_meter"):
        assert by_name["one", f"validity.{name}"]["value"] == "100.0"
    assert by_name["one", "validity.repairs"]["value"] == "5.0"
    assert float(by_name["one", "novelty.copies"]["value"]) > 50  # the training tunes themselves
    assert float(by_name["one", "latency"]["value"]) > 0
    assert by_name["one", "latency"]["unit"] == "ms/patch"


def test_samples_are_written_once(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    command = ["compare", runs[0], "--no-latency", "--samples", "2", "--metric", "validity"]
    assert picogen(*command) == 0
    first = capsys.readouterr().out
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("0*.json")}
    assert len(written) == 2
    assert picogen(*command) == 0
    assert {file: file.stat().st_mtime_ns for file in written} == written
    assert capsys.readouterr().out == first


def test_a_run_whose_scores_cannot_be_read_is_told(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "a.abc").write_text("no music")
    (tmp_path / "book.abc").write_text(TUNES)
    command = ["compare", *runs, "--no-latency", "--metric", "validity", "--json"]
    assert picogen(*command, "--scores", tmp_path / "book.abc", "--scores", tmp_path / "junk") == 0
    found = json.loads(capsys.readouterr().out)
    good, none = found["values"]["validity.valid"]
    assert good["value"] == 100 and good["n"] == 16 and none is None
    assert any("no piece could be read" in remark for remark in found["remarks"])


def test_runs_evaluated_on_other_pieces_are_told(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
):
    settings = runs[1] / "config.toml"
    settings.write_text(settings.read_text().replace("max_patches = 64", "max_patches = 32"))
    (runs[1] / "metrics.jsonl").unlink()
    assert picogen("compare", *runs, "--no-latency") == 0
    told = capsys.readouterr().out
    assert "on different pieces or crops, so they cannot be compared" in told
    assert "no metrics.jsonl, so no curves" in told
    with (runs[0] / "metrics.jsonl").open("a") as file:
        file.write("{half\n")
    assert picogen("compare", runs[0], "--no-latency") == 0
    told = capsys.readouterr().out
    assert "1 lines of metrics.jsonl are damaged" in told
    assert "The settings of all runs are the same." in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "there is no such folder"),
        (["data"], "it has no config.toml"),
        (["checkpoints/one/best"], "it is a checkpoint of one. Give checkpoints/one"),
        (["checkpoints/one", "checkpoints/../checkpoints/one"], "given twice"),
        (
            ["checkpoints/one", "--format", "xml"],
            "--format xml: no such choice.",
        ),
        (["checkpoints/one", "--scores", "a", "--scores", "b"], "given 2 times for 1 runs"),
        (["checkpoints/one", "--samples", "3", "--scores", "a"], "exclude each other"),
        (["checkpoints/one", "--scores", "gone"], "--scores gone: there is no such file"),
    ],
)
def test_what_cannot_be_compared(
    runs: tuple[Path, Path],
    arguments: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
):
    assert picogen("compare", *arguments, "--no-latency") == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1


def test_a_damaged_run_is_one_line(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    (runs[0] / "best" / "manifest.json").write_text("[]")
    assert picogen("compare", *runs) == 2
    assert "one: cannot be read (manifest.json is no table)" in capsys.readouterr().err
    for name in ("best", "last"):
        shutil.rmtree(runs[0] / name)
    assert picogen("compare", *runs) == 2
    assert "the run has no checkpoint yet" in capsys.readouterr().err
