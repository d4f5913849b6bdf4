"""What is requested of a piece, and what it gets: bars, beginnings, tags, the best of several."""

from pathlib import Path

import numpy as np
import pytest
import torch
from picogen_core import BadInput, ConfigError
from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import encode
from picogen_core.generation.decoding.decode import Limits, write
from picogen_core.generation.decoding.piece import PieceWriter
from picogen_core.generation.decoding.sampling import nll
from picogen_core.generation.output import Score
from picogen_core.generation.ranking import Ranking, best
from picogen_core.generation.request.continued import read_opening
from picogen_core.generation.request.job import place_request
from picogen_core.generation.request.options import PieceRequest, SamplingOptions
from picogen_core.generation.request.prompt import place_prompt
from picogen_core.generation.request.tags import doubts, trained_tags
from picogen_core.generation.session import Session
from picogen_core.model.locate import locate
from picogen_core.plugins.options import parse_options
from picogen_core.runtime.progress import Quiet
from picogen_core.score.files.reader import FileReader, ReadFile

torch.set_num_threads(1)

HEAD = "L:1/8\nM:4/4\nK:C\nV:1 treble\n"
TRIPLES = [("Baroque", "Bach, Johann Sebastian", "Keyboard"), ("Modern", "Dora", "Cello")]


@pytest.fixture(scope="module")
def session(small_student: Path) -> Session:
    return Session(small_student)


def pieces(session: Session, request: PieceRequest, count: int, **how) -> list[Score]:
    first = session.prepare(request)
    jobs = [first.numbered(k) for k in range(1, count + 1)]
    return [one.score for one in session.write(jobs, **how) if one.score]


def counters(score: Score) -> list[str]:
    lines = score.record["raw"].splitlines()
    return [line[: line.index("]") + 1] for line in lines if line.startswith("[r:")]


@pytest.mark.parametrize(
    "prompt", ["", "M:6/8\nK:G\n", "K:C\nCDEF GABc|c4", "K:C\nV:1\nCDEF GABc|\nV:2\nC,8|\n"]
)
def test_bars_asked_for_are_bars_got(session: Session, prompt: str):
    request = PieceRequest(prompt=prompt, bars=7, seed=3)
    for score in pieces(session, request, 6):
        assert counters(score) == [f"[r:{i}/{6 - i}]" for i in range(7)]
        assert score.record["complete"] and score.record["bars_written"] == 7
        assert score.record["bars_asked"] == 7 and score.record["grammar"] is True


def test_bars_have_room_or_are_refused(session: Session):
    job = session.prepare(PieceRequest(bars=30))
    assert job.limits.max_patches == 1 + 16 * 31
    assert session.prepare(PieceRequest(bars=1)).limits.max_patches == 33
    with pytest.raises(ConfigError, match=r"--bars 30 takes 66 patches at the very least"):
        session.prepare(PieceRequest(bars=30, max_length=65))
    tight = PieceRequest(bars=30, max_length=66)
    assert all(len(counters(score)) == 30 for score in pieces(session, tight, 2))
    with pytest.raises(ConfigError, match="the prompt has 2 bars, and --bars 2 counts them"):
        session.prepare(PieceRequest(prompt="K:C\nC8|D8|", bars=2))
    assert counters(pieces(session, PieceRequest(prompt="K:C\nC8|D4", bars=2), 1)[0])[1:] == [
        "[r:1/0]"
    ]
    with pytest.raises(ConfigError, match="--bars needs the grammar"):
        session.prepare(PieceRequest(bars=2, grammar=False))
    assert session.prepare(PieceRequest(bars=10_000)).limits.max_patches > 100_000
    with pytest.raises(ConfigError, match=r"bars=10001: input should be less than or equal to 10"):
        parse_options(PieceRequest, {"bars": 10_001}, "generate")


def test_a_plan_overrules_the_counters_of_a_prompt():
    assert place_prompt("K:C\n[r:5/3][V:1]C4|", 4).text == HEAD + "[r:0/3][V:1]C4|"
    assert place_prompt("K:C\n[r:5/3][V:1]C4|").text == HEAD + "[r:5/3][V:1]C4|"


TUNE = "X:1\nT:Air\nC:Anon\nM:4/4\nL:1/8\nK:C\nCDEF GABc|c4 c4|\nGFED C4|C8|]\n"


