"""A checkpoint that pieces are asked of, one after the other or many at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import decode, encode_prompt
from picogen_core.errors import ConfigError
from picogen_core.generation.decoding.decode import INTERRUPTED, Limits, check_room, write
from picogen_core.generation.decoding.piece import Draft, Start
from picogen_core.generation.engines import Engine, kernels
from picogen_core.generation.engines.choose import (
    FEW,
    Checkpoint,
    Choice,
    Name,
    choose,
    open_engine,
)
from picogen_core.generation.output import Score, finish
from picogen_core.generation.ranking import Ranking, best
from picogen_core.generation.request.headers import (
    field_choices,
    header_doubts,
    requesting,
    trained_headers,
)
from picogen_core.generation.request.job import Job, PieceRequest, wanted_length
from picogen_core.generation.request.options import SamplingOptions
from picogen_core.generation.request.tags import doubts, trained_tags
from picogen_core.model.config import ModelConfig
from picogen_core.model.folder import digest
from picogen_core.plugins.registry import registry
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.score.files.reader import FileReader

Rolls = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class Candidates:
    """So many drafts of each piece, of which the ranking's best is kept."""

    count: int = 1
    ranking: Ranking = field(default_factory=Ranking)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"candidates={self.count}: give 1 or more.")


@dataclass(frozen=True)
class Event:
    """A piece, or one of its candidates, has more text, or is `over`; then there may be a score."""

    job: Job
    text: str
    candidate: int = 0
    over: bool = False
    score: Score | None = None


@dataclass(frozen=True)
class _Opened:
    """An engine, and how many patches a slot of it holds. `stopgap`: until kernels are ready."""

    choice: Choice
    engine: Engine
    places: int
    stopgap: bool = False


class Session:
    """The checkpoint, and the engine, which opens when something is to be written.

    Raises:
        PicogenError: the checkpoint is none, or is damaged.
    """

    def __init__(
        self, path: Path | str, *, engine: Name = "auto", device: str = "auto",
        rollover: Rolls = "auto", reporter: Reporter | None = None,
    ) -> None:  # fmt: skip
        self.path, self.reporter = path, reporter or Quiet()
        self.checkpoint = Checkpoint(path, self.reporter)
        self.config = self.checkpoint.config
        self.sha256 = digest(path)
        self._ask = engine, device
        self._rollover: Rolls = rollover
        self._tags = trained_tags(self.checkpoint.folder)
        self._headers = trained_headers(self.checkpoint.folder)
        self._choices = field_choices(self._headers)
        self._told: set[str] = set()
        self._idle: list[_Opened] = []

    def prepare(
        self, request: PieceRequest, number: int = 1, name: str = "",
        candidates: Candidates | None = None, reader: FileReader | None = None,
    ) -> Job:  # fmt: skip
        """A piece made ready. Doubts about its tags and header, and remarks on its score, are
        told, each once.

        Raises:
            PicogenError: the prompt cannot be read, or does not fit what is asked for.
        """
        prompt = request.placed(reader)
        fields = request.fields()
        for doubt in (
            *prompt.remarks,
            *doubts(prompt.text, self._tags),
            *header_doubts(prompt.text, fields, self._headers),
        ):
            if doubt not in self._told:
                self._told.add(doubt)
                self.reporter.message(doubt)
        length = wanted_length(request, prompt, self.config.max_patches)
        limits, _ = lengths(self.config, length, self._rollover)
        check_room([row.tobytes() for row in encode_prompt(prompt.text).patches], limits)
        settings: dict[str, Any] = {
            "seed": request.seed,
            "sampling": request.sampling.model_dump(),
            "bars": request.bars,
            "grammar": bool(request.grammar or request.bars is not None),
            "max_length": limits.max_patches,
            "rollover": limits.context,
            "begins": prompt.text,
            "model": self.sha256,
        }
        if fields:
            settings["fields"] = fields
        if candidates and candidates.count > 1:
            ranking = candidates.ranking
            settings["best_of"] = [candidates.count, ranking.rank, ranking.reference]
        choices = requesting(self._choices, tuple(fields.items()))
        return Job(name or f"{number:04d}", number, request, prompt, limits, settings, choices)

    def write(
        self, jobs: Sequence[Job], batch_size: int = 32, candidates: Candidates | None = None,
        stop: Callable[[], bool] = bool,
    ) -> Iterator[Event]:  # fmt: skip
        """Every piece, many at once. When `stop` says so between two patches, the pieces that
        were begun come as they stand, told to be interrupted, and no more.

        Raises:
            ConfigError: a prompt leaves no room for a patch.
        """
        candidates = candidates or Candidates()
        if not jobs:
            return
        slots = min(batch_size, len(jobs) * candidates.count)
        opened = self._engine(jobs, slots, len(jobs) * candidates.count)
        facts = {
            "engine": opened.choice.engine,
            "batch": slots,
            "checkpoint": {"path": str(self.path), "sha256": self.sha256},
        }
        begun = time.monotonic()
        try:
            for sampling, group in _by_sampling(jobs):
                for event in _write_group(opened.engine, sampling, group, candidates, stop):
                    if event.score:
                        passed = {"seconds": round(time.monotonic() - begun, 3)}
                        event.score.record.update(facts | passed)
                    yield event
                if stop():
                    return
        finally:
            self._idle.append(opened)

    def _engine(self, jobs: Sequence[Job], slots: int, pieces: int) -> _Opened:
        """An engine that nobody writes with: another thread may, or a stream not yet at its end."""
        places = max(
            lengths(self.config, job.limits.max_patches, self._rollover)[1] for job in jobs
        )
        while self._idle:
            opened = self._idle.pop()
            fits = opened.engine.slots >= slots and opened.places >= places
            if fits and not (opened.stopgap and kernels.ready(self.config)):
                return opened
        choice = choose(self.config, *self._ask, pieces, self.reporter)
        stopgap = self._ask[0] == "auto" and choice.engine == "numba" and pieces <= FEW
        if stopgap := stopgap and not kernels.ready(self.config):
            self.reporter.message(
                "The decoder is compiled for this machine in the background; torch writes until "
                "then, more slowly. Only the first time."
            )
            kernels.compile_behind(self.checkpoint.path, self.config)
            choice = Choice("torch", "cpu")
        engine = open_engine(self.checkpoint, choice, slots, places, self.reporter)
        return _Opened(choice, engine, places, stopgap)


