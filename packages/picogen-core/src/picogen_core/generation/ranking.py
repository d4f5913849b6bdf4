"""Rankings: which of several candidates is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from picogen_core.errors import BadInput, ConfigError
from picogen_core.evaluation.references import Reference, open_reference
from picogen_core.evaluation.scoring import ScoredPiece, ScoreReport, ScoreRequest, score_pieces
from picogen_core.evaluation.summaries import PieceFacts
from picogen_core.generation.output import Score
from picogen_core.generation.request.options import REFERENCE, Rank
from picogen_core.score.reading import ScoreText

RANKS: tuple[Rank, ...] = get_args(Rank)
_METRICS = {"powerlaw": "powerlaw", "repetition": "powerlaw", "valid": "validity"}


@dataclass(frozen=True)
class Ranking:
    """How candidates are ordered.

    nll:        nats per character of the model itself, at temperature 1 and without restrictions.
    powerlaw:   root mean square z-score of spectrum, repetition and leaps against the reference.
    repetition: distance of its self-repetition from the reference's.
    valid:      0 for a draft that converts, fits the schema and has equal bars, else 1.
    """

    rank: Rank = "nll"
    reference: str = REFERENCE

    def __post_init__(self) -> None:
        if self.rank not in RANKS:
            raise ConfigError(f"rank {self.rank!r}: no such ranking. Known: {', '.join(RANKS)}.")

    def check(self) -> None:
        """Raise `PicogenError` if there is no such reference, before hours of generation."""
        if self.rank in ("powerlaw", "repetition"):
            self._open()

    def values(self, scores: Sequence[Score]) -> list[float | None]:
        """Return a value per candidate, lower is better; None for one that cannot be judged."""
        if self.rank == "nll":
            return [nats_per_character(score) for score in scores]
        texts = [
            ScoreText(str(i), score.abc, record=score.record)
            for i, score in enumerate(scores) if score.abc
        ]  # fmt: skip
        reference = None if self.rank == "valid" else self._open()
        metric = _METRICS[self.rank]
        try:
            report = score_pieces(texts, ScoreRequest([metric]), reference)
        except BadInput:  # none of them can be read
            return [None] * len(scores)
        found = {piece.name: self._value(piece, report) for piece in report.scores}
        return [found.get(str(i)) for i in range(len(scores))]

    def _open(self) -> Reference:
        return open_reference(self.reference)

    def _value(self, piece: ScoredPiece, report: ScoreReport) -> float | None:
        found = piece.facts.get(_METRICS[self.rank], PieceFacts())
        facts = found.values
        if self.rank == "valid":
            return None if "valid" not in facts else float(not facts["valid"])
        if self.rank == "powerlaw":
            return found.rank
        target = report.metrics["powerlaw"].values.get("rep")
        own = facts.get("rep")
        if own is None or target is None or target.reference is None:
            return None
        return abs(float(own) - target.reference)


def nats_per_character(score: Score) -> float | None:
    """Return the nats per character of a draft; None if they were not measured."""
    found = score.record.get("nll")
    return found["nats"] / found["characters"] if found else None


def best(ranking: Ranking, scores: Sequence[Score]) -> Score:
    """Return the candidate to keep, with the values of all candidates in its record.

    A complete candidate goes before an incomplete one. Of equal ones the likeliest goes first.
    """
    values = ranking.values(scores)
    order = sorted(range(len(scores)), key=lambda i: _key(scores[i], values[i]))
    kept = scores[order[0]]
    kept.record["candidates"] = {
        "rank": ranking.rank,
        "reference": None if ranking.rank in ("nll", "valid") else ranking.reference,
        "chosen": order[0] + 1,
        "all": [
            {
                "value": values[i],
                "nats_per_character": nats_per_character(score),
                "complete": score.record["complete"],
                "bars_written": score.record.get("bars_written"),
                "error": score.reason,
            }
            for i, score in enumerate(scores)
        ],
    }
    return kept


def _key(score: Score, value: float | None) -> tuple[bool, bool, bool, float, float]:
    likely = nats_per_character(score)
    return (
        not score.abc,
        not score.record["complete"],
        value is None,
        value or 0.0,
        float("inf") if likely is None else likely,
    )
