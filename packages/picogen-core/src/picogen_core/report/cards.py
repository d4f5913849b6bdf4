"""Cards: a piece with its score, its player, its files, and its metrics."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from lxml import etree

from picogen_core.errors import PicogenError, Undefined
from picogen_core.evaluation.scoring import ScoredPiece, ScoreReport, figures
from picogen_core.evaluation.summaries import short
from picogen_core.report.charts import draw
from picogen_core.report.engraved import Engraved, engrave
from picogen_core.report.html import Child, data_block, download, foreign, tag
from picogen_core.report.pages import Glyphs
from picogen_core.report.shown_pieces import ShownPiece
from picogen_core.score.helper import Converter
from picogen_core.score.reading import ScoreText

MAX_ABC = 20_000
MAX_PLAIN = 256_000
"""Larger MusicXML is saved compressed."""
_ABC, _MUSICXML = "text/vnd.abc;charset=utf-8", "application/vnd.recordare.musicxml+xml"
_MXL = "application/vnd.recordare.musicxml"
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles>'
    '<rootfile full-path="score.musicxml"/></rootfiles></container>\n'
)


class Cards:
    """The cards of one page; their ids are unique in it."""

    def __init__(self, converter: Converter, glyphs: Glyphs) -> None:
        self.converter, self.glyphs = converter, glyphs
        self.count = 0

    def card(
        self,
        one: ShownPiece,
        report: ScoreReport,
        other: ScoredPiece | None,
        baseline: ScoreReport | None,
    ) -> etree._Element:
        """Return the card of a piece, with one of the baseline beside it."""
        place = f"{one.place} of {one.of}" if one.place else None
        sides = [self._side(one.piece, report, "these scores" if other else None)]
        if other is not None and baseline is not None:
            sides.append(self._side(other, baseline, "baseline"))
        heading = tag("h3", foreign(title_of(one.piece.score)))
        name = tag("span", foreign(one.piece.name), class_="quiet")
        group = tag("span", one.group, class_="group")
        return tag(
            "article",
            tag(
                "header",
                heading,
                group,
                tag("span", place, class_="quiet") if place else None,
                name,
            ),
            *(tag("p", foreign(reason), class_="reason") for reason in one.reasons),
            tag("div", *sides, class_="pair"),
            class_="card",
        )

    def _side(self, piece: ScoredPiece, report: ScoreReport, label: str | None) -> etree._Element:
        self.count += 1
        prefix = f"c{self.count}n"
        title = title_of(piece.score)
        found = engrave(piece.score, prefix, self.converter, self.glyphs)
        name = tag("h4", f"{label}: ", foreign(title)) if label else None
        return tag(
            "section",
            name,
            _facts(piece),
            _fault(found),
            _player(found, prefix, title),
            _score(found, title),
            _files(piece.score, found),
            *_figures(piece, report),
        )


def title_of(score: ScoreText) -> str:
    """Return the first title of ABC or of MusicXML, else the file's name."""
    if isinstance(score.data, str):
        found = re.search(r"^T:[ \t]*(\S.*)", score.data, re.M)
        return found.group(1).strip() if found else score.name
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    try:
        root = etree.fromstring(score.data, parser)
    except etree.XMLSyntaxError:
        return score.name
    named = (
        None
        if root is None
        else root.findtext("work/work-title") or root.findtext("movement-title")
    )
    return named or score.name


def _facts(piece: ScoredPiece) -> etree._Element:
    """Return the piece's metrics, numbers and words, as a list."""
    facts = [
        (metric, key, value)
        for metric, facts in piece.facts.items()
        for key, value in _plain(facts.values)
    ]
    facts += [(metric, "undefined", reason) for metric, reason in piece.undefined.items()]
    pairs = [
        tag("div", tag("dt", f"{metric} {key.replace('_', ' ')}"), tag("dd", foreign(value)))
        for metric, key, value in facts
    ]
    return tag("dl", *pairs)


