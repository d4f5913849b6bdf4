"""MusicXML to SVG pages and MIDI with verovio. For the worker process only: some files abort it.

Verovio never sees ABC, which it reads badly, and only MusicXML that parses.
"""

from __future__ import annotations

import base64
from typing import Any

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
    """A verovio toolkit, quiet.

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
    """One SVG a page, first page first."""
    engrave(toolkit, xml)
    pages = int(toolkit.getPageCount())
    if pages > MAX_PAGES:
        raise ConversionError(f"the score has {pages} pages; at most {MAX_PAGES} are drawn")
    return [str(toolkit.renderToSVG(page)) for page in range(1, pages + 1)]


def midi_base64(toolkit: Any, xml: str) -> str:
    """A standard MIDI file in base64."""
    engrave(toolkit, xml)
    midi = str(toolkit.renderToMIDI())
    if base64.b64decode(midi)[:4] != b"MThd":
        raise ConversionError("verovio made no MIDI file of this MusicXML")
    return midi
