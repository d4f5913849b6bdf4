"""A score report as a table, Markdown or CSV, and the values that miss a limit."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Mapping, Sequence

from picogen_core import ConfigError
from picogen_core.evaluation.scoring import ScoreReport
from picogen_core.evaluation.summaries import short, with_interval
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.report.table import differing, rows, what_marks_mean
from rich.console import Console
from rich.table import Table

from picogen_cli import streams


def show(report: ScoreReport, baseline: ScoreReport | None) -> None:
    """Print the table; `*` marks what differs beyond noise."""
    beside = {} if baseline is None else dict(rows(baseline))
    marks = differing(report, beside)
    table = Table(box=None, pad_edge=False)
    columns = ["", "value [95 %]", "reference"]
    columns += ["baseline"] if baseline is not None else []
    for column in (*columns, "unit", "n", "better"):
        table.add_column(column, overflow="fold", no_wrap=not column)
    heading = ""
    for name, value in rows(report):
        metric, _, plain = name.partition(".")
        if metric != heading:
            table.add_row(metric, style="bold")
            heading = metric
        known = "" if value.reference is None else short(value.reference)
        cells = [f"  {plain}", with_interval(value), known]
        cells[2] += " *" if name in marks["reference"] else ""
        if baseline is not None:
            other = beside.get(name)
            cells.append("" if other is None else short(other.value))
            cells[3] += " *" if name in marks["baseline"] else ""
        table.add_row(*cells, value.unit, str(value.n), value.better or "")
    console = Console(file=streams.plain(sys.stdout))
    if not console.is_terminal:
        console = Console(file=streams.plain(sys.stdout), width=max(console.width, 120))
    console.print(table)
    tests = sum(marks["tests"].values())
    if tests:
        console.print(what_marks_mean(tests), highlight=False)


def to_markdown(report: ScoreReport, baseline: ScoreReport | None) -> str:
    """Return the table in Markdown; `*` marks what differs beyond noise."""
    beside = {} if baseline is None else dict(rows(baseline))
    marks = differing(report, beside)
    heads = ["metric", "value [95 %]", "reference", "baseline", "unit", "n", "better"]
    lines = [heads, ["---"] * len(heads)]
    for name, value in rows(report):
        known = "" if value.reference is None else short(value.reference)
        other = short(beside[name].value) if name in beside else ""
        known += " \\*" if name in marks["reference"] else ""
        other += " \\*" if name in marks["baseline"] else ""
        lines.append(
            [name, with_interval(value), known, other, value.unit, str(value.n), value.better or ""]
        )
    if baseline is None:
        lines = [[*cells[:3], *cells[4:]] for cells in lines]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    tests = sum(marks["tests"].values())
    return table + (f"\n\\{what_marks_mean(tests)}\n" if tests else "")


def to_csv(report: ScoreReport, baseline: ScoreReport | None) -> str:
    """Return every value, details included, one per row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            "metric",
            "name",
            "value",
            "low",
            "high",
            "unit",
            "n",
            "better",
            "reference",
            "reference_low",
            "reference_high",
            "p",
            "baseline",
        ]
    )
    for metric, summary in report.metrics.items():
        other = {} if baseline is None else baseline.metrics[metric].values
        for name, v in summary.values.items():
            known = other[name].value if name in other else None
            cells = [v.value, v.low, v.high, v.unit, v.n, v.better, v.reference]
            cells += [v.reference_low, v.reference_high, v.p, known]
            writer.writerow([metric, name, *("" if cell is None else cell for cell in cells)])
    return text.getvalue()


def read_limits(items: Sequence[str]) -> dict[str, float]:
    """Return limits such as `valid=90` by name. Raises `ConfigError` for another form."""
    limits = {}
    for item in items:
        name, separator, number = item.partition("=")
        try:
            limits[name.strip()] = float(number)
        except ValueError:
            separator = ""
        if not separator or not math.isfinite(limits[name.strip()]):
            raise ConfigError(f"--fail-under {item!r}: write it as NAME=NUMBER, such as valid=90.")
    return limits


def failures(report: ScoreReport, limits: Mapping[str, float]) -> list[str]:
    """Return a line for each value that is worse than its limit or could not be measured.

    Raises:
        ConfigError: no metric of that name, or one without a direction.
    """
    values = dict(rows(report))
    for metric, summary in report.metrics.items():
        values |= {f"{metric}.{name}": value for name, value in summary.values.items()}
        values |= {name: value for name, value in summary.values.items() if name not in values}
        if summary.headline is not None and summary.headline in summary.values:
            values[metric] = summary.values[summary.headline]
    absent = {
        full: reason
        for metric, summary in report.metrics.items()
        for name, reason in summary.absent.items()
        for full in (name, f"{metric}.{name}")
    }
    lines = []
    for name, limit in limits.items():
        if name not in values:
            if name in absent:
                lines.append(
                    f"failed: {name} could not be measured (limit {limit:g}): {absent[name]}"
                )
                continue
            if name in report.metrics or name.partition(".")[0] in report.metrics:
                lines.append(f"failed: {name} could not be measured (limit {limit:g})")
                continue
            hint = did_you_mean(name, values)
            raise ConfigError(f"--fail-under {name}: no value of that name.{hint}")
        value = values[name]
        if value.better not in ("higher", "lower"):
            raise ConfigError(
                f"--fail-under {name}: neither higher nor lower is better. Take a distance, such "
                "as powerlaw_distance."
            )
        worse = value.value < limit if value.better == "higher" else value.value > limit
        if worse:
            sign = "<" if value.better == "higher" else ">"
            lines.append(f"failed: {name} is {short(value.value)} {sign} {limit:g}")
    return lines
