"""A score report's values in the order of a table, and the ones that differ beyond noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from picogen_core.evaluation.scoring import ScoreReport
from picogen_core.evaluation.significance import LEVEL, difference_p, holm
from picogen_core.evaluation.summaries import Value


def rows(report: ScoreReport) -> Iterator[tuple[str, Value]]:
    """Yield the values that a table shows, each under its full name: `powerlaw.beta`."""
    for metric, summary in report.metrics.items():
        for name, value in summary.values.items():
            if not value.detail:
                yield f"{metric}.{name}", value


def differing(report: ScoreReport, beside: Mapping[str, Value]) -> dict[str, dict[str, int]]:
    """Return the names of values that differ beyond noise, corrected over the whole table.

    {"reference": names, "baseline": names, "tests": counts}.
    """
    ps = {("reference", name): value.p for name, value in rows(report) if value.p is not None}
    for name, value in rows(report):
        p = difference_p(value, beside[name]) if name in beside else None
        if p is not None:
            ps["baseline", name] = p
    adjusted = holm({"\n".join(key): p for key, p in ps.items()})
    found: dict[str, dict[str, int]] = {"reference": {}, "baseline": {}, "tests": {"all": len(ps)}}
    for key, p in adjusted.items():
        against, name = key.split("\n")
        if p < LEVEL:
            found[against][name] = 1
    return found


def what_marks_mean(tests: int) -> str:
    """Return the line below a table with marks."""
    return (
        f"* differs beyond noise: p < {LEVEL} from the bootstrap's standard errors, corrected "
        f"for {tests} comparisons (Holm)."
    )