def test_going_on_from_a_score(session: Session, tmp_path: Path):
    file = tmp_path / "air.abc"
    file.write_text(TUNE)
    placed = read_opening(file, 2, 8)
    assert placed.titles == ("T:Air", "C:Anon")
    assert placed.text == HEAD + "[r:0/7][V:1]CDEF GABc|\n[r:1/6][V:1]c4 c4|\n"
    assert read_opening(file, 0, 8).text == placed.text.partition("[r:")[0]
    whole = read_opening(file, None, None, "X:7\nT:Other\n%Modern\n%Dora\n%Cello\n")
    assert whole.titles == ("X:7", "T:Other")
    assert whole.text.startswith("%Modern\n%Dora\n%Cello\n%end\nL:1/8\n")
    assert whole.text.endswith("[r:3/12][V:1]C8|\n")  # its end bar is taken back
    score = pieces(session, PieceRequest(continued=file, keep_bars=2, bars=5), 1)[0]
    assert score.abc.startswith(
        "X:1\nT:Air\nC:Anon\nL:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]CDEF GABc|"
    )
    assert score.record["bars_written"] == 5 and score.record["continue"] == str(file)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (PieceRequest(continued=Path("none.abc")), "none.abc: there is no such file"),
        (PieceRequest(keep_bars=3), "--keep-bars counts bars of the score of --continue"),
        (PieceRequest(prompt="K:C", prompt_file=Path("a")), "are two prompts"),
        (PieceRequest(prompt_file=Path("none.txt")), "none.txt: cannot be read"),
    ],
)
def test_beginnings_that_cannot_be(request_: PieceRequest, message: str):
    with pytest.raises((BadInput, ConfigError), match=message):
        place_request(request_)


def test_scores_that_cannot_be_gone_on_from(tmp_path: Path, monkeypatch):
    file = tmp_path / "air.abc"
    file.write_text(TUNE)
    with pytest.raises(ConfigError, match=r"--keep-bars 9: .* has 4 bars"):
        read_opening(file, 9, None)
    with pytest.raises(ConfigError, match="has 4 bars, and --bars 3"):
        read_opening(file, None, 3)
    with pytest.raises(ConfigError, match="beside --continue a prompt may have"):
        read_opening(file, 1, None, "K:G\n")
    file.write_text("no music\n")
    with pytest.raises(BadInput, match=r"air\.abc: "):
        read_opening(file, 1, None)
    (tmp_path / "a.pdf").write_text("")
    with pytest.raises(BadInput, match=r"a\.pdf: not a score"):
        read_opening(tmp_path / "a.pdf", 1, None)
    # All but ABC is read by the worker process.
    monkeypatch.setattr(FileReader, "read", lambda self, path: ReadFile(TUNE))
    (tmp_path / "a.mid").write_text("")
    assert "c4 c4|" in read_opening(tmp_path / "a.mid", 2, None).text


def test_what_should_be_known_of_a_score_is_told(session: Session, tmp_path: Path, monkeypatch):
    book = tmp_path / "book.abc"
    book.write_text("X:1\nL:1/4\nK:C\nC4|D4|\n\nX:2\nL:1/4\nK:G\nG4|\n")
    assert read_opening(book, 1, None).remarks == (f"{book}: it has 2 tunes; the first is taken.",)
    (tmp_path / "a.mid").touch()
    moved = "2 of its 3 notes were moved to a grid of 1/32 and its triplets"
    read = ReadFile("X:1\nL:1/8\nM:4/4\nK:C\nc4 c4|c8|\n", 3, 2, remarks=(moved,))
    monkeypatch.setattr(FileReader, "read", lambda self, path: read)
    assert read_opening(tmp_path / "a.mid", 1, None).remarks == (f"{tmp_path / 'a.mid'}: {moved}.",)
    (tmp_path / "latin.abc").write_bytes("X:1\nT:Größe\nK:C\nC4|\n".encode("latin-1"))
    assert read_opening(tmp_path / "latin.abc", 1, None).titles == ("T:Größe",)


def test_tags_are_checked(small_student: Path, session: Session):
    known = trained_tags(locate(small_student).manifest())
    assert known == TRIPLES
    assert doubts("%Baroque\n%Bach, Johann Sebastian\n%Keyboard\n%end\n", known) == []
    assert doubts("L:1/8\n", known) == [] and doubts("%%score 1\n", known) == []
    wrong = doubts("%Barock\n%Dora\n", known)
    assert wrong == [
        "%Barock: no period that the checkpoint was trained on. Did you mean 'Baroque'? "
        "Known: Baroque, Modern."
    ]
    assert "not together" in doubts("%Modern\n%Bach, Johann Sebastian\n", known)[0]
    assert "three tags" in doubts("%Modern\n%Dora\n%Cello\n%Loud\n", known)[0]
    assert len(doubts("%Modern\n%Nobody\n", [])) == 1
    assert trained_tags({}) == []

    class Told(Quiet):
        def message(self, text: str) -> None:
            said.append(text)

    said: list[str] = []
    listening = Session(small_student, reporter=Told())
    for _ in range(2):
        listening.prepare(PieceRequest(prompt="%Modern\n%Dara\n"))
    assert len(said) == 1 and "Did you mean 'Dora'?" in said[0]


