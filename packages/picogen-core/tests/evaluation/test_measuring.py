"""What a metric or a reader raises costs it one piece."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picogen_core import PluginError
from picogen_core.evaluation import measuring
from picogen_core.evaluation.scoring import ScoreReport, ScoreRequest, score_folder
from picogen_core.evaluation.workers import MANY
from picogen_core.score import reading as pieces_module

TUNE = "X:1\nT:a\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n"
WHERE = "metric 'counting' (picogen-t-hostile 0.1)"
PLUGIN = """
import os
import signal

from picogen_core import MetricSpec, Options, Summary, Undefined, Value, hookimpl


class Counting:
    "Counts notes, and does with each piece what its name says."

    def measure(self, piece):
        if "raises" in piece.name:
            raise ZeroDivisionError("by\\nzero")
        if "bytes" in piece.name:
            return {"notes": b"1"}
        if "list" in piece.name:
            return [1]
        while "forever" in piece.name:
            sum(range(9))
        if "killed" in piece.name:
            os.kill(os.getpid(), signal.SIGKILL)
        if "undefined" in piece.name:
            raise Undefined("too short")
        return {"notes": sum(map(len, piece.voices.values()))}

    def summarise(self, rows, reference, rng):
        total = sum(row["notes"] for row in rows)
        return Summary({"notes": Value(float(total), "note", len(rows))})


class Broken(Counting):
    def summarise(self, rows, reference, rng):
        raise KeyError("mean")


class WrongType(Counting):
    def summarise(self, rows, reference, rng):
        return {"notes": 1}


@hookimpl
def picogen_metrics():
    for name, made in (("counting", Counting), ("broken", Broken), ("wrong-type", WrongType)):
        yield MetricSpec(name=name, summary="A test.", unit="note", better="higher",
                         config=lambda: Options, build=lambda options, made=made: made())
"""


@pytest.fixture(autouse=True)
def plugin(offer: Callable[[str, str], None]) -> None:
    offer("picogen-t-hostile", PLUGIN)


def _measure(folder: Path, *metrics: str, **more: Any) -> ScoreReport:
    return score_folder(folder, ScoreRequest(metrics, **more))


def _write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / f"{name}.abc").write_text(TUNE)
    return folder


def test_a_metric_that_raises_costs_it_one_piece_and_names_itself(tmp_path: Path) -> None:
    found = _measure(_write(tmp_path, "a", "raises", "bytes", "list", "undefined"), "counting")
    summary = found.metrics["counting"]
    assert summary.values["notes"].n == 1
    reasons = sorted(summary.unused)
    assert [summary.unused[reason] for reason in reasons] == [1, 1, 1, 1]
    assert reasons[0].startswith(f"{WHERE} raised TypeError(")
    assert reasons[1].startswith(f"{WHERE} raised ZeroDivisionError(")
    assert reasons[2:] == [f"{WHERE} returned a list, not a row.", "too short"]


def test_a_metric_that_hangs_costs_it_one_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "SECONDS", 0.2)
    found = _measure(_write(tmp_path, "a", "b", "forever"), "counting")
    assert found.metrics["counting"].values["notes"].n == 2
    assert found.metrics["counting"].unused == {"it needs more than 0.2 s of CPU time": 1}


def test_a_summary_that_fails_costs_that_metric(tmp_path: Path) -> None:
    found = _measure(_write(tmp_path, "a"), "counting", "broken", "wrong-type")
    assert list(found.metrics) == ["counting"]
    assert found.broken["broken"].startswith(
        "metric 'broken' (picogen-t-hostile 0.1) raised KeyError('mean')"
    )
    assert "returned a dict, not a Summary" in found.broken["wrong-type"]
    assert found.as_json()["broken"] == found.broken


def test_where_every_metric_fails_the_fault_is_raised(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="'broken'"):
        _measure(_write(tmp_path, "a"), "broken")


def test_what_a_metric_raised_is_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    folder.mkdir()
    _write(folder, "raises")
    cache = tmp_path / "rows.sqlite"
    assert _measure(folder, "counting", cache=cache).metrics["counting"].values["notes"].n == 0
    (folder / "raises.abc").rename(folder / "good.abc")  # the same text, so the same key
    assert _measure(folder, "counting", cache=cache).metrics["counting"].values["notes"].n == 1


@pytest.mark.parametrize("error", [RecursionError(), OverflowError("huge"), MemoryError()])
def test_whatever_a_reader_raises_costs_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    read = pieces_module.read_tune

    def reader(text: str) -> Any:
        if "T:hostile" in text:
            raise error
        return read(text)

    monkeypatch.setattr(pieces_module, "read_tune", reader)
    _write(tmp_path, "a", "c")
    (tmp_path / "b.abc").write_text("X:1\nT:hostile\nK:C\nCDEF|\n")
    found = _measure(tmp_path, "counting")
    assert found.metrics["counting"].values["notes"].n == 2
    reasons = found.unreadable | dict.fromkeys(found.metrics["counting"].unused)
    told = {"RecursionError": "nested too deep", "MemoryError": "too much memory"}
    assert any(told.get(type(error).__name__, "OverflowError: huge") in str(r) for r in [
        *reasons.values(), *reasons,
    ])  # fmt: skip


def test_links_out_of_the_folder_pipes_and_huge_files_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    folder.mkdir()
    _write(folder, "good")
    _write(tmp_path, "outside")
    (folder / "link.abc").symlink_to(tmp_path / "outside.abc")
    (folder / "inner.abc").symlink_to(folder / "good.abc")
    (folder / "loop.abc").symlink_to(folder / "loop.abc")
    os.mkfifo(folder / "pipe.abc")
    with (folder / "sparse.abc").open("wb") as file:
        file.truncate(8 << 30)
    found = _measure(folder, "counting")
    assert found.pieces == 2
    assert found.unreadable["link.abc"].startswith("a link that leads out of the folder")
    assert found.unreadable["pipe.abc"] == "not a regular file"
    assert found.unreadable["sparse.abc"] == "larger than 32 MB"
    assert "cannot be read" in found.unreadable["loop.abc"]
    assert _measure(folder / "link.abc", "counting").pieces == 1  # named, it is followed


def test_a_process_that_dies_costs_the_score_that_killed_it(tmp_path: Path) -> None:
    _write(tmp_path, "a-killed", *(f"t{number:03d}" for number in range(MANY)))
    found = _measure(tmp_path, "counting", jobs=2).metrics["counting"]
    assert found.values["notes"].n == MANY
    (why,) = found.unused
    assert why.startswith("the process that measured it died")
