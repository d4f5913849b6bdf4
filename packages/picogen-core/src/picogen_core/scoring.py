"""Metrics over folders: measure each piece, summarise, against a reference if there is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from picogen_core.abc.patches import decode, strip_marks
from picogen_core.data.index import open_data
from picogen_core.data.store import Dataset
from picogen_core.errors import BadInput, ConfigError, PicogenError, PluginError, Undefined
from picogen_core.pieces import Piece, Unreadable, piece_from_abc, read_pieces
from picogen_core.progress import Quiet, Reporter
from picogen_core.protocols import Metric, Row, Summary
from picogen_core.registry import registry


@dataclass(frozen=True)
class ScoreReport:
    """Metrics by name, the number of pieces read, and the files that were not, with reasons."""

    metrics: dict[str, Summary]
    pieces: int
    unreadable: dict[str, str]
    seed: int
    reference_pieces: int = 0
    reference_unreadable: dict[str, str] = field(default_factory=dict)


def score_folder(
    folder: Path,
    metrics: Sequence[str],
    reference: Path | None = None,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> ScoreReport:
    """Measure a folder or file of scores; unreadable files are named and the rest is measured.

    Raises:
        BadInput: no piece could be read, there or in the reference.
        ConfigError: a metric that needs a reference, without one.
    """
    for name in metrics:
        registry().get("metric", name)
    known = None if reference is None else open_reference(reference)
    return score_pieces(read_pieces(folder), metrics, known, seed, reporter, where=str(folder))


def score_pieces(
    pieces: Iterable[Piece | Unreadable],
    metrics: Sequence[str],
    reference: Iterable[Piece | Unreadable] | None = None,
    seed: int = 0,
    reporter: Reporter | None = None,
    where: str = "the scores",
) -> ScoreReport:
    """The same for pieces from anywhere."""
    reporter = reporter or Quiet()
    entries = [registry().get("metric", name) for name in metrics]
    for entry in entries:
        if "reference" in entry.spec.needs and reference is None:
            raise ConfigError(
                f"metric {entry.name!r} compares with real music. Add --reference DIR."
            )
    built: dict[str, Metric] = {entry.name: entry.build({}) for entry in entries}
    rows, unused, count, unreadable = _measure(pieces, built, reporter, "Measuring")
    if not count:
        raise BadInput(f"{where}: no piece could be read ({_why(unreadable)}).")
    reference_rows: dict[str, list[Row]] = {}
    number, bad = 0, dict[str, str]()
    if reference is not None:
        title = "Measuring the reference"
        reference_rows, left_out, number, bad = _measure(reference, built, reporter, title)
        for name, reasons in left_out.items():
            for reason, times in reasons.items():
                unused[name][f"of the reference: {reason}"] += times
        if not number:
            raise BadInput(f"the reference has no piece that can be read ({_why(bad)}).")
    summaries = {}
    for name, metric in built.items():
        rng = np.random.default_rng(seed)
        with _blaming(name):
            summary = metric.summarise(rows[name], reference_rows.get(name), rng)
        unused[name].update(summary.unused)
        summaries[name] = replace(summary, unused=dict(unused[name]))
    return ScoreReport(summaries, count, unreadable, seed, number, bad)


def open_reference(path: Path) -> Iterator[Piece | Unreadable]:
    """Pieces of a folder of scores, or of prepared data: its split `train`, else all of it."""
    if path.suffix == ".jsonl" or (path / "index.jsonl").is_file():
        data = open_data(path)
        train = data.split("train")
        return dataset_pieces(train if len(train) else data)
    return read_pieces(path)


def dataset_pieces(data: Dataset) -> Iterator[Piece]:
    """Prepared pieces as metrics see them."""
    for i, row in enumerate(data.rows):
        yield piece_from_abc(str(row["path"]), strip_marks(decode(data[i].patches)))


def _measure(
    pieces: Iterable[Piece | Unreadable],
    metrics: dict[str, Metric],
    reporter: Reporter,
    title: str,
) -> tuple[dict[str, list[Row]], dict[str, Counter[str]], int, dict[str, str]]:
    rows: dict[str, list[Row]] = {name: [] for name in metrics}
    unused: dict[str, Counter[str]] = {name: Counter() for name in metrics}
    unreadable: dict[str, str] = {}
    count = 0
    reporter.start(title, None, "pieces")
    for piece in pieces:
        if isinstance(piece, Unreadable):
            unreadable[piece.name] = piece.reason
            continue
        count += 1
        for name, metric in metrics.items():
            try:
                with _blaming(name):
                    rows[name].append(metric.measure(piece))
            except Undefined as reason:
                unused[name][str(reason)] += 1
        reporter.advance(count)
    reporter.finish()
    return rows, unused, count, unreadable


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """A fault of a metric's own is told as that metric's."""
    try:
        yield
    except (Undefined, PicogenError):
        raise
    except Exception as error:
        where = registry().get("metric", name).where
        raise PluginError(f"{where} raised {error!r}. Leave it out with --metric.") from error


def _why(unreadable: dict[str, Any]) -> str:
    return (
        "; ".join(f"{name}: {reason}" for name, reason in list(unreadable.items())[:3]) or "empty"
    )
