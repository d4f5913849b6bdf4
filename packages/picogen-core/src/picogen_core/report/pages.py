"""Engraved pages as parts of an HTML page: only known elements and attributes pass.

Verovio's output for a hostile score is not trusted. Inline styles and style sheets are removed too,
since a strict content-security policy refuses them. `report.css` has the rules that scores need.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxml import etree

from picogen_core.report.drawing import SVG, plain
from picogen_core.score.raster import plain_text

_ELEMENTS = {"svg", "g", "path", "use", "rect", "polygon", "polyline", "ellipse", "circle", "line",
             "text", "tspan"}  # fmt: skip
_ATTRIBUTES = {
    *("viewBox", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "ry", "width", "height"),
    *("d", "points", "transform", "opacity", "overflow", "text-anchor"),
    *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray"),
    *("stroke-linecap", "stroke-linejoin"),
    *("font-family", "font-size", "font-style", "font-weight"),
}
_VALUE = re.compile(r"[\w\s.,#%()+-]*")
_CLASS = re.compile(r"[A-Za-z][\w-]*( [A-Za-z][\w-]*)*")
_HREF = "{http://www.w3.org/1999/xlink}href"
_LIT = frozenset({"note"})


class Glyphs:
    """The glyphs of all pages, each drawn once; pages refer to them by `#glyph-N`."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}
        self.sheet = etree.Element(f"{{{SVG}}}svg", {"class": "glyphs"}, nsmap={None: SVG})
        self.sheet.set("aria-hidden", "true")
        self._defs = etree.SubElement(self.sheet, f"{{{SVG}}}defs")

    def name(self, glyph: etree._Element) -> str:
        """Return the id of a glyph, which is added if it is new."""
        clean = etree.Element(f"{{{SVG}}}g")
        _copy_children(glyph, clean, {}, {})
        key = bytes(etree.tostring(clean))
        if key not in self._names:
            self._names[key] = f"glyph-{len(self._names)}"
            clean.set("id", self._names[key])
            self._defs.append(clean)
        return self._names[key]


def page_parts(
    pages: Iterable[str], prefix: str, glyphs: Glyphs
) -> tuple[list[etree._Element], dict[str, int]]:
    """Return the pages as SVG elements, and the number of each note's id (7 is `PREFIX7`).

    Other ids are left out.
    """
    parts, numbers = [], dict[str, int]()
    for page in pages:
        parser = etree.XMLParser(resolve_entities=False, huge_tree=True, no_network=True)
        root = etree.fromstring(plain_text(page).encode(), parser)
        names = dict[str, str]()
        for defs in root.iter("{*}defs"):
            names |= {g.get("id"): glyphs.name(g) for g in defs if g.get("id")}
        for note in root.iter("{*}g"):
            name = note.get("id")
            if name and _LIT & set(note.get("class", "").split()):
                numbers.setdefault(name, len(numbers))
        ids = {name: f"{prefix}{number}" for name, number in numbers.items()}
        clean = etree.Element(f"{{{SVG}}}svg", _attributes(root, {}, names), nsmap={None: SVG})
        _copy_children(root, clean, ids, names)
        clean.set("class", "page")
        clean.set("aria-hidden", "true")
        parts.append(clean)
    return parts, numbers


def _copy_children(
    source: etree._Element, target: etree._Element, ids: dict[str, str], glyphs: dict[str, str]
) -> None:
    """Copy all descendants without recursion: a score may be nested deeper than Python allows."""
    waiting = [(source, target)]
    while waiting:
        old, new = waiting.pop()
        keeps_text = etree.QName(new).localname in ("text", "tspan")
        if keeps_text and old.text:
            new.text = plain(old.text)
        for child in old:
            if not isinstance(child.tag, str) or etree.QName(child).localname not in _ELEMENTS:
                continue
            if "placeholder" in child.get("class", ""):  # verovio's own sheet hides these
                continue
            tag = etree.QName(child).localname
            copy = etree.SubElement(new, f"{{{SVG}}}{tag}", _attributes(child, ids, glyphs))
            if keeps_text and child.tail:
                copy.tail = plain(child.tail)
            waiting.append((child, copy))


def _attributes(
    element: etree._Element, ids: dict[str, str], glyphs: dict[str, str]
) -> dict[str, str]:
    kept = {}
    for name, value in element.attrib.items():
        if name in _ATTRIBUTES and _VALUE.fullmatch(value) and "url" not in value.lower():
            kept[name] = "currentColor" if value in ("black", "#000000") else value
    if element.get("id") in ids:
        kept["id"] = ids[element.get("id")]
    if _CLASS.fullmatch(element.get("class", "")):
        kept["class"] = element.get("class")
    target = element.get(_HREF, "") or element.get("href", "")
    if target[:1] == "#" and target[1:] in glyphs:
        kept["href"] = f"#{glyphs[target[1:]]}"
    return kept
