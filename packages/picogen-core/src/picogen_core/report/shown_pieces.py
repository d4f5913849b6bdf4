"""The pieces that a report shows: best, median and worst ones, and all that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picogen_core.evaluation.scoring import ScoredPiece, ScoreReport


@dataclass(frozen=True)
class ShownPiece:
    """A piece to show: its `group`, and its `place` among `of` pieces in that order.

    reasons: of its failure, if it failed.
    """

    group: str
    piece: ScoredPiece
    place: int | None = None
    of: int = 0
    reasons: tuple[str, ...] = ()


def ordering(report: ScoreReport) -> tuple[str, str] | None:
    """Return the metric and its number that order the pieces; None if no metric does."""
    for metric, summary in report.metrics.items():
        if summary.order is not None:
            return metric, summary.order
    return None


def in_order(report: ScoreReport) -> list[ScoredPiece]:
    """Return the pieces that have a place in the order, best first."""
    by = ordering(report)
    if by is None:
        return []
    placed = []
    for piece in report.scores:
        facts = piece.facts.get(by[0])
        if facts is not None and facts.rank is not None:
            placed.append((facts.rank, piece.name, piece))
    return [piece for *_, piece in sorted(placed, key=lambda row: row[:2])]


def reasons(piece: ScoredPiece) -> tuple[str, ...]:
    """Return the reasons of a piece's failure, by metric."""
    return tuple(
        f"{metric}: {why}" for metric, facts in piece.facts.items() for why in facts.why or ()
    )


def choose(report: ScoreReport, count: int) -> list[ShownPiece]:
    """Return `count` pieces of each group, each piece once, then the failed ones.

    Without an order there is one group, the first pieces by name.
    """
    ordered = in_order(report)
    size = len(ordered)
    if not ordered:
        shown = [ShownPiece("first", piece) for piece in report.scores[: 3 * count]]
    else:
        middle = max(0, (size - count) // 2)
        groups: Sequence[tuple[str, range]] = (
            ("best", range(min(count, size))),
            ("median", range(middle, min(middle + count, size))),
            ("worst", range(max(0, size - count), size)),
        )
        taken: dict[int, str] = {}
        for group, places in groups:
            for place in places:
                taken.setdefault(place, group)
        shown = [ShownPiece(group, ordered[i], i + 1, size) for i, group in taken.items()]
    shown = [
        ShownPiece(one.group, one.piece, one.place, one.of, reasons(one.piece)) for one in shown
    ]
    names = {one.piece.name for one in shown}
    failed = [
        ShownPiece("failed", piece, reasons=why)
        for piece in report.scores
        if piece.name not in names and (why := reasons(piece))
    ]
    return shown + failed


def partner(one: ShownPiece, baseline: ScoreReport) -> ScoredPiece | None:
    """Return the baseline's piece to compare with: of the same name, else at the same place."""
    for piece in baseline.scores:
        if piece.name == one.piece.name:
            return piece
    ordered = in_order(baseline)
    if one.place is None or not ordered:
        return None
    share = (one.place - 1) / max(1, one.of - 1)
    return ordered[round(share * (len(ordered) - 1))]
