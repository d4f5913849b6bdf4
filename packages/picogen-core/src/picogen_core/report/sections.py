"""The sections of a report's page: head, values, remarks, plots, pieces, and unread files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from picogen_core.evaluation.scoring import ScoreReport
from picogen_core.evaluation.summaries import Plot, short, with_interval
from picogen_core.plugins.registry import registry
from picogen_core.report.charts import draw, series_of
from picogen_core.report.html import Child, foreign, tag
from picogen_core.report.shown_pieces import ShownPiece, ordering
from picogen_core.report.table import differing, rows, what_marks_mean

MAX_LISTED = 500
_GROUPS = {
    "best": "nearest to what is usual",
    "median": "in the middle",
    "worst": "furthest from it",
}


@dataclass(frozen=True)
class PageRequest:
    """The contents of a page.

    title:     of the scores.
    command:   that makes the page again.
    pieces:    number of best, median and worst pieces each.
    limit:     of the page in bytes; pieces that do not fit are left out and named.
    """

    title: str
    command: str
    pieces: int = 2
    limit: int = 20_000_000


def head(report: ScoreReport, baseline: ScoreReport | None, request: PageRequest) -> etree._Element:
    read = f"{report.pieces} pieces were read"
    read += f", {len(report.unreadable)} files were not" if report.unreadable else ""
    known = baseline and f"baseline with {baseline.pieces} pieces"
    against = report.reference and tag(
        "span", "reference ", foreign(report.reference), f" with {report.reference_pieces} pieces"
    )
    remarks: list[Child] = [f"{read}; "]
    remarks += [against, "; "] if isinstance(against, etree._Element) else []
    remarks += [f"{known}; "] if known else []
    remarks.append(f"seed {report.seed}.")
    return tag(
        "header",
        tag("h1", "Scores of ", foreign(request.title)),
        tag("p", *remarks),
        tag("p", "This page is made again by:"),
        tag("pre", tag("code", foreign(request.command)), tabindex="0"),
    )


def values(report: ScoreReport, baseline: ScoreReport | None) -> etree._Element:
    beside = {} if baseline is None else dict(rows(baseline))
    marks = differing(report, beside)
    columns = ["", "value [95 %]", "reference", *(["baseline"] if baseline else [])]
    columns += ["unit", "n", "better"]
    top = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in columns)))
    table = tag("table", tag("caption", what_marks_mean(sum(marks["tests"].values()))), top)
    body, heading = tag("tbody"), ""
    for name, value in rows(report):
        metric, _, plain_name = name.partition(".")
        if metric != heading:
            heading, body = metric, tag("tbody")
            table.append(body)
            summary = registry().get("metric", metric).spec.summary
            row = tag("th", metric, scope="rowgroup", colspan=str(len(columns)))
            row.append(tag("span", f" {summary}", class_="quiet"))
            body.append(tag("tr", row))
        cells = [tag("th", plain_name, scope="row"), tag("td", with_interval(value))]
        cells.append(_against(value.reference, name in marks["reference"]))
        if baseline is not None:
            other = beside.get(name)
            number = None if other is None else other.value
            cells.append(_against(number, name in marks["baseline"]))
        cells += [tag("td", text) for text in (value.unit, str(value.n), value.better or "")]
        body.append(tag("tr", *cells))
    box = tag("div", table, class_="scroll", tabindex="0", role="region")
    box.set("aria-label", "Values")
    return tag("section", tag("h2", "Values"), box)


def _against(number: float | None, differs: bool) -> etree._Element:
    if number is None:
        return tag("td")
    mark = tag("abbr", " *", title="differs beyond noise", class_="differs")
    return tag("td", short(number), mark if differs else None)


def remarks(report: ScoreReport, baseline: ScoreReport | None) -> etree._Element | None:
    lines = []
    for of, one in (("", report), ("baseline ", baseline)):
        for name, summary in one.metrics.items() if one is not None else ():
            lines += [f"{of}{name}: {n} pieces unused: {why}" for why, n in summary.unused.items()]
            lines += [f"{of}{name}: {note}" for note in summary.notes]
    if not lines:
        return None
    items = [tag("li", foreign(line)) for line in lines]
    return tag("section", tag("h2", "Remarks"), tag("ul", *items))


def plots(report: ScoreReport, baseline: ScoreReport | None) -> etree._Element | None:
    drawn = []
    for metric, summary in report.metrics.items():
        for name, plot in summary.plots.items():
            other = baseline.metrics[metric].plots.get(name) if baseline else None
            numbers = tag("details", tag("summary", "Numbers"), _numbers(plot, other))
            drawn.append(tag("figure", draw(plot, other), numbers))
    return tag("section", tag("h2", "Plots"), tag("div", *drawn, class_="plots")) if drawn else None


def _numbers(plot: Plot, baseline: Plot | None) -> etree._Element:
    series = series_of(plot, [0.0] * len(plot.x), baseline)
    top = [tag("th", name, scope="col") for name in (plot.x_label, *(one.name for one in series))]
    body = []
    for i, x in enumerate(plot.x):
        row = [one.y[i] for one in series]
        if any(row):
            name = tag("th", x if isinstance(x, str) else f"{x:.4g}", scope="row")
            cells = [tag("td", "" if y is None else f"{y:.4g}") for y in row]
            body.append(tag("tr", name, *cells))
    return tag("table", tag("thead", tag("tr", *top)), tag("tbody", *body))


def pieces(
    report: ScoreReport,
    cards: Sequence[etree._Element],
    left_out: Sequence[ShownPiece],
    request: PageRequest,
) -> etree._Element:
    by = ordering(report)
    if by is not None:
        groups = "; ".join(f"{name}: {what}" for name, what in _GROUPS.items())
        order = f"Pieces are ordered by {by[0]}’s {by[1]}, lowest first ({groups})."
    else:
        order = "No metric here orders the pieces; the first by name are shown."
    noscript = tag("noscript", tag("p", "The players need JavaScript."))
    section = tag("section", tag("h2", "Pieces"), tag("p", order), noscript, *cards, id="pieces")
    if not cards and not left_out:
        section.append(tag("p", "There is no piece to show."))
    if left_out:
        text = f"{len(left_out)} more pieces would make this page larger than "
        text += f"{request.limit / 1e6:g} MB and are only named:"
        section.append(tag("p", text))
        named = {one.piece.name: "; ".join(one.reasons) or one.group for one in left_out}
        section.append(_listed(named))
    return section


def unreadable(unreadable: Mapping[str, str]) -> etree._Element | None:
    if not unreadable:
        return None
    return tag("section", tag("h2", "Files that were not read"), _listed(unreadable))


def _listed(named: Mapping[str, str]) -> etree._Element:
    shown = list(named.items())[:MAX_LISTED]
    lines = [tag("li", foreign(name), ": ", foreign(why[:500])) for name, why in shown]
    if len(named) > len(shown):
        lines.append(tag("li", f"… and {len(named) - len(shown)} more"))
    return tag("ul", *lines)
