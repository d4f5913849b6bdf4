"""Metrics over folders: measure each piece, summarise, compare with a reference if given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from picogen_core.errors import BadInput, ConfigError, PluginError, reason
from picogen_core.evaluation.kept import NamedRows
from picogen_core.evaluation.measuring import (
    Measured,
    MetricPlan,
    blaming,
    build_metric,
    make_plan,
    measure_all,
)
from picogen_core.evaluation.references import Reference, open_reference, read_reference
from picogen_core.evaluation.row_cache import RowCache
from picogen_core.evaluation.significance import difference_p
from picogen_core.evaluation.summaries import HeatMap, PieceFacts, Plot, Summary, Value
from picogen_core.plugins.protocols import Condensed, Row
from picogen_core.plugins.registry import Entry, registry
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.runtime.shards import Shard
from picogen_core.score.reading import ScoreText, Unreadable, open_scores, read_score


@dataclass(frozen=True)
class ScoreRequest:
    """Request of a measurement.

    metrics:    names.
    options:    options by metric.
    checkpoint: the model for metrics of likelihood.
    jobs:       number of processes.
    cache:      file of rows kept between runs; None disables it.
    shards:     files of rows that `measure_shard` wrote.
    """

    metrics: Sequence[str]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0
    checkpoint: Path | None = None
    jobs: int = 1
    cache: Path | None = None
    shards: Sequence[Path] = ()


@dataclass(frozen=True)
class ScoredPiece:
    """One piece: its facts by metric; `undefined` has the reasons of missing rows."""

    name: str
    path: Path | None
    facts: dict[str, PieceFacts]
    undefined: dict[str, str]
    place: int
    found: Measured = field(repr=False)

    @property
    def score(self) -> ScoreText:
        """The piece's text, and what was recorded of it."""
        return self.found.scores[self.place]

    @property
    def rows(self) -> dict[str, Row]:
        """Rows by metric."""
        return {name: rows[self.place] for name, rows in self.found.rows.items()
                if self.place in rows}  # fmt: skip


