"""A request for pieces, start to finish: load, prompt, decode, write each piece when it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from picogen_core.errors import ConfigError, PicogenError
from picogen_core.generation.output import Score, read_record, write_score
from picogen_core.generation.progress import BatchProgress
from picogen_core.generation.ranking import Ranking
from picogen_core.generation.request.job import Job
from picogen_core.generation.request.jobs import PieceRow, read_jobs, read_shard
from picogen_core.generation.request.options import GenerateRequest
from picogen_core.generation.session import Lines, Session
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.runtime.signals import Stopped, catch_signals
from picogen_core.score.files.reader import FileReader


def write_scores(
    request: GenerateRequest,
    folder: Path,
    reporter: Reporter | None = None,
    on_text: Callable[[str], None] | None = None,
) -> list[Score]:
    """Write each piece into `folder` as soon as it is finished; return all in order.

    Pieces of a list that lie there finished, with the same settings, stay as they are. A score to
    continue that cannot be used costs its own line of the list alone.

    `on_text` receives the text of a single piece, whole lines without counters, as it comes.

    Raises:
        PicogenError: the checkpoint, a prompt or the requested backbone does not fit; then
            nothing was written.
        Stopped: by a signal. Finished pieces are there, and those that were begun, marked as
            interrupted. A second signal skips the latter.
        BrokenPipeError: from `on_text`; then likewise.
    """
    reporter = reporter or Quiet()
    rows = _rows(request)
    session = Session(
        request.weights_path,
        engine=request.engine,
        device=request.device,
        rollover=request.rollover,
        reporter=reporter,
    )
    _check_backbone(request, session.config.backbone)
    if request.listed:
        jobs, refused = _prepare(session, rows)
    else:
        jobs, refused = _numbered(session, request), {}
    for job in jobs:
        if job.request.candidates > 1:
            Ranking(job.request.rank, job.request.reference).check()
    scores: dict[str, Score] = {}
    if request.listed:
        lines = {row.id: where for where, row in rows.items()}
        scores = _finished(folder, jobs, lines, request.force)
        if scores:
            reporter.message(f"{len(scores)} of {len(rows)} pieces lie finished in {folder}.")
    waiting = [job for job in jobs if job.name not in scores]
    if waiting:
        _write(session, waiting, request, folder, scores, reporter, on_text)
    scores |= refused
    names = [row.id for row in rows.values()] if request.listed else [job.name for job in jobs]
    return [scores[name] for name in names]


def _write(
    session: Session,
    jobs: Sequence[Job],
    request: GenerateRequest,
    folder: Path,
    scores: dict[str, Score],
    reporter: Reporter,
    on_text: Callable[[str], None] | None,
) -> None:
    """Add the pieces to the folder and to `scores`. A second signal does not wait for a patch."""
    lines = Lines(jobs[0]) if on_text else None
    total = len(jobs) + len(scores)
    broken: list[BrokenPipeError] = []
    progress = BatchProgress(jobs)
    reporter.start("Writing scores", float(len(jobs)), "run")
    try:
        with catch_signals() as signals, signals.held():
            for one in session.write(
                jobs, request.batch_size, lambda: signals.requested is not None or bool(broken)
            ):
                if one.score:
                    write_score(folder, one.score)
                    scores[jobs[one.number].name] = one.score
                if on_text and lines and not broken:
                    try:
                        on_text(lines.push(one.text) + (lines.rest() if one.score else ""))
                    except BrokenPipeError as error:
                        broken.append(error)
                reporter.advance(progress.add(one), progress.figures(len(scores), total))
    except Stopped:
        begun = sum(bool(score.record.get("interrupted")) for score in scores.values())
        resume = " The same command continues." if request.listed else ""
        reporter.message(
            f"{len(scores) - begun} of {total} pieces are finished in {folder}, {begun} as far as "
            f"they were.{resume}"
        )
        raise
    if broken:
        raise broken[0]
    reporter.finish()


def _rows(request: GenerateRequest) -> dict[str, PieceRow]:
    """The rows of this shard of the list, by their place in it; none without a list."""
    part, parts = read_shard(request.shard)
    if request.listed is None:
        return {}
    rows = read_jobs(request.listed, request)
    return dict(list(rows.items())[part - 1 :: parts])


def _numbered(session: Session, request: GenerateRequest) -> list[Job]:
    first = session.prepare(request)
    return [first, *(first.numbered(number) for number in range(2, request.num_samples + 1))]


def _prepare(session: Session, rows: Mapping[str, PieceRow]) -> tuple[list[Job], dict[str, Score]]:
    """Return the jobs of a list, and the lines whose score to continue cannot be used.

    Raises:
        PicogenError: any other fault, or no line of the list can be used.
    """
    jobs: list[Job] = []
    refused: dict[str, Score] = {}
    session.reporter.start("Reading the list", float(len(rows)), "pieces")
    with FileReader() as reader:
        for count, (where, row) in enumerate(rows.items(), 1):
            try:
                jobs.append(session.prepare(row, 1, row.id, reader))
            except PicogenError as error:
                located = type(error)(f"{where}: {error}")
                if row.continued is None or (count == len(rows) and not jobs):
                    raise located from None
                refused[row.id] = Score(row.id, "", {}, str(located))
            session.reporter.advance(count)
    session.reporter.finish()
    return jobs, refused


def _finished(
    folder: Path, jobs: Sequence[Job], lines: Mapping[str, str], force: bool
) -> dict[str, Score]:
    """Return the pieces of the list that lie finished in the folder.

    Raises:
        ConfigError: a piece lies there with other settings, and may not be replaced.
    """
    found: dict[str, Score] = {}
    for job in jobs:
        record = read_record(folder, job.name)
        if not record or record.get("interrupted"):
            continue
        abc = folder / f"{job.name}.abc"
        if record.get("settings_sha256") == job.digest:
            if abc.is_file() or "error" in record:
                text = abc.read_text(encoding="utf-8") if abc.is_file() else ""
                found[job.name] = Score(job.name, text, record, record.get("error"), new=False)
        elif not force:
            raise ConfigError(
                f"{lines[job.name]}: {job.name} lies in {folder}, written with other settings. "
                "Give it another id, or --force to write it again."
            )
    return found


def _check_backbone(request: GenerateRequest, backbone: str) -> None:
    if request.backbone and request.backbone.partition("@")[0] != backbone.partition("@")[0]:
        raise ConfigError(
            f"{request.weights_path} has backbone {backbone!r}, not {request.backbone!r}. "
            f"Leave --backbone out, or give --backbone {backbone}."
        )
