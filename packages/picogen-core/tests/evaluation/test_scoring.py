"""Scoring a folder: what cannot be read is told, rows come from the cache, processes or here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picogen_core import BadInput, ConfigError, Value
from picogen_core.evaluation import measuring
from picogen_core.evaluation.references import Reference, open_reference, shipped_references
from picogen_core.evaluation.row_cache import RowCache
from picogen_core.evaluation.scoring import ScoreReport, ScoreRequest, figures, score_folder
from picogen_core.evaluation.significance import difference_p, holm
from picogen_core.evaluation.workers import MANY
from picogen_core.runtime.progress import Quiet
from picogen_core.score.reading import Unreadable, open_scores
from picogen_core.testing.samples import sample_pieces

QUICK = {"validity": {"convert": False}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "scores"
    place.mkdir()
    for piece in sample_pieces(6):
        (place / piece.name).write_text(piece.text)
    return place


def score(folder: Path, *metrics: str, **more: Any) -> ScoreReport:
    reference = more.pop("reference", None)
    return score_folder(folder, ScoreRequest(metrics, options=QUICK, **more), reference)


def test_bad_files_are_told_and_the_rest_is_measured(folder: Path) -> None:
    (folder / "junk.abc").write_bytes(bytes(range(256)))
    (folder / "prose.abc").write_text("Dear reader,\nno music here.\n")
    (folder / "broken.musicxml").write_text("<score-partwise><part>")
    (folder / "wrong.xml").write_text("<html/>")
    (folder / "book.abc").write_text("X:1\nK:C\nCDEF GABc|\n\nX:2\nK:G\nGABc defg|\n")
    (folder / "long.abc").write_text("X:1\nL:1/8\nK:C\n" + "CDEF GABc|\n" * 900_000)
    (folder / "0007.json").write_text('{"raw": "x", "error": "no header", "number": 7}')
    (folder / "else.json").write_text('{"error": "of another program"}')
    report = score(folder, "validity", "musicality")
    assert set(report.unreadable) == {
        "junk.abc", "prose.abc", "broken.musicxml", "wrong.xml", "long.abc", "0007.json",
    }  # fmt: skip
    assert "no header" in report.unreadable["0007.json"]
    assert "a tune of 9,9" in report.unreadable["long.abc"]
    assert report.pieces == 8 and [s.score.name for s in report.scores][:2] == [
        "book.abc#1",
        "book.abc#2",
    ]
    valid = report.metrics["validity"].values["valid"]
    assert valid.n == 14 and valid.value == pytest.approx(100 * 8 / 14)


def test_an_empty_folder_and_nothing_but_junk_are_errors(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no scores"):
        score(tmp_path, "musicality")
    (tmp_path / "a.abc").write_text("junk")
    with pytest.raises(BadInput, match="no piece could be read"):
        score(tmp_path, "musicality")


def test_a_report_keeps_rows_texts_and_facts_with_each_piece(folder: Path) -> None:
    (folder / "short.abc").write_text("X:1\nK:C\nCDE|\n")
    report = score(folder, "powerlaw", "musicality", reference=folder)
    piece = report.scores[0]
    assert piece.score.path == folder / "sample-0.abc" and piece.score.form == "abc"
    assert piece.rows["powerlaw"]["series"] and piece.facts["powerlaw"].values["oddness"] > 0
    assert report.scores[-1].undefined == {"musicality": "fewer than 8 notes"}
    data = json.loads(json.dumps(report.as_json()))
    assert data["scores"][0]["name"] == "sample-0.abc" and "rows" not in data["scores"][0]
    assert data["metrics"]["powerlaw"]["values"]["beta"]["unit"] == "1"
    assert "pieces" not in data["metrics"]["powerlaw"]
    assert data["metrics"]["powerlaw"]["plots"]["psd"]
    assert data["reference"] == str(folder) and data["reference_pieces"] == 7
    matrix = figures(piece, "musicality", ScoreRequest(["musicality"]))["self_similarity"]
    assert len(matrix.cells) == 16 and matrix.cells[3][3] == 1
    assert figures(piece, "powerlaw", ScoreRequest(["powerlaw"])) == {}


def test_names_and_order_change_no_number(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for i, file in enumerate(sorted(folder.iterdir(), reverse=True)):
        (other / f"{i}.abc").write_text(file.read_text())
    one, two = (
        score(place, "powerlaw", "musicality", "validity", reference=folder)
        for place in (folder, other)
    )
    for name, summary in one.metrics.items():
        assert two.metrics[name].values == summary.values


@pytest.fixture
def count_reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    reads = []
    real = measuring.read_score
    monkeypatch.setattr(measuring, "read_score", lambda text: reads.append(text) or real(text))

    def count() -> int:
        number = len(reads)
        reads.clear()
        return number

    return count


def test_unchanged_files_come_from_the_cache(
    folder: Path, tmp_path: Path, count_reads: Callable[[], int]
) -> None:
    cache = tmp_path / "cache" / "rows.sqlite"
    (folder / "bad.abc").write_text("X:1\nK:C\nz|\n")
    first = score(folder, "musicality", "powerlaw", cache=cache)
    assert count_reads() == 7
    again = score(folder, "musicality", "powerlaw", cache=cache)
    assert count_reads() == 0
    assert again.metrics == first.metrics and again.unreadable == first.unreadable
    score(folder, "validity", cache=cache)
    assert count_reads() == 7  # another metric
    request = ScoreRequest(["validity"], options={"validity": {"convert": False, "bootstrap": 30}})
    score_folder(folder, ScoreRequest(request.metrics, request.options, cache=cache))
    assert count_reads() == 7  # other options
    (folder / "sample-0.abc").write_text("X:1\nK:C\nCDEF GABc|\n")
    (folder / "sample-1.json").write_text('{"raw": "", "repairs": []}')
    changed = score(folder, "musicality", "powerlaw", cache=cache)
    assert count_reads() == 2 and changed.metrics != first.metrics
    assert score(folder, "musicality", "powerlaw").metrics == changed.metrics


def test_a_damaged_cache_is_as_good_as_none(
    folder: Path, tmp_path: Path, count_reads: Callable[[], int]
) -> None:
    cache = tmp_path / "rows.sqlite"
    first = score(folder, "musicality", cache=cache)
    table = sqlite3.connect(cache)
    with table:
        table.execute("UPDATE rows SET value = replace(value, '1', '2')")
    table.close()
    count_reads()
    assert score(folder, "musicality", cache=cache).metrics == first.metrics
    assert count_reads() == 6
    for damage in (b"", b"no database at all" * 100, cache.read_bytes()[:3000]):
        for file in tmp_path.glob("rows.sqlite*"):
            file.unlink()
        cache.write_bytes(damage)
        assert score(folder, "musicality", cache=cache).metrics == first.metrics
    unwritable = tmp_path / "file"
    unwritable.write_text("")
    assert score(folder, "musicality", cache=unwritable / "x").metrics == first.metrics


def test_a_cache_gives_back_only_what_its_checksum_covers(tmp_path: Path) -> None:
    with RowCache(tmp_path / "c") as cache:
        cache.put({"a": {"row": {"x": 1.5}}, "b": None})
        assert cache.get("a") == {"row": {"x": 1.5}} and cache.get("c") is None
    table = sqlite3.connect(tmp_path / "c")
    with table:
        table.execute("UPDATE rows SET key = 'c' WHERE key = 'a'")
    table.close()
    with RowCache(tmp_path / "c") as cache:
        assert cache.get("c") is None


def test_many_scores_are_measured_in_processes_to_the_same_rows(tmp_path: Path) -> None:
    for i, piece in enumerate(sample_pieces(MANY)):
        (tmp_path / f"{i:03d}.abc").write_text(piece.text)
    (tmp_path / "bad.abc").write_text("X:1\nK:C\nz|\n")
    one, two = (score(tmp_path, "musicality", jobs=jobs) for jobs in (1, 2))
    assert one.metrics == two.metrics and one.unreadable == two.unreadable
    assert [s.rows for s in one.scores] == [s.rows for s in two.scores]


def test_a_slow_metric_takes_a_sample_of_the_reference(tmp_path: Path) -> None:
    for i, piece in enumerate(sample_pieces(9)):
        (tmp_path / f"{i}.abc").write_text(piece.text)
    plan = measuring.make_plan(measuring.registry().get("metric", "musicality"), {})
    chosen = []
    for order in (1, -1):
        scores = list(open_scores(tmp_path))[::order]
        found = measuring.measure_all(scores, [plan], None, 1, Quiet(), "", {"musicality": 4})
        texts = {s.data for s in found.scores if not isinstance(s, Unreadable)}
        assert len(texts) == 9 and len(found.rows["musicality"]) == 4
        chosen.append({found.scores[i].data for i in found.rows["musicality"]})
    assert chosen[0] == chosen[1]


def test_references_by_path_and_by_name(folder: Path, tmp_path: Path) -> None:
    assert set(shipped_references()) == {"oneills", "ryans", "airds", "bach"}
    shipped = open_reference("oneills")
    assert shipped.pieces == 2009 and not list(shipped.scores)
    report = score(folder, "powerlaw", "musicality", reference="oneills")
    beta = report.metrics["powerlaw"].values["beta"]
    assert beta.reference == pytest.approx(1.354, abs=0.005)
    assert beta.reference_low is not None and 1.32 < beta.reference_low < 1.354
    assert beta.p is not None
    assert report.reference_pieces == 2009
    with pytest.raises(BadInput, match="Did you mean 'oneills'"):
        open_reference("oneils")
    (tmp_path / "bach").mkdir()
    (tmp_path / "bach" / "a.abc").write_text("K:C\nC|")
    assert [s.name for s in open_reference(tmp_path / "bach").scores] == ["a.abc"]


def test_real_music_stands_beside_without_a_reference(folder: Path) -> None:
    report = score(folder, "validity", "counterpoint", "powerlaw")
    value = report.metrics["validity"].values["pieces_in_meter"]
    shipped = open_reference("bach").shipped["validity"]["values"]["pieces_in_meter"]
    assert [value.reference, value.reference_low, value.reference_high] == shipped
    assert value.p is not None
    fifths = report.metrics["counterpoint"].values["parallel_fifths"]
    assert fifths.reference is not None and 0.1 < fifths.reference < 0.3
    note = "reference: bach (shipped), since no --reference is given"
    assert note in report.metrics["validity"].notes
    assert report.metrics["powerlaw"].values["beta"].reference is None
    given = score(folder, "validity", reference="oneills").metrics["validity"]
    assert given.values["pieces_in_meter"].reference != value.reference
    assert note not in given.notes


def test_needs_are_told_before_anything_is_measured(folder: Path) -> None:
    with pytest.raises(ConfigError, match="Add --reference"):
        score(folder, "novelty")
    with pytest.raises(ConfigError, match="Add --weights-path"):
        score(folder, "likelihood")
    with pytest.raises(ConfigError, match="there is no option 'bootstraps'"):
        score_folder(folder, ScoreRequest(["powerlaw"], {"powerlaw": {"bootstraps": 1}}))
    empty = Reference("empty", [Unreadable("a", "junk")])
    with pytest.raises(BadInput, match="reference has no piece"):
        score(folder, "powerlaw", reference=empty)


def test_differences_and_their_correction() -> None:
    value = Value(1.0, "1", 50, 0.8, 1.2)
    assert difference_p(value, Value(1.2, "1", 50)) == pytest.approx(0.05, abs=1e-6)
    assert difference_p(value, Value(1.0, "1", 50, 0.9, 1.1)) == pytest.approx(1)
    assert difference_p(Value(1.0, "1", 1), value) is None
    every, none = Value(100.0, "%", 30, 100, 100), Value(0.0, "%", 30, 0, 0)
    assert difference_p(every, none) == pytest.approx(0, abs=1e-12)
    assert difference_p(every, Value(99.0, "%", 300, 98, 100)) == pytest.approx(0.806, abs=0.01)
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert found == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({}) == {}
