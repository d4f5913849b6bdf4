"""Lists of pieces, signals, and students in Python."""

import ast
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import picogen_core.generation
import pytest
import torch
from picogen_core import BadInput, ConfigError
from picogen_core.abc.counters import strip_counters
from picogen_core.generation.request.jobs import PieceRow, read_jobs, read_shard
from picogen_core.generation.request.options import GenerateRequest, PieceRequest
from picogen_core.generation.run import write_scores
from picogen_core.generation.student import Music
from picogen_core.runtime.progress import Quiet
from picogen_core.runtime.signals import Stopped

torch.set_num_threads(1)


def jobs_file(folder: Path, *rows: dict | str) -> Path:
    path = folder / "jobs.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "line 2: no JSON"),
        ("[]", "line 2: give an object"),
        ({"id": "b", "bar": 3}, "line 2: there is no option 'bar'. Did you mean 'bars'"),
        ({"bars": 3}, "line 2: it has no 'id'"),
        ({"id": "b", "bars": 0}, "line 2: bars=0"),
        ({"id": "A"}, "line 2: id='A' stands in line 1 already"),
        ({"id": "../b"}, "line 2: id='../b': an id has"),
        ({"id": "a-2"}, "line 2: id='a-2' would be the name of a page of the piece in line 1"),
        ({"id": "曲" * 34}, "takes at most 100 bytes"),
        ('{"id": "b",}', "no JSON (Expecting property name enclosed in double quotes, character"),
    ],
)
def test_lists_that_are_wrong(tmp_path: Path, row, message: str):
    with pytest.raises((BadInput, ConfigError)) as error:
        read_jobs(jobs_file(tmp_path, {"id": "a"}, row), PieceRequest())
    assert message in str(error.value)


def test_ids_as_people_give_them(tmp_path: Path):
    path = jobs_file(tmp_path, {"id": "tune-1"}, {"id": "tune-2"}, {"id": 3}, {"id": "茉莉花"})
    names = [row.id for row in read_jobs(path, PieceRequest()).values()]
    assert names == ["tune-1", "tune-2", "3", "茉莉花"]


def test_what_a_line_says_and_leaves_out(tmp_path: Path):
    path = jobs_file(
        tmp_path, {"id": "a", "bars": 3, "temperature": 0.5}, "",
        {"id": "b", "continue": "x.abc", "keep_bars": 2},
    )  # fmt: skip
    given = {"prompt": "K:G", "seed": 4, "top_k": 7}
    (_, first), (where, second) = read_jobs(path, PieceRequest(**given)).items()
    assert first == PieceRow(id="a", **given, bars=3, temperature=0.5)
    continued = {"prompt": "", "continued": tmp_path / "x.abc", "keep_bars": 2}
    assert second == PieceRow(id="b", **given | continued)
    assert where == f"list {path}, line 3"
    assert read_shard("2/4") == (2, 4)
    for text in ("0/2", "3/2", "2", "a/b"):
        with pytest.raises(ConfigError, match="--shard"):
            read_shard(text)


def test_lists_in_shards_are_resumed_by_id(small_student: Path, tmp_path: Path):
    rows = [{"id": name, "bars": 2, "seed": k} for k, name in enumerate("abc")]
    rows[2]["temperature"] = 0.5
    path, out = jobs_file(tmp_path, *rows), tmp_path / "out"
    request = GenerateRequest(weights_path=small_student, listed=path, prompt="K:C\n", shard="1/2")
    assert [score.name for score in write_scores(request, out)] == ["a", "c"]
    before = (out / "a.json").read_bytes()
    scores = write_scores(request.model_copy(update={"shard": "1/1"}), out)
    assert [(score.name, score.new) for score in scores] == [
        ("a", False),
        ("b", True),
        ("c", False),
    ]
    assert (out / "a.json").read_bytes() == before
    alone = write_scores(
        GenerateRequest(weights_path=small_student, num_samples=1, prompt="K:C\n", bars=2, seed=1),
        tmp_path / "o",
    )
    assert scores[1].record["raw"] == alone[0].record["raw"]
    record = json.loads((out / "c.json").read_text())
    assert record["sampling"]["temperature"] == 0.5 and record["settings_sha256"]
    # Interrupted and lost pieces are written again; changed ones only on request.
    (out / "b.json").write_text(
        json.dumps(json.loads((out / "b.json").read_text()) | {"interrupted": True})
    )
    (out / "c.abc").unlink()
    scores = write_scores(request.model_copy(update={"shard": "1/1"}), out)
    assert [score.new for score in scores] == [False, True, True]
    jobs_file(tmp_path, {**rows[0], "seed": 9}, *rows[1:])
    with pytest.raises(ConfigError, match=r"line 1: a lies in .* with other settings"):
        write_scores(request, out)
    assert [s.new for s in write_scores(request.model_copy(update={"force": True}), out)] == [
        True,
        False,
    ]


