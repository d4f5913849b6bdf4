"""Outlines of music signs for the page, from Verovio's font Leipzig (SIL Open Font License)."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree

from picogen_core.errors import ConfigError

_FONT = "Leipzig"
_SIGNS = """
gClef fClef cClef unpitchedPercussionClef1 brace noteheadBlack noteheadHalf noteheadWhole
noteheadXBlack flag8thUp flag8thDown flag16thUp flag16thDown flag32ndUp flag32ndDown flag64thUp
flag64thDown accidentalSharp accidentalFlat accidentalNatural accidentalDoubleSharp
accidentalDoubleFlat accidentalQuarterToneSharpStein accidentalQuarterToneFlatStein restWhole
restHalf restQuarter rest8th rest16th rest32nd rest64th timeSig0 timeSig1 timeSig2 timeSig3
timeSig4 timeSig5 timeSig6 timeSig7 timeSig8 timeSig9 timeSigPlus timeSigCommon
timeSigCutCommon articStaccatoAbove articStaccatoBelow articTenutoAbove articTenutoBelow
articAccentAbove articAccentBelow articMarcatoAbove articStaccatissimoAbove
articStaccatissimoBelow ornamentTrill ornamentTurn ornamentTurnInverted ornamentMordent
ornamentShortTrill fermataAbove segno coda stringsUpBow stringsDownBow dynamicPiano
dynamicMezzo dynamicForte dynamicSforzando dynamicRinforzando dynamicZ metNoteQuarterUp
metNote8thUp metNoteHalfUp
"""
_NAMES = frozenset(_SIGNS.split())

Glyph = tuple[str, float, float]
"""The outline as an SVG path, its left edge and its width, in thousandths of four staff spaces."""


@cache
def read_glyphs() -> dict[str, Glyph]:
    """Return the glyphs by their SMuFL names.

    Raises:
        ConfigError: Verovio is not installed.
    """
    found = find_spec("verovio")
    if found is None or found.origin is None:
        raise ConfigError("the page takes its music signs from verovio. Run: pip install verovio")
    data = Path(found.origin).parent / "data"
    made: dict[str, Glyph] = {}
    for box in etree.parse(data / f"{_FONT}.xml").getroot():
        name, code = box.get("n"), box.get("c")
        if name in _NAMES:
            outline = etree.parse(data / _FONT / f"{code}.xml").find(".//{*}path").get("d")
            made[name] = (_short(outline), float(box.get("x")), float(box.get("w")))
    return made


def _short(outline: str) -> str:
    """Return a path without needless spaces."""
    return re.sub(r" ?([A-Za-z]) ?| (?=-)", r"\1", outline.strip())
