"""Metric rows of many scores: from the cache if unchanged, else measured in processes."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import re
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from picogen_core.errors import (
    BadCheckpoint,
    ConfigError,
    PicogenError,
    PluginError,
    Undefined,
    UnknownName,
    reason,
)
from picogen_core.evaluation.kept import KeptRows, KeptScores
from picogen_core.evaluation.row_cache import RowCache
from picogen_core.evaluation.summaries import HeatMap, Plot, Summary
from picogen_core.evaluation.workers import measured
from picogen_core.plugins.protocols import CONDENSED, NAME, Condensed, Metric, ReferenceRows, Row
from picogen_core.plugins.registry import Entry, registry
from picogen_core.runtime.cpu_limit import cpu_limit
from picogen_core.runtime.progress import Reporter
from picogen_core.score.reading import Piece, ScoreText, Unreadable, read_score

_AT_ONCE = 64  # rows that the cache takes in one transaction
SECONDS = 300.0
"""Limit of CPU time to read one score, and for each of its metrics."""
_NAME = re.compile(r"[A-Za-z0-9._-]+")

Outcome = Mapping[str, Any]
"""Outcome of one metric on one score: {"row": …}, {"undefined": why}, {"unreadable": why}, or
{"failed": why}, which is not cached since the score may not be the cause."""

_OF_THE_USER = (ConfigError, BadCheckpoint, UnknownName)
"""Faults that occur on every score."""


@dataclass(frozen=True)
class MetricPlan:
    """A metric to measure: its address in the registry, its options, the cache key of its rows."""

    name: str
    address: str
    options: Mapping[str, Any]
    key: str


Task = tuple[ScoreText, list[MetricPlan]]


@dataclass
class Measured:
    """Rows by metric, each with the number of its score.

    unreadable: reason by name, of scores without readable notes.
    undefined:  by metric, reason by number of the score.
    unjudged:   by metric, why it could not count an unreadable score.
    """

    scores: KeptScores = field(default_factory=KeptScores)
    rows: dict[str, KeptRows] = field(default_factory=dict)
    undefined: dict[str, dict[int, str]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Row]] = field(default_factory=dict)
    unjudged: dict[str, list[str]] = field(default_factory=dict)

    @property
    def readable(self) -> list[int]:
        """Return the numbers of the scores with notes."""
        return [i for i, name in enumerate(self.scores.names) if name not in self.unreadable]


def make_plan(entry: Entry[Any], options: Mapping[str, Any], dependency: str = "") -> MetricPlan:
    """Return the plan of a metric.

    `dependency` is what else its rows depend on, such as a checkpoint's digest.

    Raises:
        ConfigError: unknown options.
    """
    resolved = entry.options(options).model_dump(mode="json")
    seen = [entry.address, entry.version, _code(entry), resolved, dependency]
    key = hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()
    return MetricPlan(registry().label(entry), entry.address, options, key)


def measure_all(
    scores: Iterable[ScoreText | Unreadable],
    plans: Sequence[MetricPlan],
    cache: RowCache | None,
    jobs: int,
    reporter: Reporter,
    title: str,
    samples: Mapping[str, int] | None = None,
) -> Measured:
    """Measure every metric on every score; an exception costs only that metric on that score.

    A metric named in `samples` measures only that many scores, chosen by their texts.
    """
    found = Measured(
        rows={plan.name: KeptRows() for plan in plans},
        undefined={plan.name: {} for plan in plans},
        faults={plan.name: [] for plan in plans},
        unjudged={plan.name: [] for plan in plans},
    )
    kept = found.scores
    for score in scores:
        if isinstance(score, Unreadable):
            found.unreadable[score.name] = score.reason
        else:
            kept.append(score)
    order = sorted(range(len(kept)), key=kept.digests.__getitem__)
    chosen = {name: set(order[:count]) for name, count in (samples or {}).items()}
    reporter.start(title, len(kept), "pieces")
    done = 0
    began: deque[tuple[int, list[MetricPlan]]] = deque()  # what is measured, in order

    def tasks() -> Iterator[Task]:
        nonlocal done
        for i in range(len(kept)):
            missing = []
            for plan in plans:
                if i not in chosen.get(plan.name, {i}):
                    continue
                outcome = cache.get(kept.digests[i] + plan.key) if cache else None
                if not _take(found, plan.name, i, outcome):
                    missing.append(plan)
            if missing:
                began.append((i, missing))
                yield kept[i], missing
            else:
                done += 1

    fresh: dict[str, Outcome] = {}
    for outcomes in measured(tasks(), _measure_chunk, _died, jobs):
        i, missing = began.popleft()
        for plan in missing:
            _take(found, plan.name, i, outcomes[plan.name])
            if "failed" not in outcomes[plan.name]:
                fresh[kept.digests[i] + plan.key] = outcomes[plan.name]
        if cache and len(fresh) >= _AT_ONCE:
            cache.put(fresh)
            fresh = {}
        done += 1
        reporter.advance(done)
    if cache:
        cache.put(fresh)
    reporter.advance(done)
    reporter.finish()
    _judge_faults(found, plans)
    return found


def _died(plans: list[MetricPlan]) -> dict[str, Outcome]:
    why = {"failed": "the process that measured it died, perhaps for want of memory"}
    return dict.fromkeys((plan.name for plan in plans), why)


def _measure_chunk(tasks: list[Task]) -> list[dict[str, Outcome]]:
    return [_measure_score(score, plans) for score, plans in tasks]


def _measure_score(score: ScoreText, plans: Sequence[MetricPlan]) -> dict[str, Outcome]:
    with cpu_limit(SECONDS):
        piece = read_score(score)
    if isinstance(piece, Unreadable):
        kind = "failed" if piece.passing else "unreadable"
        return {plan.name: {kind: piece.reason} for plan in plans}
    return {plan.name: _measure(plan, piece) for plan in plans}


def _measure(plan: MetricPlan, piece: Piece) -> Outcome:
    """Measure one metric on one piece."""
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


def _limit(plan: MetricPlan) -> AbstractContextManager[None]:
    """Return the limit of a metric's CPU time per piece; a model has none."""
    needs = registry().get("metric", plan.address).spec.needs
    return nullcontext() if "checkpoint" in needs else cpu_limit(SECONDS)


