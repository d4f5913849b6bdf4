"""The studies of distilling and physics, with tiny budgets: their cells, their splits, what they
choose by, and the tables of their pages."""

import json
import math
import re
import shutil
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from picogen_cli.defaults import shipped_teacher
from picogen_core.data.prepare import prepare
from picogen_core.data.prepared.index import open_data
from picogen_core.data.types import SourcePiece
from picogen_core.model.checkpoint import load_model
from picogen_core.testing.samples import sample_pieces
from picogen_core.training.evaluate import evaluate

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "studies"
MODULES = (
    "cells",
    "running",
    "splits",
    "paired",
    "step_costs",
    "distillation",
    "physics",
    "physics_controls",
)

torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def on_path():
    sys.path.insert(0, str(STUDIES))
    yield
    sys.path.remove(str(STUDIES))
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def tunes(tmp_path_factory):
    """60 made-up tunes, each in the cluster of another: 48 to train on."""
    rng = np.random.default_rng(0)
    pieces = []
    for i in range(60):
        bars = ["".join(rng.choice(list("CDEFGABc"), 4)) for _ in range(rng.integers(9, 12))]
        abc = f"X:{i}\nM:4/4\nL:1/4\nK:{'CDFG'[i % 4]}\n{'|'.join(bars)}|]\n"
        pieces.append(SourcePiece(f"p{i}", abc, "made up", "CC0"))
    folder = tmp_path_factory.mktemp("tunes") / "prepared"
    prepare(pieces, folder, eval_ratio=0.2)
    return folder


@pytest.fixture
def tiny(monkeypatch, tmp_path, tunes):
    """One step for each cell; untrained students write nothing, so two tunes stand for theirs."""
    import cells

    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cells, "METRICS", ("powerlaw",))
    run = cells.picogen

    def picogen(words):
        if words[0] != "generate":
            return run(words)
        scores = Path(words[words.index("--output-dir") + 1])
        scores.mkdir()
        for number, piece in enumerate(sample_pieces(2)):
            (scores / f"{number}.abc").write_text(piece.text)

    monkeypatch.setattr(cells, "picogen", picogen)
    pages = tmp_path / "pages"
    pages.mkdir()
    for name in ("distillation.md", "physics.md"):
        shutil.copy(ROOT / "docs/studies" / name, pages)
    return lambda what: [
        what, "--out", str(tmp_path / "out"), "--data", str(tunes), "--scale", "1e-9",
        "--rounds", "1", "--page", str(pages),
    ]  # fmt: skip


def block(page: Path, name: str) -> str:
    return re.search(rf"<!-- study: {name} -->\n(.*?)<!-- end -->", page.read_text(), re.S)[1]


