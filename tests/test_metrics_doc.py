"""docs/metrics.md names every value that the metrics give, and its JSON is what `--json` prints."""

import json
import re
from dataclasses import replace
from pathlib import Path

from picogen_core.evaluation.references import shipped_references
from picogen_core.evaluation.scoring import ScoreRequest, score_folder
from picogen_core.testing.samples import sample_pieces

DOC = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()


def test_every_value_and_key_is_documented(tmp_path: Path):
    for piece in sample_pieces(20):
        (tmp_path / piece.name).write_text(f"[r:0/15]{piece.text}")
    metrics = ["powerlaw", "musicality", "counterpoint", "validity", "novelty", "distribution"]
    request = ScoreRequest(metrics, options={"validity": {"convert": False}})
    report = score_folder(tmp_path, request, tmp_path)
    named = set(re.findall(r"`(\w+)`", DOC))
    for name, summary in report.metrics.items():
        assert f"| {name} |" in DOC
        shown = {key for key, value in summary.values.items() if not value.detail}
        assert shown <= named, shown - named
    example = json.loads(re.search(r"```json\n(.*?)```", DOC, re.S).group(1))
    data = replace(report, reference="x").as_json()
    assert set(example) == set(data) | {"failed", "baseline"}
    assert set(example["metrics"]["powerlaw"]) == set(data["metrics"]["powerlaw"])
    beta = data["metrics"]["powerlaw"]["values"]["beta"]
    assert set(example["metrics"]["powerlaw"]["values"]["beta"]) == set(beta)
    assert set(example["scores"][0]) == set(data["scores"][0])
    for metric, facts in example["scores"][0]["facts"].items():
        assert set(facts) <= set(data["scores"][0]["facts"][metric])


def test_the_shipped_references_are_named():
    assert set(shipped_references()) >= {"oneills", "ryans", "airds", "bach"}
    for name, file in shipped_references().items():
        pieces = json.loads(file.read_text())["pieces"]
        assert re.search(rf"`{name}` \({pieces:,}\b", DOC), (name, pieces)


def test_the_shares_of_real_music_are_those_that_are_shipped():
    for name in ("meter_agreement", "pieces_in_meter"):
        row = re.search(rf"^\| `{name}` \| ([\d.]+) %.*", DOC, re.M)
        assert row is not None
        shown = [float(number) for number in re.findall(r"([\d.]+) %", row.group())]
        files = [shipped_references()[of] for of in ("oneills", "ryans", "airds", "bach")]
        values = [json.loads(f.read_text())["metrics"]["validity"]["values"] for f in files]
        assert shown == [round(value[name][0], 1) for value in values]