def build_metric(plan: MetricPlan) -> Metric:
    """Return the metric of a plan, built once per process."""
    return _built(plan.address, json.dumps(plan.options, sort_keys=True, default=str))


@functools.cache
def _built(address: str, options: str) -> Metric:
    entry = registry().get("metric", address)
    metric = entry.build(json.loads(options))
    return metric if isinstance(metric, Metric) else OldMetric(metric, entry.where)


class OldMetric(Metric):
    """A metric of 0.1: the methods of `Metric` without that base class."""

    def __init__(self, metric: Any, where: str) -> None:
        self._metric = metric
        warnings.warn(
            f"{where}: write `class {type(metric).__name__}(picogen_core.Metric)`; metrics without "
            "that base class are accepted until 0.3",
            FutureWarning,
            stacklevel=2,
        )

    def measure(self, piece: Piece) -> Row:
        found: Row = self._metric.measure(piece)
        return found

    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        if isinstance(reference, Condensed):
            reference = [{CONDENSED: reference.numbers}]
        found: Summary = self._metric.summarise(rows, reference, rng)
        return found

    def condense(self, rows: Sequence[Row], rng: np.random.Generator) -> Mapping[str, Any] | None:
        condense = getattr(self._metric, "condense", None)
        return None if condense is None else dict(condense(rows, rng))

    def figures(self, piece: Piece) -> Mapping[str, Plot | HeatMap]:
        figures = getattr(self._metric, "figures", None)
        return {} if figures is None else dict(figures(piece))


def _take(found: Measured, name: str, i: int, outcome: Any) -> bool:
    """Enter an outcome; return False if it is none (a damaged cache)."""
    if not isinstance(outcome, dict):
        return False
    if isinstance(outcome.get("row"), dict):
        found.rows[name][i] = outcome["row"]
    elif isinstance(why := outcome.get("undefined", outcome.get("failed")), str):
        found.undefined[name][i] = why
    elif isinstance(outcome.get("unreadable"), str):
        found.unreadable[found.scores.names[i]] = outcome["unreadable"]
    else:
        return False
    return True


def _judge_faults(found: Measured, plans: Sequence[MetricPlan]) -> None:
    """Add rows of unreadable scores, from the metrics that count them."""
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
    """Re-raise unexpected exceptions as `PluginError` naming the metric."""
    try:
        yield
    except (Undefined, PicogenError):
        raise
    except Exception as error:
        where = registry().get("metric", address).where
        raise PluginError(f"{where} raised {error!r}. Leave it out with --metric.") from error


def _code(entry: Entry[Any]) -> str:
    """Return a digest of the source that makes the rows, and of the versions it depends on."""
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
    """Return `name version` of all requirements of the distribution and the core."""
    names = set()
    for package in {distribution, "picogen-core"}:
        try:
            needed = metadata.requires(package) or ()
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