def rows(page: Path, name: str) -> list[list[str]]:
    found = [line for line in block(page, name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[2:]]


def test_distillation(tiny, tmp_path, monkeypatch, capsys):
    import distillation
    import running

    for name in ("hidden", "logits"):
        monkeypatch.delitem(distillation.ARMS, name)
    monkeypatch.setattr(distillation, "RATES", (1e-2,))
    monkeypatch.setattr(distillation, "LOWEST", 8e-3)
    monkeypatch.setattr(distillation, "HIGHEST", 1.2e-2)
    monkeypatch.setattr(distillation, "SEEDS", (0,))
    monkeypatch.setattr(distillation, "FACTORS", {"10 % of the tunes": {"data": "tunes-10"}})
    costs = {key: distillation.COSTS[key] for key in ("rwkv/alone", "rwkv/both")}

    def run(what, *more):
        running.main("", "", costs, distillation.PARTS, distillation.report, [*tiny(what), *more])
        return capsys.readouterr().out

    assert "core-both-0" in run("run", "--dry-run")
    assert not (tmp_path / "out/costs.json").exists()
    with pytest.raises(SystemExit, match="rate is not known"):
        run("run", "--parts", "core")
    run("run")
    found = {
        f.parent.name: json.loads(f.read_text()) for f in (tmp_path / "out").glob("*/cell.json")
    }
    assert found.keys() == {
        "rate-alone-0.01", "rate-both-0.01", "core-alone-0", "core-both-0",
        "10pc-of-the-tunes-alone", "10pc-of-the-tunes-taught",
    }  # fmt: skip
    assert all(row["steps"] == 1 for row in found.values())
    taught = json.loads((tmp_path / "out/core-both-0/best/config.json").read_text())
    assert taught["teacher_width"] == 256
    assert run("run").endswith("to run: 0.0 CPU hours\n")

    run("report")
    page = tmp_path / "pages/distillation.md"
    test = open_data(tmp_path / "out/tunes").split("test")
    likelihoods = [
        evaluate(load_model(where), test, 8, 160).bits_per_character
        for where in (
            *(tmp_path / f"out/core-{arm}-0/best" for arm in ("alone", "both")),
            shipped_teacher(),
        )
    ]
    shown = [line[4] for line in rows(page, "core")]
    assert shown == [f"{bits:.3f}" for bits in likelihoods]
    alone, both, teacher = likelihoods
    difference, gap = (line.split(" [")[0] for line in rows(page, "core")[1][5:])
    assert float(difference.replace("−", "-")) == pytest.approx(both - alone, abs=6e-4)
    closed = 100 * (alone - both) / (alone - teacher)
    assert gap == f"{closed:+.0f} %".replace("-", "−")
    words = "picogen distill --preset tiny --beta-phy 0 --data DIR/tunes"
    assert block(page, "commands").count(words + " ") == 2
    assert [line[0] for line in rows(page, "factors")] == ["10 % of the tunes"]


def test_physics(tiny, tmp_path, monkeypatch, capsys):
    import distillation
    import physics
    import physics_controls
    import running

    monkeypatch.setattr(physics, "HEADS", ("char-gru", "char-memory"))
    monkeypatch.setattr(distillation, "RATES", (1e-2,))
    monkeypatch.setattr(distillation, "LOWEST", 8e-3)
    monkeypatch.setattr(distillation, "HIGHEST", 1.2e-2)
    monkeypatch.setattr(physics, "WEIGHTS", {"0": (0,), "0.3": (0,)})
    monkeypatch.setattr(physics, "ONCE", {"legacy": physics.ONCE["legacy"]})
    arms = ("0", "0.3", "legacy")
    costs = {key: physics.COSTS[key] for key in (f"char-memory/{arm}" for arm in arms)}
    physics_controls.register()
    only = [
        "--only",
        "rate-char-memory-0.01",
        *(f"char-memory-{arm}-0" for arm in arms),
    ]
    running.main("", "", costs, physics.PARTS, physics.report, [*tiny("run"), *only])
    running.main("", "", costs, physics.PARTS, physics.report, tiny("report"))
    page = tmp_path / "pages/physics.md"
    assert [line[:2] for line in rows(page, "weights")] == [
        ["real tunes", ""], ["char-memory", "0"], ["char-memory", "0.3"], ["", "against 0 [95 %]"],
    ]  # fmt: skip
    assert [line[:2] for line in rows(page, "once")] == [
        ["char-memory", "legacy"], ["", "against 0 [95 %]"]
    ]  # fmt: skip
    log = (tmp_path / "out/char-memory-legacy-0/metrics.jsonl").read_text()
    assert "physics-control/smoothness" in log
    assert "python studies/physics_controls.py distill --preset tiny --head char-memory" in block(
        page, "commands"
    )


def test_music_is_written_and_measured(tmp_path, tunes, monkeypatch):
    import cells

    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cells, "METRICS", ("powerlaw",))
    run = cells.picogen

    def without_kernels(words):
        return run([*words, "--engine", "torch"] if words[0] == "generate" else words)

    monkeypatch.setattr(cells, "picogen", without_kernels)
    shipped = shipped_teacher().parent / "tunes"
    found = cells.music(shipped, tmp_path / "scores", tunes, 1, shown=("beta", "rep", "other"))
    assert found.keys() == {"beta", "rep"} and found["beta"]["n"] == 1
    assert len(list((tmp_path / "scores").glob("*.abc"))) == 1


