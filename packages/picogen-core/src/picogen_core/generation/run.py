"""A request for pieces, start to finish: load, prompt, decode, write each piece when it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from picogen_core.errors import ConfigError, PicogenError
from picogen_core.generation.engines.choose import Name
from picogen_core.generation.output import Score, read_record, write_score
from picogen_core.generation.request.job import Job, PieceRequest
from picogen_core.generation.request.jobs import Asked, at_line, read_jobs
from picogen_core.generation.session import Candidates, Lines, Rolls, Session
from picogen_core.generation.share import Progress
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.runtime.signals import Stopped, catch_signals
from picogen_core.score.files.reader import FileReader


@dataclass(frozen=True, kw_only=True)
class GenerateRequest(PieceRequest):
    """What to write, and from what.

    count:    pieces 1 … count of one kind; with `jobs`, a file that lists pieces, it is not used.
    shard:    (2, 4) is every fourth piece of the list, from the second on.
    again:    write pieces of the list anew that lie in the folder with other settings.
    rollover: what happens at the length that the model was trained on. A piece keeps its header
              and its latest lines and goes on; `auto` lets recurrent backbones run on instead,
              `never` ends the piece if it has a cache of that length and lets it run on if not.
    """

    weights_path: Path
    count: int = 1
    jobs: Path | None = None
    shard: tuple[int, int] = (1, 1)
    again: bool = False
    candidates: Candidates = field(default_factory=Candidates)
    backbone: str | None = None
    batch_size: int = 32
    device: str = "cpu"
    engine: Name = "auto"
    rollover: Rolls = "auto"


def write_scores(
    request: GenerateRequest, folder: Path, reporter: Reporter | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[Score]:  # fmt: skip
    """Write the pieces into `folder`, each as soon as it is finished; returned as they were asked
    for. Pieces of a list that lie there finished, with the same settings, stay as they are. A score
    that a line of the list goes on from and that cannot be used costs this line alone.

    `tell` is given the text, whole lines without counters, as it comes; of one piece.

    Raises:
        PicogenError: the checkpoint, a prompt or the backbone asked for does not fit; then
            nothing was written.
        Stopped: by a signal. What was finished is there, and what was begun, marked as
            interrupted. A second signal does without the latter.
        BrokenPipeError: from `tell`; then likewise.
    """
    reporter = reporter or Quiet()
    asked = _asked(request)
    session = Session(
        request.weights_path, engine=request.engine, device=request.device,
        rollover=request.rollover, reporter=reporter,
    )  # fmt: skip
    _check_backbone(request, session.config.backbone)
    jobs, refused = _prepare(session, asked, request)
    if request.candidates.count > 1:
        request.candidates.ranking.check()
    scores: dict[str, Score] = {}
    if request.jobs:
        scores = _finished(folder, jobs, asked, request.again)
        if scores:
            reporter.message(f"{len(scores)} of {len(asked)} pieces lie finished in {folder}.")
    waiting = [job for job in jobs if job.name not in scores]
    if waiting:
        _write(session, waiting, request, folder, scores, reporter, tell)
    scores |= refused
    return [scores[one.name] for one in asked]


def _write(
    session: Session, jobs: Sequence[Job], request: GenerateRequest, folder: Path,
    scores: dict[str, Score], reporter: Reporter, tell: Callable[[str], None] | None,
) -> None:  # fmt: skip
    """The pieces into the folder and into `scores`. A second signal does not wait for a patch."""
    lines = Lines(jobs[0]) if tell else None
    total = len(jobs) + len(scores)
    unheard: list[BrokenPipeError] = []
    progress = Progress(request.candidates.count)
    reporter.start("Writing scores", float(len(jobs)), "run")
    try:
        with catch_signals() as signals, signals.held():
            for event in session.write(
                jobs, request.batch_size, request.candidates,
                lambda: signals.asked is not None or bool(unheard),
            ):  # fmt: skip
                if event.score:
                    write_score(folder, event.score)
                    scores[event.job.name] = event.score
                if tell and lines and not unheard:
                    try:
                        tell(lines.push(event.text) + (lines.rest() if event.score else ""))
                    except BrokenPipeError as error:
                        unheard.append(error)
                reporter.advance(progress.add(event), progress.told(len(scores), total))
    except Stopped:
        begun = sum(bool(score.record.get("interrupted")) for score in scores.values())
        goes_on = " The same command goes on." if request.jobs else ""
        reporter.message(
            f"{len(scores) - begun} of {total} pieces are finished in {folder}, {begun} as far as "
            f"they were.{goes_on}"
        )
        raise
    if unheard:
        raise unheard[0]
    reporter.finish()


def _asked(request: GenerateRequest) -> list[Asked]:
    """Pieces by name, of this shard."""
    if request.jobs:
        part, parts = request.shard
        return read_jobs(request.jobs, request)[part - 1 :: parts]
    return [Asked(f"{k:04d}", request, "") for k in range(1, request.count + 1)]


def _prepare(
    session: Session, asked: Sequence[Asked], request: GenerateRequest
) -> tuple[list[Job], dict[str, Score]]:
    """The pieces, and, of a list, those whose score to go on from cannot be used.

    Raises:
        PicogenError: any other fault, or no line of the list can be used.
    """
    if not request.jobs:
        first = session.prepare(request, 1, asked[0].name, request.candidates)
        return [first, *(first.numbered(number) for number in range(2, len(asked) + 1))], {}
    jobs: list[Job] = []
    refused: dict[str, Score] = {}
    session.reporter.start("Reading the list", float(len(asked)), "pieces")
    with FileReader() as reader:
        for count, one in enumerate(asked, 1):
            try:
                jobs.append(session.prepare(one.request, 1, one.name, request.candidates, reader))
            except PicogenError as error:
                told = at_line(one, error)
                if one.request.continued is None or (count == len(asked) and not jobs):
                    raise told from None
                refused[one.name] = Score(one.name, "", {}, str(told))
            session.reporter.advance(count)
    session.reporter.finish()
    return jobs, refused


def _finished(
    folder: Path, jobs: Sequence[Job], asked: Sequence[Asked], again: bool
) -> dict[str, Score]:
    """What of the list lies in the folder.

    Raises:
        ConfigError: a piece lies there with other settings, and may not be written again.
    """
    found: dict[str, Score] = {}
    lines = {one.name: one for one in asked}
    for job in jobs:
        one = lines[job.name]
        record = read_record(folder, job.name)
        if not record or record.get("interrupted"):
            continue
        abc = folder / f"{job.name}.abc"
        if record.get("settings_sha256") == job.digest:
            if abc.is_file() or "error" in record:
                text = abc.read_text(encoding="utf-8") if abc.is_file() else ""
                found[job.name] = Score(job.name, text, record, record.get("error"), new=False)
        elif not again:
            raise ConfigError(
                f"{one.where}: {job.name} lies in {folder}, written with other settings. Give it "
                "another id, or --force to write it again."
            )
    return found


def _check_backbone(request: GenerateRequest, backbone: str) -> None:
    if request.backbone and request.backbone.partition("@")[0] != backbone.partition("@")[0]:
        raise ConfigError(
            f"{request.weights_path} has backbone {backbone!r}, not {request.backbone!r}. "
            f"Leave --backbone out, or give --backbone {backbone}."
        )
