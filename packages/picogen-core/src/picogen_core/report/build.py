"""A score report as one HTML file: table, plots, pieces to see and hear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from lxml import etree

from picogen_core import __version__
from picogen_core.errors import ConfigError
from picogen_core.evaluation.scoring import ScoreReport
from picogen_core.report.cards import Cards
from picogen_core.report.charts import stylesheet
from picogen_core.report.html import Child, document, size, tag
from picogen_core.report.pages import Glyphs
from picogen_core.report.sections import (
    PageRequest,
    head,
    pieces,
    plots,
    remarks,
    unreadable,
    values,
)
from picogen_core.report.shown_pieces import ShownPiece, choose, partner
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.score.helper import Converter

MAX_REFUSED = 25


@dataclass(frozen=True)
class Page:
    """The file, its number of cards, and the pieces left out for its size."""

    html: bytes
    cards: int
    left_out: tuple[str, ...]


def build_page(
    report: ScoreReport,
    request: PageRequest,
    baseline: ScoreReport | None = None,
    reporter: Reporter | None = None,
) -> Page:
    """Return the report as a page; the card of a piece that does not convert gives the reason.

    Raises:
        ConfigError: the table and the plots alone exceed `limit`.
    """
    reporter = reporter or Quiet()
    script = read_sound() + _read("player.js")
    style = _read("report.css") + stylesheet()
    above = [
        head(report, baseline, request),
        values(report, baseline),
        remarks(report, baseline),
        plots(report, baseline),
    ]
    below = unreadable(report.unreadable)
    chosen = choose(report, request.pieces)
    # At worst, all pieces are left out and named.
    whole = pieces(report, [], chosen, request)
    parts = [part for part in (*above, whole, below) if part is not None]
    left = request.limit - sum(map(size, parts)) - len(script) - len(style) - 4000
    if left < 0:
        needed = (request.limit - left) / 1e6
        raise ConfigError(
            f"the report takes {needed:.1f} MB without any piece. Allow more than "
            f"{request.limit / 1e6:g} MB, or measure with fewer metrics (--metric)."
        )
    glyphs = Glyphs()
    cards, left_out = _cards(report, baseline, chosen, left, glyphs, reporter)
    body: list[Child] = [
        tag("a", "To the pieces", href="#pieces", class_="skip"),
        glyphs.sheet,
        tag("main", *above, pieces(report, cards, left_out, request), below),
        tag("footer", tag("p", f"Made by PiCo-Gen {__version__}.", class_="quiet")),
    ]
    page = document(f"Scores of {request.title}", style, script, body)
    return Page(page, len(cards), tuple(one.piece.name for one in left_out))


def read_sound() -> str:
    """Return the player of notes in JavaScript, which the page that composes has too."""
    return _read("sound.js")


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _cards(
    report: ScoreReport,
    baseline: ScoreReport | None,
    chosen: Sequence[ShownPiece],
    room: int,
    glyphs: Glyphs,
    reporter: Reporter,
) -> tuple[list[etree._Element], list[ShownPiece]]:
    """Return the cards that fit, and the pieces that do not.

    After `MAX_REFUSED` misfits in a row the rest is not tried.
    """
    cards: list[etree._Element] = []
    left_out: list[ShownPiece] = []
    refused = 0
    reporter.start("Engraving the report", float(len(chosen)), "pieces")
    with Converter() as converter:
        maker = Cards(converter, glyphs)
        for number, one in enumerate(chosen, 1):
            if refused < MAX_REFUSED:
                other = partner(one, baseline) if baseline is not None else None
                before = size(glyphs.sheet)
                card = maker.card(one, report, other, baseline)
                needed = size(card) + size(glyphs.sheet) - before
                refused = refused + 1 if needed > room else 0
                if needed <= room:
                    cards.append(card)
                    room -= needed
            if refused:
                left_out.append(one)
            reporter.advance(number)
    reporter.finish()
    return cards, left_out
