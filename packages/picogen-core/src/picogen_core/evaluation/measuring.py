"""Rows of many scores: from the cache where nothing changed, else measured, in processes."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from picogen_core.errors import (
    BadCheckpoint,
    ConfigError,
    PicogenError,
    PluginError,
    Undefined,
    UnknownName,
    reason,
)
from picogen_core.evaluation.row_cache import RowCache
from picogen_core.plugins.protocols import NAME, Metric, Row
from picogen_core.plugins.registry import Entry, registry
from picogen_core.runtime.cpu_limit import cpu_limit
from picogen_core.runtime.processes import process_pool
from picogen_core.runtime.progress import Reporter
from picogen_core.score.reading import Piece, ScoreText, Unreadable, read_score

MANY = 64
"""So many scores are worth the second that starting processes takes."""
_CHUNK = 16
SECONDS = 300.0
"""CPU time that one score may take to read, and then each metric of it."""
_NAME = re.compile(r"[A-Za-z0-9._-]+")

Outcome = Mapping[str, Any]
"""Of one score and one metric: {"row": …}, {"undefined": why}, {"unreadable": why}, or, of what is
not kept since it may not be the score's fault, {"failed": why}."""

_OF_THE_USER = (ConfigError, BadCheckpoint, UnknownName)
"""Faults that no other score would mend."""


@dataclass(frozen=True)
class Plan:
    """A metric to measure: its address in the registry, its options, what its rows depend on."""

    name: str
    address: str
    options: Mapping[str, Any]
    key: str


@dataclass
class Measured:
    """Rows by metric, with the number of the score each is of.

    unreadable: reason by name of all that gave no notes.
    undefined:  by metric, reason by number of the score.
    unjudged:   by metric, why it could not judge an unreadable score that it should have counted.
    """

    scores: list[ScoreText] = field(default_factory=list)
    rows: dict[str, dict[int, Row]] = field(default_factory=dict)
    undefined: dict[str, dict[int, str]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Row]] = field(default_factory=dict)
    unjudged: dict[str, list[str]] = field(default_factory=dict)

    @property
    def readable(self) -> list[int]:
        """Numbers of the scores that have notes."""
        return [i for i, score in enumerate(self.scores) if score.name not in self.unreadable]


def make_plan(entry: Entry[Any], options: Mapping[str, Any], dependency: str = "") -> Plan:
    """`dependency` names what else its rows depend on, such as a checkpoint's digest.

    Raises:
        ConfigError: options that the metric has not.
    """
    resolved = entry.options(options).model_dump(mode="json")
    seen = [entry.address, entry.version, _code(entry), resolved, dependency]
    key = hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()
    return Plan(registry().label(entry), entry.address, options, key)


def measure_all(
    scores: Iterable[ScoreText | Unreadable],
    plans: Sequence[Plan],
    cache: RowCache | None,
    jobs: int,
    reporter: Reporter,
    title: str,
    samples: Mapping[str, int] | None = None,
) -> Measured:
    """Every metric on every score. What a metric or a reader raises costs it that score alone.

    A metric named in `samples` measures so many alone; which ones, their texts decide.
    """
    found = Measured(
        rows={plan.name: {} for plan in plans},
        undefined={plan.name: {} for plan in plans},
        faults={plan.name: [] for plan in plans},
        unjudged={plan.name: [] for plan in plans},
    )
    for score in scores:
        if isinstance(score, Unreadable):
            found.unreadable[score.name] = score.reason
        else:
            found.scores.append(score)
    digests = [score.digest() for score in found.scores]
    order = sorted(range(len(digests)), key=digests.__getitem__)
    chosen = {name: set(order[:count]) for name, count in (samples or {}).items()}
    todo: list[tuple[int, list[Plan]]] = []
    for i in range(len(found.scores)):
        missing = []
        for plan in plans:
            if i not in chosen.get(plan.name, {i}):
                continue
            outcome = cache.get(digests[i] + plan.key) if cache else None
            if not _take(found, plan.name, i, outcome):
                missing.append(plan)
        if missing:
            todo.append((i, missing))
    reporter.start(title, len(found.scores), "pieces")
    done = len(found.scores) - len(todo)
    for chunk, outcomes in _measure_chunks(found.scores, todo, jobs):
        for (i, missing), by_metric in zip(chunk, outcomes, strict=True):
            for plan in missing:
                _take(found, plan.name, i, by_metric[plan.name])
        if cache:
            cache.put(
                {
                    digests[i] + plan.key: by_metric[plan.name]
                    for (i, missing), by_metric in zip(chunk, outcomes, strict=True)
                    for plan in missing
                    if "failed" not in by_metric[plan.name]
                }
            )
        done += len(chunk)
        reporter.advance(done)
    reporter.advance(done)
    reporter.finish()
    _judge_faults(found, plans)
    return found


Todo = list[tuple[int, list[Plan]]]


def _measure_chunks(
    scores: Sequence[ScoreText], todo: Todo, jobs: int
) -> Iterator[tuple[Todo, list[dict[str, Outcome]]]]:
    chunks = [todo[i : i + _CHUNK] for i in range(0, len(todo), _CHUNK)]
    tasks = [[(scores[i], missing) for i, missing in chunk] for chunk in chunks]
    if jobs < 2 or len(todo) < MANY:
        yield from zip(chunks, map(_measure_chunk, tasks), strict=True)
        return
    yield from zip(chunks, _in_processes(tasks, jobs), strict=True)


