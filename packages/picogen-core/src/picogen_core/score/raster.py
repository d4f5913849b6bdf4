"""SVG pages of verovio to PNG with resvg. For the worker process only.

resvg reads no fonts from a stylesheet, so the note signs of a tempo, which verovio takes from one,
become those of the text font. That font is DejaVu Serif from matplotlib, a dependency of music21.
So the picture is the same on every machine.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from lxml import etree

from picogen_core.score.limits import ConversionError

WIDTH = 1680  # pixels
_FACES = ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif-Italic.ttf")
_SIGNS = {
    "\ueca2": "whole",
    "\ueca3": "half",
    "\ueca5": "♩",
    "\ueca7": "♪",
    "\ueca9": "sixteenth",
    "\uecb7": ".",
}
_MUSIC_FONT = "Leipzig"


def png_page(svg: str) -> bytes:
    """Return one page as a PNG on white.

    Raises:
        ConversionError: resvg is not installed or cannot read the page.
    """
    try:
        import resvg_py
    except ImportError:
        raise ConversionError(
            "PNG needs resvg_py, which is not installed. Run: pip install resvg_py"
        ) from None
    fonts = _font_files()
    try:
        return bytes(
            resvg_py.svg_to_bytes(
                svg_string=plain_text(svg),
                background="white",
                width=WIDTH,
                skip_system_fonts=bool(fonts),
                font_files=fonts or None,
                font_family="DejaVu Serif",
                serif_family="DejaVu Serif",
            )
        )
    except ValueError as error:
        raise ConversionError(f"resvg: {str(error)[:120]}") from None


def plain_text(svg: str) -> str:
    """Return the page without its embedded font, with note signs in the text font."""
    page = etree.fromstring(svg.encode(), etree.XMLParser(resolve_entities=False, huge_tree=True))
    for style in list(page.iter("{*}style")):
        if "@font-face" in (style.text or ""):
            style.getparent().remove(style)
    for span in page.iter("{*}tspan"):
        if span.get("font-family") == _MUSIC_FONT:
            signs = (_SIGNS.get(c, c) for c in (span.text or "").replace(" ", ""))
            span.text = "".join(sign for sign in signs if not "\ue000" <= sign <= "\uf8ff")
            span.set("font-size", "405px")
            del span.attrib["font-family"]
    return str(etree.tostring(page, encoding="unicode"))


def _font_files() -> list[str]:
    """Return DejaVu Serif's files; without matplotlib none, and resvg uses the system's fonts."""
    found = importlib.util.find_spec("matplotlib")
    for folder in found.submodule_search_locations or () if found else ():
        files = [Path(folder) / "mpl-data/fonts/ttf" / face for face in _FACES]
        if all(file.is_file() for file in files):
            return [str(file) for file in files]
    return []