def test_surprise_is_of_the_model_as_it_is():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (5, 128)).astype(np.float32)
    codes = np.array([3, 90, 10, -1, 127])
    chances = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(1, keepdims=True)
    expected = [0.0 if c < 0 else -np.log(chances[i, c]) for i, c in enumerate(codes)]
    np.testing.assert_allclose(nll(logits, codes), expected, rtol=1e-5)


def test_the_best_of_several(session: Session):
    request = PieceRequest(prompt="K:C\n", bars=4, seed=1)
    plain = sorted(pieces(session, request, 2), key=lambda s: s.name)
    for batch in (1, 6):
        best_of = request.model_copy(update={"candidates": 3})
        kept = pieces(session, best_of, 2, batch_size=batch)
        for score, alone in zip(sorted(kept, key=lambda s: s.name), plain, strict=True):
            told = score.record["candidates"]
            values = [one["value"] for one in told["all"]]
            assert len(set(values)) == 3 and values[told["chosen"] - 1] == min(values)
            nll = score.record["nll"]
            assert min(values) == nll["nats"] / nll["characters"]
            # The first candidate is the piece that there is without others.
            assert (told["chosen"] == 1) == (score.abc == alone.abc)


def test_nll_is_that_of_the_likelihood_of_the_text(small_student: Path, session: Session):
    """The loop's sum is the model's own, teacher-forced."""
    from picogen_core.model.checkpoint import load_model

    score = pieces(session, PieceRequest(seed=2, candidates=2), 1)[0]
    patches = torch.from_numpy(encode(strip_counters(score.record["raw"])).astype(np.int64))
    draft = next(
        one.draft
        for one in write(
            session._idle[0].engine, [PieceWriter(0, "", 2, stream=(1,))], SamplingOptions(),
            Limits(32),
            likelihood=True,
        ) if one.draft
    )  # fmt: skip
    assert draft.nll is not None and draft.characters > len(draft.codes)
    rows = torch.from_numpy(draft.codes.astype(np.int64))
    model = load_model(small_student).eval()
    with torch.no_grad():
        whole = torch.cat([patches[:1], rows])[None]
        hidden = model.backbone(model.patch_embedding(whole))[0, :-1]
        logits = model.head(hidden, rows)
        nats = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), rows.flatten(), reduction="none"
        ).reshape(rows.shape)
    drawn = torch.zeros_like(rows, dtype=torch.bool)
    for i, row in enumerate(rows.tolist()):
        ends = [p for p, code in enumerate(row) if code == 2][:1] or [len(row) - 1]
        last = 0 if row[0] == 1 else ends[0]
        drawn[i, : last + 1] = True
    assert draft.characters == int(drawn.sum())
    assert draft.nll == pytest.approx(float(nats[drawn].sum()), rel=1e-3)


def made(abc: str, complete: bool = True, nats: float = 1.0) -> Score:
    record = {"complete": complete, "nll": {"nats": nats, "characters": 1}}
    return Score("a", abc, record, None if abc else "nothing")


def test_ranking_by_metrics():
    good = "X:1\nL:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]CDEF GABc|\n[V:1]c4 c4|\n"
    differ = "X:1\nL:1/8\nM:4/4\nK:C\nV:1 treble\nV:2 bass\n[V:1]C8|[V:2]C,4|\n[V:1]C8|[V:2]C,8|\n"
    kept = best(Ranking("valid"), [made(""), made(differ), made(good, nats=2), made(good, False)])
    assert kept.abc == good and kept.record["complete"]
    assert [one["value"] for one in kept.record["candidates"]["all"]] == [None, 1.0, 0.0, 0.0]
    assert kept.record["candidates"]["chosen"] == 3
    rng = np.random.default_rng(0)
    walk = np.clip(np.cumsum(rng.integers(-1, 2, 96)) + 4, 0, 6)
    tunes = [
        "X:1\nL:1/8\nM:4/4\nK:C\n" + "".join(" CDEFGAB"[1 + n] for n in notes) + "|\n"
        for notes in (walk, rng.integers(0, 7, 96))
    ]
    kept = best(Ranking("powerlaw"), [made(tunes[1]), made(tunes[0])])
    values = [one["value"] for one in kept.record["candidates"]["all"]]
    assert kept.abc == tunes[0] and values[1] < values[0]
    assert kept.record["candidates"]["reference"] == "oneills"
    kept = best(Ranking("repetition", "bach"), [made(tunes[1]), made(tunes[0])])
    assert all(one["value"] is not None for one in kept.record["candidates"]["all"])
