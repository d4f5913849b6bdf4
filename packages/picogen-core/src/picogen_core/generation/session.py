"""A loaded checkpoint that generates pieces, one at a time or in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import decode, encode_prompt
from picogen_core.data.headers import known_headers
from picogen_core.generation.decoding.decode import INTERRUPTED, Limits, Written, check_room, write
from picogen_core.generation.decoding.piece import Draft, PieceWriter
from picogen_core.generation.engines import Engine, kernels
from picogen_core.generation.engines.choose import (
    FEW,
    EngineChoice,
    choose,
    open_engine,
)
from picogen_core.generation.output import Score, finish
from picogen_core.generation.ranking import Ranking, best
from picogen_core.generation.request.headers import (
    field_choices,
    header_doubts,
    requesting,
)
from picogen_core.generation.request.job import Job, header_fields, place_request, wanted_length
from picogen_core.generation.request.options import (
    BEGINNING,
    EngineName,
    PieceRequest,
    Rollovers,
    SamplingOptions,
)
from picogen_core.generation.request.tags import doubts, trained_tags
from picogen_core.model.config import ModelConfig
from picogen_core.model.locate import locate
from picogen_core.plugins.registry import registry
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.score.files.reader import FileReader


@dataclass(frozen=True)
class _Opened:
    """An engine whose slots hold `capacity` patches. A `stopgap` serves until kernels are ready."""

    choice: EngineChoice
    engine: Engine
    capacity: int
    stopgap: bool = False


class Session:
    """A checkpoint and its engine, which opens with the first piece.

    Raises:
        PicogenError: there is no checkpoint, or it is damaged.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        engine: EngineName = "auto",
        device: str = "auto",
        rollover: Rollovers = "auto",
        reporter: Reporter | None = None,
    ) -> None:
        self.path, self.reporter = path, reporter or Quiet()
        self.checkpoint = locate(path, self.reporter)
        self.config = self.checkpoint.config
        self.sha256 = self.checkpoint.digest()
        self._requested = engine, device
        self._rollover: Rollovers = rollover
        self._tags = trained_tags(self.checkpoint.manifest())
        self._headers = known_headers(self.checkpoint.manifest())
        self._choices = field_choices(self._headers)
        self._reported: set[str] = set()
        self._idle: list[_Opened] = []

    def prepare(
        self,
        request: PieceRequest,
        number: int = 1,
        name: str = "",
        reader: FileReader | None = None,
    ) -> Job:
        """Return the piece as a job. Doubts about its tags and header, and remarks on its score,
        are reported, each once.

        Raises:
            PicogenError: the prompt cannot be read, or does not fit the other options.
        """
        prompt = place_request(request, reader)
        fields = header_fields(request)
        for doubt in (
            *prompt.remarks,
            *doubts(prompt.text, self._tags),
            *header_doubts(prompt.text, fields, self._headers),
        ):
            if doubt not in self._reported:
                self._reported.add(doubt)
                self.reporter.message(doubt)
        length = wanted_length(request, prompt, self.config.max_patches)
        limits, _ = lengths(self.config, length, self._rollover)
        check_room([row.tobytes() for row in encode_prompt(prompt.text).patches], limits)
        resolved = {"grammar": request.steered, "max_length": limits.max_patches}
        return Job(
            name or f"{number:04d}",
            number,
            request.model_copy(update=resolved),
            prompt,
            limits,
            self.sha256,
            requesting(self._choices, tuple(fields.items())),
        )

    def write(
        self, jobs: Sequence[Job], batch_size: int = 32, stop: Callable[[], bool] = bool
    ) -> Iterator[Written]:
        """Yield each patch of every piece, many pieces at once, and its score at its end.

        `stop` is called between two patches. Once it is true, the pieces that were begun end as
        they are, marked as interrupted, and no other begins.

        Raises:
            ConfigError: a prompt leaves no room for a patch.
        """
        if not jobs:
            return
        drafts = sum(job.request.candidates for job in jobs)
        slots = min(batch_size, drafts)
        opened = self._engine(jobs, slots, drafts)
        facts = {
            "engine": opened.choice.engine,
            "batch": slots,
            "checkpoint": {"path": str(self.path), "sha256": self.sha256},
        }
        begun = time.monotonic()
        try:
            for places in _groups(jobs):
                for one in _write_group(opened.engine, jobs, places, stop):
                    if one.score:
                        passed = {"seconds": round(time.monotonic() - begun, 3)}
                        one.score.record.update(facts | passed)
                    yield one
                if stop():
                    return
        finally:
            self._idle.append(opened)

    def _engine(self, jobs: Sequence[Job], slots: int, pieces: int) -> _Opened:
        """Return an idle engine; engines in use by another thread or an unfinished stream are
        skipped."""
        capacity = max(
            lengths(self.config, job.limits.max_patches, self._rollover)[1] for job in jobs
        )
        while self._idle:
            opened = self._idle.pop()
            fits = opened.engine.slots >= slots and opened.capacity >= capacity
            if fits and not (opened.stopgap and kernels.ready(self.config)):
                return opened
        choice = choose(self.config, *self._requested, pieces, self.reporter)
        stopgap = self._requested[0] == "auto" and choice.engine == "numba" and pieces <= FEW
        if stopgap := stopgap and not kernels.ready(self.config):
            self.reporter.message(
                "The decoder is being compiled for this machine in the background, only this "
                "once. Until then torch generates, more slowly."
            )
            kernels.compile_behind(self.checkpoint.path, self.config)
            choice = EngineChoice("torch", "cpu")
        engine = open_engine(self.checkpoint, choice, slots, capacity, self.reporter)
        return _Opened(choice, engine, capacity, stopgap)


