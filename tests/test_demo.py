"""The demo end to end, with three seconds of training."""

import json
from pathlib import Path

import pytest
from lxml import etree
from picogen_cli.main import main


def test_the_demo_goes_the_whole_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PICOGEN_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "demo"
    with pytest.raises(SystemExit) as end:
        main(["demo", "--output-dir", str(folder), "--train-seconds", "3", "--samples", "20"])
    assert not end.value.code
    table = capsys.readouterr().out
    report = json.loads((folder / "demo.json").read_text())
    assert report["tunes"] >= 4000
    bits = {name: value["value"] for name, value in report["bits_per_character"].items()}
    assert list(bits) == [
        "character bigram",
        "shipped student",
        "fresh, distilled",
        "fresh, alone",
        "shipped teacher",
    ]
    for name, value in bits.items():
        assert name in table and f"{value:.3f}" in table
    assert max(bits["shipped student"], bits["shipped teacher"]) < 0.6 < bits["fresh, alone"]
    real = report["music"]["held-out tunes"]["metrics"]["powerlaw"]["values"]
    assert real["beta"]["value"] == pytest.approx(1.25, abs=0.1)
    assert real["powerlaw_distance"]["value"] < 0.6
    assert report["music"]["shipped student"]["pieces"] <= 20
    assert len(list((folder / "scores").glob("*.abc"))) == 8
    for score in (folder / "engraved").glob("*.musicxml"):
        assert etree.parse(score).getroot().tag == "score-partwise"
    page = (folder / "report.html").read_text()
    assert page.count("<svg") >= 8
    composing = (folder / "page.html").read_text()
    assert '"name":"tunes"' in composing and '"name":"distilled"' in composing
    assert str(folder / "page.html") in table
    with pytest.raises(SystemExit) as end:
        main(["demo", "--output-dir", str(folder)])
    assert end.value.code == 2