def _plain(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    shown = []
    for key, value in facts.items():
        if isinstance(value, bool):
            shown.append((key, "yes" if value else "no"))
        elif isinstance(value, int | str):
            shown.append((key, str(value)))
        elif isinstance(value, float):
            shown.append((key, short(value)))
    return shown


def _fault(found: Engraved) -> etree._Element | None:
    if found.fault is not None:
        return tag("p", "No score: ", foreign(found.fault), class_="reason")
    mended = f"Repaired before engraving: {', '.join(found.repairs)}."
    return tag("p", foreign(mended), class_="quiet") if found.repairs else None


def _player(found: Engraved, prefix: str, title: str) -> etree._Element | None:
    """Return a player, whose controls stay hidden until the script is ready."""
    if not found.music.get("sounds"):
        return None
    button, slider = tag("button", "Play", type="button"), etree.Element("input")
    button.set("hidden", "")
    slider.attrib.update({"type": "range", "min": "0", "max": "1", "step": "0.1", "value": "0"})
    slider.set("hidden", "")
    slider.set("aria-label", "Position")
    time = tag("span", class_="time", aria_hidden="true")
    box = tag("div", button, slider, time, data_block(found.music), class_="player", role="group")
    box.set("aria-label", tag("x", f"Player of {title}").text or "")
    box.set("data-prefix", prefix)
    return box


def _score(found: Engraved, title: str) -> etree._Element | None:
    if not found.pages:
        return None
    box = tag("div", *found.pages, class_="score", role="img", tabindex="0")
    box.set("aria-label", tag("x", f"Score of {title}").text or "")
    more = found.total - len(found.pages)
    note = tag("p", f"{more} more pages are not shown; the files below have all.", class_="quiet")
    return tag("div", box, note if more else None)


def _files(score: ScoreText, found: Engraved) -> etree._Element:
    """Return the ABC to read and save, and the MusicXML to save."""
    stem = re.sub(r"[^\w.#-]+", "_", PurePosixPath(score.name).name, flags=re.A)
    stem = re.sub(r"\.(abc|musicxml|mxl|xml)", "", stem).strip("._") or "piece"
    links: list[Child] = []
    shown = None
    if isinstance(score.data, str):
        data = score.data.encode(errors="replace")
        links.append(download("ABC", f"{stem}.abc", _ABC, data))
        text = score.data[:MAX_ABC]
        text += "\n…" if len(score.data) > MAX_ABC else ""
        shown = tag("details", tag("summary", "ABC text"), tag("pre", tag("code", foreign(text))))
    if found.musicxml is not None:
        links += [" "] if links else []
        if len(found.musicxml) > MAX_PLAIN:
            links.append(download("MusicXML", f"{stem}.mxl", _MXL, zip_mxl(found.musicxml)))
        else:
            links.append(download("MusicXML", f"{stem}.musicxml", _MUSICXML, found.musicxml))
    return tag("div", tag("p", "Save: ", *links, class_="files") if links else None, shown)


def zip_mxl(xml: bytes) -> bytes:
    """Return compressed MusicXML; the same file gives the same bytes."""
    files = {"META-INF/container.xml": _CONTAINER.encode(), "score.musicxml": xml}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _figures(piece: ScoredPiece, report: ScoreReport) -> list[etree._Element]:
    """Return the metrics' plots of the piece; a metric that fails loses only its own."""
    found: list[etree._Element] = []
    if report.request is None:
        return found
    for metric in report.metrics:
        try:
            drawn = figures(piece, metric, report.request)
        except (PicogenError, Undefined) as error:
            found.append(tag("p", f"{metric} drew nothing: ", foreign(str(error)), class_="reason"))
            continue
        for plot in drawn.values():
            figure = tag("figure", draw(plot))
            found.append(tag("details", tag("summary", plot.title), figure))
    return found