def lengths(config: ModelConfig, max_length: int | None, rolls: Rollovers) -> tuple[Limits, int]:
    """Return the limits of a piece, and how many patches a slot has to hold for them."""
    context = config.max_patches
    most = max_length or context
    recurrent = registry().get("backbone", config.backbone).spec.recurrent
    if rolls == "always" or (rolls == "auto" and not recurrent):
        return Limits(most, context if most > context else None), min(most, context)
    if not recurrent:
        most = min(most, context)
    return Limits(most), most


class Lines:
    """Joins the patches of a piece into whole lines without counters, from the prompt on."""

    def __init__(self, job: Job) -> None:
        self._open = decode(encode_prompt(job.prompt.text).patches)

    def push(self, text: str) -> str:
        """Return the lines that this text completes; "" if there is none."""
        lines, newline, self._open = (self._open + text).rpartition("\n")
        return strip_counters(lines + newline)

    def rest(self) -> str:
        """Return the text of the unfinished line."""
        return strip_counters(self._open)


def _groups(jobs: Sequence[Job]) -> list[list[int]]:
    """Return the places of jobs that share their sampling, with candidates and without."""
    groups: dict[tuple[SamplingOptions, bool], list[int]] = {}
    for place, job in enumerate(jobs):
        key = job.request.sampling, job.request.candidates > 1
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def _write_group(
    engine: Engine, jobs: Sequence[Job], places: Sequence[int], stop: Callable[[], bool]
) -> Iterator[Written]:
    request = jobs[places[0]].request
    drafts = [(place, c) for place in places for c in range(jobs[place].request.candidates)]
    pieces = (_piece(number, jobs[place], c) for number, (place, c) in enumerate(drafts))
    contexts = [context for place in places if (context := jobs[place].limits.context)]
    limits = Limits(
        max(jobs[place].limits.max_patches for place in places), max(contexts, default=None)
    )
    finished: dict[int, dict[int, Draft]] = {}
    several = request.candidates > 1
    for one in write(engine, pieces, request.sampling, limits, likelihood=several, stop=stop):
        place, c = drafts[one.number]
        score = None
        if one.draft:
            found = finished.setdefault(place, {})
            found[c] = one.draft
            if len(found) == jobs[place].request.candidates:
                score = _score(jobs[place], finished.pop(place))
        yield one._replace(number=place, candidate=c, score=score)
    for place, found in finished.items():
        yield Written(place, "", score=_score(jobs[place], found))


def _piece(number: int, job: Job, candidate: int) -> PieceWriter:
    stream = (job.number, candidate) if candidate else (job.number,)
    request, limits = job.request, job.limits
    return PieceWriter(
        number, job.prompt.text, request.seed, job.guides, stream, limits.max_patches
    )


def _score(job: Job, drafts: dict[int, Draft]) -> Score:
    """Return the piece, or the best of its candidates, with the request in its record."""
    request, settings = job.request, job.settings
    settings["bars_asked"] = settings.pop("bars")
    settings |= request.model_dump(mode="json", include={*BEGINNING}, by_alias=True)
    settings["settings_sha256"] = job.digest
    interrupted = any(draft.stopped == INTERRUPTED for draft in drafts.values())
    settings["interrupted"] = interrupted or len(drafts) < request.candidates
    scores = []
    for _, draft in sorted(drafts.items()):
        own = {"seconds_of_piece": round(draft.seconds, 3)}
        numbered = replace(draft, number=job.number)
        title = None if job.name == f"{job.number:04d}" else job.name
        scores.append(finish(numbered, job.prompt.titles, settings | own, title))
    if request.candidates == 1:
        return scores[0]
    # After an interruption nobody waits for candidates to be measured.
    rank = "nll" if settings["interrupted"] else request.rank
    return best(Ranking(rank, request.reference), scores)
