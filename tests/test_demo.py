"""The demo end to end, with seconds of training instead of minutes."""

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
        main(["demo", "--output-dir", str(folder), "--train-seconds", "12", "--samples", "20"])
    assert not end.value.code
    table = capsys.readouterr().out
    report = json.loads((folder / "demo.json").read_text())
    assert report["tunes"] >= 600
    bits = {name: value["value"] for name, value in report["bits_per_character"].items()}
    assert list(bits) == [
        "character bigram",
        "student, no teacher",
        "student, distilled",
        "teacher",
    ]
    for name, value in bits.items():
        assert name in table and f"{value:.3f}" in table
    music = report["music"]["held-out"]["metrics"]["powerlaw"]["values"]
    assert music["beta"]["value"] == pytest.approx(1.35, abs=0.05)
    assert music["powerlaw_distance"]["value"] < 0.5
    assert report["music"]["generated"]["pieces"] <= 20
    for score in (folder / "engraved").glob("*.musicxml"):
        assert etree.parse(score).getroot().tag == "score-partwise"
    for score in (folder / "scores").glob("*.abc"):
        assert "[r:" not in score.read_text()
    with pytest.raises(SystemExit) as end:
        main(["demo", "--output-dir", str(folder)])
    assert end.value.code == 2