@dataclass(frozen=True)
class ScoreReport:
    """Metrics by name, the number of pieces read, and the files that were not, with reasons.

    `scores` holds every piece that was read, in the order of names. `broken` has the exception of
    each metric that could not be used.
    """

    metrics: dict[str, Summary]
    pieces: int
    unreadable: dict[str, str]
    seed: int
    reference: str | None = None
    reference_pieces: int = 0
    reference_unreadable: dict[str, str] = field(default_factory=dict)
    scores: tuple[ScoredPiece, ...] = ()
    request: ScoreRequest | None = None
    broken: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain data: everything but the texts and rows in `scores`.

        {"metrics": {name: {"values": {name: Value}, "unused": {reason: count}, "notes": [...],
        "headline": name}}, "pieces", "unreadable": {name: reason}, "seed", "reference",
        "reference_pieces", "reference_unreadable", "scores": [{"name", "path", "facts": {metric:
        {...}}, "undefined": {metric: reason}}]}.
        """
        metrics = {}
        for name, summary in self.metrics.items():
            metrics[name] = asdict(replace(summary, pieces=()))
            del metrics[name]["pieces"]
        scores = [
            {
                "name": piece.name,
                "path": None if piece.path is None else str(piece.path),
                "facts": {name: facts.as_json() for name, facts in piece.facts.items()},
                "undefined": piece.undefined,
            }
            for piece in self.scores
        ]
        left_out = ("metrics", "scores", "request")
        rest = {name: part for name, part in vars(self).items() if name not in left_out}
        return {"metrics": metrics, **rest, "scores": scores}


def score_folder(
    folder: Path,
    request: ScoreRequest,
    reference: str | Path | Reference | None = None,
    reporter: Reporter | None = None,
) -> ScoreReport:
    """Measure a folder or file of scores; unreadable files are named and the rest is measured.

    Raises:
        BadInput: no piece could be read, there or in the reference.
        ConfigError: a metric needs a reference or a checkpoint and there is none.
    """
    for name in request.metrics:
        registry().get("metric", name)
    known = reference
    if known is not None and not isinstance(known, Reference):
        known = open_reference(known)
    return score_pieces(open_scores(folder), request, known, reporter, where=str(folder))


def measure_shard(
    folder: Path, request: ScoreRequest, shard: Shard, reporter: Reporter | None = None
) -> int:
    """Measure the scores of a shard into `request.cache`; return how many were read.

    `score_folder` with these files as `shards` then has nothing left to measure in the folder.

    Raises:
        BadInput: there is no such folder, or no score in it.
        ConfigError: a metric needs a checkpoint and there is none.
    """
    entries = [registry().get("metric", name) for name in dict.fromkeys(request.metrics)]
    for entry in entries:
        if "checkpoint" in entry.spec.needs and request.checkpoint is None:
            raise ConfigError(f"metric {entry.name!r} needs a model. Add --weights-path RUN.")
    plans = [_plan(entry, request) for entry in entries]
    assert request.cache is not None
    with RowCache(request.cache) as cache:
        found = measure_all(
            open_scores(folder, shard),
            plans,
            cache,
            request.jobs,
            reporter or Quiet(),
            f"Measuring, shard {shard}",
        )
    return len(found.readable)


def score_pieces(
    pieces: Iterable[ScoreText | Unreadable],
    request: ScoreRequest,
    reference: Reference | None = None,
    reporter: Reporter | None = None,
    where: str = "the scores",
) -> ScoreReport:
    """Measure pieces from any source, as `score_folder`."""
    reporter = reporter or Quiet()
    entries = [registry().get("metric", name) for name in dict.fromkeys(request.metrics)]
    _check_needs(entries, request, reference)
    broken: dict[str, str] = {}
    plans = []
    for entry in entries:
        try:
            plans.append(_plan(entry, request))
        except PluginError as error:
            broken[registry().label(entry)] = reason(error)
    known = Measured()
    with (
        nullcontext() if request.cache is None else RowCache(request.cache, request.shards) as cache
    ):
        found = measure_all(pieces, plans, cache, request.jobs, reporter, "Measuring")
        if not found.readable:
            raise BadInput(f"{where}: no piece could be read ({_why(found.unreadable)}).")
        if reference is not None and not reference.shipped:
            title = "Measuring the reference"
            samples = {e.name: e.spec.reference_sample for e in entries if e.spec.reference_sample}
            known = measure_all(
                reference.scores, plans, cache, request.jobs, reporter, title, samples
            )
            if not known.readable:
                raise BadInput(
                    f"the reference has no piece that can be read ({_why(known.unreadable)})."
                )
    reporter.start("Comparing", len(plans), "metrics")
    summaries = {}
    for number, plan in enumerate(plans, 1):
        try:
            summaries[plan.name] = _summarise(plan, found, known, reference, request.seed)
        except PluginError as error:
            broken[plan.name] = reason(error)
        reporter.advance(number)
    reporter.finish()
    if not summaries:
        raise PluginError("; ".join(broken.values()))
    return ScoreReport(
        metrics=summaries,
        pieces=len(found.readable),
        unreadable=found.unreadable,
        seed=request.seed,
        reference=None if reference is None else reference.name,
        reference_pieces=0 if reference is None else reference.pieces or len(known.readable),
        reference_unreadable=known.unreadable,
        scores=_scored(found, summaries),
        request=request,
        broken=broken,
    )


def figures(piece: ScoredPiece, metric: str, request: ScoreRequest) -> Mapping[str, Plot | HeatMap]:
    """Return the metric's plots of one piece, for a report; {} if it has none."""
    plan = _plan(registry().get("metric", metric), request)
    read = read_score(piece.score)
    if isinstance(read, Unreadable):
        return {}
    with blaming(plan.address):
        return dict(build_metric(plan).figures(read))


def _check_needs(
    entries: Sequence[Entry[Any]], request: ScoreRequest, reference: Reference | None
) -> None:
    for entry in entries:
        if "reference" in entry.spec.needs and reference is None:
            raise ConfigError(
                f"metric {entry.name!r} needs real music to compare with. Add --reference DIR."
            )
        if "checkpoint" in entry.spec.needs and request.checkpoint is None:
            raise ConfigError(f"metric {entry.name!r} needs a model. Add --weights-path RUN.")