Task = Sequence[tuple[ScoreText, list[Plan]]]


def _in_processes(tasks: Sequence[Task], jobs: int) -> Iterator[list[dict[str, Outcome]]]:
    """The tasks in their order. A process that dies costs the score that killed it."""
    done = 0
    while done < len(tasks):
        with process_pool(min(jobs, len(tasks) - done)) as pool:
            try:
                for found in pool.map(_measure_chunk, tasks[done:]):
                    yield found
                    done += 1
            except BrokenProcessPool:
                pass
        if done < len(tasks):
            yield [outcome for one in tasks[done] for outcome in _measure_alone([one])]
            done += 1


def _measure_alone(task: Task) -> list[dict[str, Outcome]]:
    """In a process of its own."""
    with process_pool(1) as pool:
        try:
            return pool.submit(_measure_chunk, task).result()
        except BrokenProcessPool:
            why = {"failed": "the process that measured it died, perhaps for want of memory"}
            return [dict.fromkeys((plan.name for plan in plans), why) for _, plans in task]


def _measure_chunk(task: Task) -> list[dict[str, Outcome]]:
    return [_measure_score(score, plans) for score, plans in task]


def _measure_score(score: ScoreText, plans: Sequence[Plan]) -> dict[str, Outcome]:
    with cpu_limit(SECONDS):
        piece = read_score(score)
    if isinstance(piece, Unreadable):
        kind = "failed" if piece.passing else "unreadable"
        return {plan.name: {kind: piece.reason} for plan in plans}
    return {plan.name: _measure(plan, piece) for plan in plans}


def _measure(plan: Plan, piece: Piece) -> Outcome:
    """The one place where a metric meets a piece."""
    try:
        with blaming(plan.address), _limit(plan):
            row = build_metric(plan).measure(piece)
            json.dumps(row)
        if not isinstance(row, Mapping):
            where = registry().get("metric", plan.address).where
            return {"failed": f"{where} returned a {type(row).__name__}, not a row."}
        return {"row": dict(row)}
    except Undefined as why:
        return {"undefined": reason(why)}
    except _OF_THE_USER:
        raise
    except PicogenError as error:
        return {"failed": reason(error)}


def _limit(plan: Plan) -> AbstractContextManager[None]:
    """Of a metric's time for one piece; a model may take as long as it takes."""
    needs = registry().get("metric", plan.address).spec.needs
    return nullcontext() if "checkpoint" in needs else cpu_limit(SECONDS)


def build_metric(plan: Plan) -> Metric:
    """The metric of a plan, once a process."""
    return _built(plan.address, json.dumps(plan.options, sort_keys=True, default=str))


@functools.cache
def _built(address: str, options: str) -> Metric:
    metric: Metric = registry().get("metric", address).build(json.loads(options))
    return metric


def _take(found: Measured, name: str, i: int, outcome: Any) -> bool:
    """Enter an outcome; False for what is none (a damaged cache)."""
    if not isinstance(outcome, dict):
        return False
    if isinstance(outcome.get("row"), dict):
        found.rows[name][i] = outcome["row"]
    elif isinstance(why := outcome.get("undefined", outcome.get("failed")), str):
        found.undefined[name][i] = why
    elif isinstance(outcome.get("unreadable"), str):
        found.unreadable[found.scores[i].name] = outcome["unreadable"]
    else:
        return False
    return True


def _judge_faults(found: Measured, plans: Sequence[Plan]) -> None:
    """Rows of what could not be read, from the metrics that count it."""
    for plan in plans:
        if not registry().get("metric", plan.address).spec.judges_faults:
            continue
        for name, fault in found.unreadable.items():
            outcome = _measure(plan, Piece(name, "", {}, fault=fault))
            if "row" in outcome:
                found.faults[plan.name].append({**outcome["row"], NAME: name})
            else:
                found.unjudged[plan.name] += outcome.values()


@contextmanager
def blaming(address: str) -> Iterator[None]:
    """A fault of a metric's own is told as that metric's."""
    try:
        yield
    except (Undefined, PicogenError):
        raise
    except Exception as error:
        where = registry().get("metric", address).where
        raise PluginError(f"{where} raised {error!r}. Leave it out with --metric.") from error


def _code(entry: Entry[Any]) -> str:
    """A digest of the source that makes the rows and of the versions of what it is built on."""
    top = getattr(entry.spec.build, "__module__", "").partition(".")[0]
    return _sources("picogen_core") + _sources(top) + _versions(entry.distribution)


@functools.cache
def _sources(package: str) -> str:
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return ""
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    seen = hashlib.sha256()
    for file in files or [Path(spec.origin)]:
        seen.update(file.read_bytes())
    return seen.hexdigest()


@functools.cache
def _versions(distribution: str) -> str:
    """`name version` of all that the distribution and the core ask for."""
    names = set()
    for asking in {distribution, "picogen-core"}:
        try:
            needed = metadata.requires(asking) or ()
            names |= {match.group() for line in needed if (match := _NAME.match(line))}
        except metadata.PackageNotFoundError:
            continue
    found = [sys.version]
    for name in sorted(names):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return "; ".join(found)