def lengths(config: ModelConfig, max_length: int | None, rolls: Rolls) -> tuple[Limits, int]:
    """How far a piece may go, and how many patches a slot has to hold for that."""
    context = config.max_patches
    most = max_length or context
    recurrent = registry().get("backbone", config.backbone).spec.recurrent
    if rolls == "always" or (rolls == "auto" and not recurrent):
        return Limits(most, context if most > context else None), min(most, context)
    if not recurrent:
        most = min(most, context)
    return Limits(most), most


class Lines:
    """Whole lines, without counters, of text that comes in pieces, from the prompt on."""

    def __init__(self, job: Job) -> None:
        self._open = decode(encode_prompt(job.prompt.text).patches)

    def push(self, text: str) -> str:
        """The lines that are whole with this text; "" if none is."""
        lines, newline, self._open = (self._open + text).rpartition("\n")
        return strip_counters(lines + newline)

    def rest(self) -> str:
        """What stands in a line that is not whole."""
        return strip_counters(self._open)


def _by_sampling(jobs: Sequence[Job]) -> list[tuple[SamplingOptions, list[Job]]]:
    groups: dict[str, tuple[SamplingOptions, list[Job]]] = {}
    for job in jobs:
        sampling = job.request.sampling
        groups.setdefault(sampling.model_dump_json(), (sampling, []))[1].append(job)
    return list(groups.values())


def _write_group(
    engine: Engine, sampling: SamplingOptions, jobs: Sequence[Job], candidates: Candidates,
    stop: Callable[[], bool],
) -> Iterator[Event]:  # fmt: skip
    count = candidates.count
    starts = (
        Start(i * count + c, job.prompt.text, job.request.seed, job.guides,
              (job.number, c) if c else (job.number,), job.limits.max_patches)
        for i, job in enumerate(jobs) for c in range(count)
    )  # fmt: skip
    contexts = [job.limits.context for job in jobs if job.limits.context]
    limits = Limits(max(job.limits.max_patches for job in jobs), max(contexts, default=None))
    drafts: dict[int, dict[int, Draft]] = {}
    written = write(engine, starts, sampling, limits, likelihood=count > 1, stop=stop)
    for one in written:
        i, c = divmod(one.number, count)
        score = None
        if one.draft:
            found = drafts.setdefault(i, {})
            found[c] = one.draft
            if len(found) == count:
                score = _score(jobs[i], drafts.pop(i), candidates)
        yield Event(jobs[i], one.text, c, one.draft is not None, score)
    for i, found in drafts.items():
        yield Event(jobs[i], "", score=_score(jobs[i], found, candidates))


def _score(job: Job, drafts: dict[int, Draft], candidates: Candidates) -> Score:
    """The piece, or the best of its candidates, with all that its JSON tells of the request."""
    request, settings = job.request, dict(job.settings)
    settings["bars_asked"] = settings.pop("bars")
    settings.pop("model")
    settings.pop("best_of", None)
    told = {
        "prompt": request.prompt,
        "prompt_file": request.prompt_file and str(request.prompt_file),
        "continue": request.continued and str(request.continued),
        "keep_bars": request.keep_bars,
        "settings_sha256": job.digest,
        "interrupted": any(draft.stopped == INTERRUPTED for draft in drafts.values())
        or len(drafts) < candidates.count,
    }
    scores = []
    for _, draft in sorted(drafts.items()):
        own = {"seconds_of_piece": round(draft.seconds, 3)}
        numbered = replace(draft, number=job.number)
        title = None if job.name == f"{job.number:04d}" else job.name
        scores.append(finish(numbered, job.prompt.titles, settings | told | own, title))
    if candidates.count == 1:
        return scores[0]
    # Whoever interrupts does not wait for the candidates to be measured.
    ranking = Ranking("nll") if told["interrupted"] else candidates.ranking
    return best(ranking, scores)