def test_nothing_is_written_if_a_line_cannot_be(small_student: Path, tmp_path: Path):
    path = jobs_file(tmp_path, {"id": "a", "bars": 2}, {"id": "b", "prompt": "K:H"})
    with pytest.raises(BadInput, match="line 2: the prompt's K:H cannot be read"):
        write_scores(GenerateRequest(weights_path=small_student, listed=path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_score_to_go_on_from_that_cannot_be_used_costs_its_line(
    small_student: Path, tmp_path: Path
):
    (tmp_path / "good.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n")
    (tmp_path / "bad.abc").write_text("no music")
    rows = [
        {"id": "a", "continue": "bad.abc"},
        {"id": "b", "continue": "good.abc", "keep_bars": 1},
        {"id": "c", "continue": "good.abc", "keep_bars": 9},
        {"id": "d", "continue": "good.abc", "max_length": 2},
        {"id": "e", "continue": "none.abc"},
    ]
    path = jobs_file(tmp_path, *rows)
    request = GenerateRequest(weights_path=small_student, listed=path, bars=4)
    scores = write_scores(request, tmp_path / "out")
    assert [bool(score.abc) for score in scores] == [False, True, False, False, False]
    for score, (line, why) in zip(
        [scores[k] for k in (0, 2, 3, 4)],
        [(1, "no ABC"), (3, "has 2 bars"), (4, "--max-length is 2"), (5, "no such file")],
        strict=True,
    ):
        assert f"line {line}: " in str(score.reason) and why in str(score.reason)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["b.abc", "b.json"]
    path = jobs_file(tmp_path, rows[0], rows[4])
    with pytest.raises(BadInput, match=r"line 2: .*no such file"):
        write_scores(request.model_copy(update={"listed": path}), tmp_path / "none")


def test_a_signal_leaves_what_is_finished_and_what_was_begun(small_student: Path, tmp_path: Path):
    heard: list[str] = []

    def tell(text: str) -> None:
        heard.append(text)
        if sum(line[:3] == "[V:" for line in "".join(heard).splitlines()) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    request = GenerateRequest(
        weights_path=small_student, num_samples=3, prompt="K:C\n", bars=9, batch_size=1
    )
    with pytest.raises(Stopped) as stopped:
        write_scores(request, tmp_path, on_text=tell)
    assert stopped.value.exit_code == 130
    record = json.loads((tmp_path / "0001.json").read_text())
    assert record["stopped"] == "interrupted" and record["interrupted"] and not record["complete"]
    assert record["bars_written"] == 2 and (tmp_path / "0001.abc").is_file()
    assert not (tmp_path / "0002.json").exists()


class Heard(Quiet):
    """What a reporter is told."""

    def __init__(self) -> None:
        self.totals: list[float | None] = []
        self.done: list[float] = []
        self.messages: list[str] = []

    def start(self, title: str, total: float | None, unit: str) -> None:
        self.totals.append(total)

    def advance(self, done: float, values=None) -> None:
        self.done.append(done)

    def message(self, text: str) -> None:
        self.messages.append(text)


def test_progress_is_that_of_the_bars(small_student: Path, tmp_path: Path):
    heard = Heard()
    request = GenerateRequest(
        weights_path=small_student, num_samples=2, prompt="K:C\nV:1 treble\n", bars=10,
        candidates=2, batch_size=2,
    )  # fmt: skip
    write_scores(request, tmp_path, heard)
    assert heard.totals == [2.0] and heard.done == sorted(heard.done)
    assert heard.done[-1] == pytest.approx(2)
    assert sum(0.1 < done < 0.9 for done in heard.done) >= 8


def test_a_reference_that_is_none_is_refused_before_writing(small_student: Path, tmp_path: Path):
    heard = Heard()
    request = GenerateRequest(
        weights_path=small_student, candidates=2, rank="powerlaw", reference="nope"
    )
    with pytest.raises(BadInput, match="nope: there is no such"):
        write_scores(request, tmp_path, heard)
    assert heard.totals == []


def test_interrupted_candidates_are_not_measured(small_student: Path, tmp_path: Path, monkeypatch):
    """Measuring them can take minutes, and whoever interrupts does not wait that long."""

    class Impatient(Heard):
        def advance(self, done: float, values=None) -> None:
            if done > 0.3 >= max(self.done):
                os.kill(os.getpid(), signal.SIGINT)
            super().advance(done)

    heard = Impatient()
    request = GenerateRequest(
        weights_path=small_student, num_samples=3, prompt="K:C\n", bars=30, batch_size=2,
        candidates=2, rank="valid",
    )  # fmt: skip
    with pytest.raises(Stopped):
        write_scores(request, tmp_path, heard)
    record = json.loads((tmp_path / "0001.json").read_text())
    assert record["interrupted"] and record["candidates"]["rank"] == "nll"
    assert heard.messages == [f"0 of 3 pieces are finished in {tmp_path}, 1 as far as they were."]


def test_a_student_writes_several_pieces_at_a_time(small_student: Path):
    def streamed(seed: int) -> Iterator[str]:
        return student.stream("K:C\n", seed=seed, bars=6)

    student = picogen_core.generation.load(small_student)
    alone = ["".join(streamed(seed)) for seed in range(4)]
    first, second = streamed(0), streamed(1)
    begun = next(first) + next(first), next(second)
    assert [begun[0] + "".join(first), begun[1] + "".join(second)] == alone[:2]
    with ThreadPoolExecutor(4) as pool:
        assert ["".join(lines) for lines in pool.map(list, map(streamed, range(4)))] == alone


@pytest.mark.parametrize(
    "wrong", ["seed=-1", "bars=0", "max_length=1", "keep_bars=-1", "candidates=0", "rank='nul'"]
)
def test_what_a_student_cannot_be_asked(small_student: Path, wrong: str):
    student = picogen_core.generation.load(small_student)
    name, _, value = wrong.partition("=")
    with pytest.raises(ConfigError, match=name):
        student.generate("K:C\n", **{name: ast.literal_eval(value)})


def test_students_in_python(small_student: Path):
    student = picogen_core.generation.load(small_student)
    piece = student.generate("T:<b>Air</b>\nK:C\n", seed=2, bars=3)
    assert piece.complete and piece.record["seed"] == 2 and piece.record["bars_written"] == 3
    assert piece.abc.startswith("X:1\nT:<b>Air</b>\n")
    text = "".join(student.stream("T:<b>Air</b>\nK:C\n", seed=2, bars=3))
    assert text == strip_counters(piece.record["raw"])
    assert len(list(student.stream("K:C\n", seed=2, bars=3))) == 7  # four header lines, three bars
    assert piece.musicxml().count("<measure") == 3
    assert piece.midi()[:4] == b"MThd" and "<svg" in piece.svg()[0]
    shown = piece._repr_html_()
    assert "&lt;b&gt;Air" in shown and "<b>Air" not in shown
    assert shown.startswith('<img alt="score" src="data:image/svg+xml;base64,')
    again = student.generate("T:<b>Air</b>\nK:C\n", seed=2, bars=3, candidates=2, rank="nll")
    assert len(again.record["candidates"]["all"]) == 2
    with pytest.raises(ConfigError, match="Did you mean 'numba'"):
        picogen_core.generation.load(small_student, engine="numa")


def test_what_cannot_be_engraved_is_shown_as_text():
    piece = Music("<script>", {"complete": False, "stopped": "it reached <9> patches"})
    shown = piece._repr_html_()
    assert "<script>" not in shown and "&lt;9&gt;" in shown and "&lt;script&gt;" in shown