def _plan(entry: Entry[Any], request: ScoreRequest) -> MetricPlan:
    options = dict(request.options.get(registry().label(entry), {}))
    dependency = ""
    if "checkpoint" in entry.spec.needs and request.checkpoint is not None:
        from picogen_core.model.locate import locate

        dependency = locate(request.checkpoint).digest()
        options["checkpoint"] = str(request.checkpoint)
    return make_plan(entry, options, dependency)


def _summarise(
    plan: MetricPlan, found: Measured, known: Measured, reference: Reference | None, seed: int
) -> Summary:
    """Return the summary, with the reference's values and the unused pieces."""
    metric = build_metric(plan)
    rows = NamedRows(found.rows[plan.name], found.scores.names, found.faults[plan.name])
    against: Sequence[Row] | Condensed | None = None
    beside: Mapping[str, Value] = {}
    lacks = ""
    with blaming(plan.address):
        if reference is not None and reference.shipped:
            beside = _shipped_values(reference, plan.name)
            condensed = reference.shipped.get(plan.name, {}).get("condensed")
            if condensed is not None:
                against = Condensed(condensed)
            elif not beside:
                lacks = f"{reference.name} has no statistics of this metric; give a folder or data"
        elif reference is not None:
            against = real = NamedRows(known.rows[plan.name], known.scores.names)
            if "reference" not in registry().get("metric", plan.address).spec.needs:
                beside = metric.summarise(real, None, np.random.default_rng(seed)).values
        summary = metric.summarise(rows, against, np.random.default_rng(seed))
        if not isinstance(summary, Summary):
            raise TypeError(f"summarise() returned a {type(summary).__name__}, not a Summary")
        if lacks:
            summary = replace(summary, notes=[*summary.notes, lacks])
        if reference is None and summary.usual is not None:
            usual = read_reference(
                registry().get("metric", plan.address).spec.references[summary.usual]
            )
            beside = _shipped_values(usual, plan.name)
            note = f"reference: {summary.usual} (shipped), since no --reference is given"
            summary = replace(summary, notes=[*summary.notes, note])
    unused = Counter(found.undefined[plan.name].values())
    for why, times in Counter(known.undefined.get(plan.name, {}).values()).items():
        unused[f"of the reference: {why}"] += times
    unused.update(summary.unused)
    unused.update(found.unjudged[plan.name])
    values = {
        name: value if value.detail else _beside(value, beside.get(name))
        for name, value in summary.values.items()
    }
    return replace(summary, values=values, unused=dict(unused))


def _shipped_values(reference: Reference, metric: str) -> dict[str, Value]:
    """Return the values of a shipped reference by name."""
    values = reference.shipped.get(metric, {}).get("values", {})
    return {
        name: Value(value, "", reference.pieces, low, high)
        for name, (value, low, high) in values.items()
    }


def _beside(value: Value, known: Value | None) -> Value:
    if known is None:
        return value
    p = value.p if value.p is not None else difference_p(value, known)
    return replace(
        value, reference=known.value, reference_low=known.low, reference_high=known.high, p=p
    )


def _scored(found: Measured, summaries: Mapping[str, Summary]) -> tuple[ScoredPiece, ...]:
    facts: dict[int, dict[str, PieceFacts]] = {}
    for name, summary in summaries.items():
        numbers = sorted(found.rows[name])
        for i, fact in zip(numbers, summary.pieces[: len(numbers)], strict=False):
            facts.setdefault(i, {})[name] = fact
    return tuple(
        ScoredPiece(
            found.scores.names[i],
            found.scores.path(i),
            facts.get(i, {}),
            {name: why[i] for name, why in found.undefined.items() if i in why},
            i,
            found,
        )
        for i in found.readable
    )


def _why(unreadable: Mapping[str, str]) -> str:
    return (
        "; ".join(f"{name}: {reason}" for name, reason in list(unreadable.items())[:3]) or "empty"
    )