def test_rewards_are_measured_apart(tunes, tmp_path, monkeypatch):
    import physics
    import step_costs

    monkeypatch.setattr(step_costs, "REWARDED", 1)
    key = "char-memory/feedback"
    plain = ("train", "--preset", "tiny", "--set", "max_patches=16", "--set", "batch_size=2")
    rewarded = (
        *plain, "--set", "loss.physics.weight=0.3", "--set", "loss.physics.mode=feedback",
        "--set", "loss.physics.share=0.5", "--set", "loss.physics.samples=1",
    )  # fmt: skip
    found = step_costs.measure({"plain": plain, key: rewarded}, tunes, 1, {})
    assert found["plain"]["cold"] == found["plain"]["warm"]  # no teacher answers
    assert found[key]["warm"] > 1.5 * found["plain"]["warm"]
    assert physics.starts().keys() == {key}


def test_minutes_become_steps(tiny, tmp_path, tunes):
    """Answers are written down in the first epoch, of 6 steps here, and read later."""
    import cells

    study = cells.Study(tmp_path / "out", tunes)
    train = len(open_data(tmp_path / "out/tunes").split("train"))
    assert study.epoch("tunes") == math.ceil(train / 8) == 6
    cells.write(tmp_path / "out/costs.json", {"some": {"cold": 4.0, "warm": 1.0}})
    for minutes, steps in ((0.01, 1), (0.2, 3), (0.4, 6), (1.0, 6 + 36)):
        cell = cells.Cell("name", ("distill",), "some", minutes, 1e-2)
        assert study.steps(cell) == steps
    words = study.words(cell)
    assert words[words.index("--max-steps") + 1] == "42" and "eval_every=1" in words
    assert study.steps(cells.Cell("name", ("distill",), "unknown", 1.0, None)) is None


def test_splits_keep_clusters_together(tmp_path, tunes):
    import splits

    def by_split(folder):
        rows = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
        return {
            s: {r["path"] for r in rows if r["split"] == s} for s in {r["split"] for r in rows}
        }, rows

    before, _ = by_split(tunes)
    for name, share in (("all", 1.0), ("tenth", 0.1)):
        splits.carve(tunes, tmp_path / name, share)
        after, rows = by_split(tmp_path / name)
        assert after["test"] == before["eval"]
        assert 0.05 * len(before["train"]) <= len(after["eval"]) < 0.2 * len(before["train"])
        assert after["train"] | after["eval"] | after.get("unused", set()) == before["train"]
        for one, other in product(after, after):
            if one != other:
                clusters = ({r["cluster"] for r in rows if r["split"] == s} for s in (one, other))
                assert not set.intersection(*clusters)
    assert 0.1 * 45 <= len(after["train"]) <= 0.2 * 45


def test_the_rates_end_when_the_best_is_inside(tmp_path, tunes):
    import cells
    import distillation

    study = cells.Study(tmp_path / "out", tunes)
    nats = {0.003: 3.0, 0.006: 2.0, 0.012: 1.0, 0.024: 0.5, 0.048: 0.7}
    while left := [
        cell
        for cell in distillation.rate_cells(study, "rate-alone", "alone")
        if not study.found(cell.name)
    ]:
        assert distillation.best_rate(study, "rate-alone") is None
        tune = {"nats": [nats[left[0].lr]], "characters": [1]}
        cells.write(
            tmp_path / "out" / left[0].name / "cell.json", {"lr": left[0].lr, "validation": tune}
        )
    assert distillation.rate_losses(study, "rate-alone").keys() == {0.006, 0.012, 0.024, 0.048}
    assert distillation.best_rate(study, "rate-alone") == 0.024
    cells.write(tmp_path / "out/rate-alone-0.024/cell.json", {"lr": 0.024, "failed": "no number"})
    assert distillation.rate_losses(study, "rate-alone")[0.024] == math.inf


def test_the_pages_have_the_studies_parts(tiny, tmp_path, tunes):
    import cells
    import distillation
    import paired
    import physics

    study = cells.Study(tmp_path / "out", tunes)
    distillation.report(study, tmp_path / "pages")
    physics.report(study, tmp_path / "pages")
    for page in ("distillation.md", "physics.md"):
        assert "Not run yet." in (tmp_path / "pages" / page).read_text()
    with pytest.raises(SystemExit, match="its parts are"):
        paired.fill(tmp_path / "pages/physics.md", {"other": ""})
