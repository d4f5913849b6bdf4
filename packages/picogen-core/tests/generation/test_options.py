"""Each option of a piece is declared once: lists, Python and digests follow from the class."""

import hashlib
import inspect
import json
from pathlib import Path

import picogen_core.generation
import pytest
from picogen_core import ConfigError
from picogen_core.abc.grammar.line import MAX_TOTAL
from picogen_core.generation.request.job import Job
from picogen_core.generation.request.jobs import PieceRow, read_jobs
from picogen_core.generation.request.options import (
    BEGINNING,
    MOST_BARS,
    SAMPLING,
    PieceRequest,
    SamplingOptions,
)
from picogen_core.generation.session import Session
from picogen_core.generation.student import Student
from picogen_core.plugins.options import option_faults

OTHER = {
    "temperature": 0.5, "top_k": 3, "top_p": 0.5, "min_p": 0.2, "order": "temperature-first",
    "mask": False, "prompt": "K:D\n", "bars": 4, "meter": "6/8", "key": "G", "tempo": "1/4=90",
    "grammar": True, "max_length": 20, "seed": 8, "candidates": 2,
}  # fmt: skip
WITH_CANDIDATES = {"rank": "valid", "reference": "bach"}


@pytest.fixture(scope="module")
def session(small_student: Path) -> Session:
    return Session(small_student)


def digest(session: Session, **options) -> str:
    return session.prepare(PieceRequest(**options)).digest


def test_every_option_makes_another_piece(session: Session):
    """A new option has to be added here, and shows that a changed list is not taken as finished."""
    elsewhere = {"prompt_file", "continued", "keep_bars"}  # they are read into the prompt
    assert {*OTHER, *WITH_CANDIDATES, *elsewhere} == {*PieceRequest.model_fields}
    plain = digest(session)
    same = [name for name, value in OTHER.items() if digest(session, **{name: value}) == plain]
    assert same == []
    both = digest(session, candidates=2)
    assert all(
        digest(session, candidates=2, **{name: value}) != both
        for name, value in WITH_CANDIDATES.items()
    )
    assert digest(session, rank="valid") == plain  # one candidate is not ranked


def test_equal_pieces_have_equal_digests(session: Session, tmp_path: Path):
    (tmp_path / "p.txt").write_text("K:D\n")
    assert digest(session, prompt="K:D\n") == digest(session, prompt_file=tmp_path / "p.txt")
    assert digest(session, bars=4) == digest(session, bars=4, grammar=True)
    assert digest(session, meter="6/8") == digest(session, meter=" 6/8")


def test_digests_are_those_of_the_first_version(session: Session):
    """Finished pieces of older lists are recognised."""
    job = session.prepare(
        PieceRequest(prompt="T:Air\nK:D\n", key="D", bars=4, candidates=2, rank="valid", seed=3)
    )
    settings = {
        "seed": 3,
        "sampling": SamplingOptions().model_dump(),
        "bars": 4,
        "grammar": True,
        "max_length": job.limits.max_patches,
        "rollover": None,
        "begins": "L:1/8\nM:4/4\nK:D\nV:1 treble\n",
        "model": session.sha256,
        "fields": {"K": "D"},
        "best_of": [2, "valid", "oneills"],
    }
    text = json.dumps([1, settings, ["T:Air"]], sort_keys=True)
    assert job.digest == hashlib.sha256(text.encode()).hexdigest()


def test_the_class_is_closed_and_described():
    assert option_faults(PieceRequest) == [] and option_faults(PieceRow) == []
    assert tuple(SamplingOptions.model_fields) == SAMPLING
    assert MOST_BARS == 10**MAX_TOTAL


def test_a_line_of_a_list_takes_every_option(tmp_path: Path):
    given = {**OTHER, **WITH_CANDIDATES}
    path = tmp_path / "list.jsonl"
    path.write_text(json.dumps({"id": "a", **given}) + "\n" + '{"id": "b", "bars": null}\n')
    first, second = read_jobs(path, PieceRequest(bars=9)).values()
    assert first == PieceRow(id="a", **given)
    assert second == PieceRow(id="b", bars=9)


def test_help_in_python_shows_every_option():
    for method in (Student.generate, Student.stream):
        shown = inspect.signature(method).parameters
        assert {*shown} - {"self"} == {*PieceRequest.model_fields}
        assert shown["temperature"].default == 1.2


def test_a_student_takes_a_request_or_its_fields(small_student: Path):
    student = picogen_core.generation.load(small_student)
    wanted = {"seed": 4, "bars": 2, "temperature": 0.7}
    piece = student.generate("K:D\n", **wanted)
    assert piece.record["sampling"]["temperature"] == 0.7
    assert student.generate(PieceRequest(prompt="K:D\n", **wanted)).abc == piece.abc
    assert student.generate(PieceRequest(prompt="K:D\n"), **wanted).abc == piece.abc
    with pytest.warns(FutureWarning, match="give its options by name"):
        old = student.generate("K:D\n", seed=4, bars=2, sampling=SamplingOptions(temperature=0.7))
    assert old.abc == piece.abc
    with pytest.raises(ConfigError, match=r"no option 'bar'\. Did you mean 'bars'"):
        student.generate("K:D\n", bar=2)
    with pytest.raises(ConfigError, match="a stream has one draft"):
        next(student.stream("K:D\n", candidates=2))


def test_candidates_of_each_piece_its_own(session: Session):
    jobs: list[Job] = [
        session.prepare(PieceRequest(prompt="K:D\n", bars=2, candidates=count), count)
        for count in (1, 3, 2)
    ]
    found = {one.number: one.score for one in session.write(jobs) if one.score}
    counts = [len(found[k].record.get("candidates", {}).get("all", [0])) for k in range(3)]
    assert counts == [1, 3, 2]
    assert all({*BEGINNING} - {"continued"} <= {*score.record} for score in found.values())
