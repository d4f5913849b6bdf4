"""MusicXML to SVG pages and MIDI with verovio. For the worker process only: some files abort it.

Verovio never sees ABC, which it reads badly, and only MusicXML that parses.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from lxml import etree

from picogen_core.score.limits import ConversionError

MAX_PAGES = 200
_OPTIONS = {
    "pageWidth": 2100,
    "pageHeight": 2970,
    "scale": 40,
    "adjustPageHeight": True,
    "footer": "none",
    "header": "auto",
    "breaks": "auto",
    "svgViewBox": True,
    "xmlIdSeed": 1,  # the same score gives the same file
}


def load_verovio() -> Any:
    """Return a verovio toolkit without log output.

    Raises:
        ConversionError: verovio is not installed.
    """
    try:
        import verovio
    except ImportError:
        raise ConversionError(
            "SVG and MIDI need verovio, which is not installed. Run: pip install verovio"
        ) from None
    verovio.enableLog(verovio.LOG_OFF)
    return verovio.toolkit()


def engrave(toolkit: Any, xml: str) -> None:
    """Load a score into the toolkit.

    Raises:
        ConversionError: verovio does not read it.
    """
    toolkit.setOptions(_OPTIONS)
    if not toolkit.loadData(xml) or toolkit.getPageCount() < 1:
        raise ConversionError("verovio does not read this MusicXML")


def svg_pages(toolkit: Any, xml: str) -> list[str]:
    """Return one SVG per page of the score that `engrave` loaded from `xml`, in order."""
    pages = int(toolkit.getPageCount())
    if pages > MAX_PAGES:
        raise ConversionError(f"the score has {pages} pages; at most {MAX_PAGES} are drawn")
    drawn = [str(toolkit.renderToSVG(page)) for page in range(1, pages + 1)]
    drawn[0] = with_credits(drawn[0], xml)
    return drawn


def with_credits(svg: str, xml: str) -> str:
    """Return the first page with its title as plain text, and the composer, which verovio omits.

    Verovio nests its title in five elements, which only browsers centre.
    """
    parser = etree.XMLParser(resolve_entities=False, huge_tree=True)
    page = etree.fromstring(svg.encode(), parser)
    head = next((g for g in page.iter("{*}g") if "pgHead" in g.get("class", "")), None)
    if head is None:
        return svg
    score = etree.fromstring(xml.encode(), parser)
    title = score.findtext("work/work-title") or score.findtext("movement-title") or ""
    composer = score.findtext("identification/creator[@type='composer']") or ""
    for child in list(head):
        head.remove(child)
    tag = f"{{{etree.QName(page).namespace}}}text"
    for text, x, y, anchor, size in (
        (title, 10_000, 417, "middle", 607),
        (composer, 20_000, 800, "end", 360),
    ):
        place = {"x": str(x), "y": str(y), "text-anchor": anchor, "font-size": f"{size}px"}
        etree.SubElement(head, tag, place).text = text
    return str(etree.tostring(page, encoding="unicode"))


def midi_base64(toolkit: Any) -> str:
    """Return a standard MIDI file in base64, of the score that `engrave` loaded."""
    midi = str(toolkit.renderToMIDI())
    if base64.b64decode(midi)[:4] != b"MThd":
        raise ConversionError("verovio made no MIDI file of this MusicXML")
    return midi


def note_lights(toolkit: Any) -> list[tuple[float, float, str]]:
    """Return start and end in seconds, and the id in the pages, of each note of the loaded score.

    A note of a repeated passage occurs once per repetition.
    """
    begun: dict[str, float] = {}
    lights = []
    for moment in toolkit.renderToTimemap({}):
        now = moment["tstamp"] / 1000
        for name in moment.get("off", ()):
            if name in begun:
                lights.append((begun.pop(name), now, re.sub(r"-rend\d+$", "", name)))
        begun.update(dict.fromkeys(moment.get("on", ()), now))
    return lights
