"""An engraved score for a card of a report: pages, sounds, and files to save."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

from lxml import etree

from picogen_core.errors import PicogenError
from picogen_core.report.pages import Glyphs, page_parts
from picogen_core.score.convert import convert_text, read_musicxml
from picogen_core.score.helper import Converter
from picogen_core.score.midi import read_midi
from picogen_core.score.reading import ScoreText

MAX_PAGES = 8


@dataclass(frozen=True)
class Engraved:
    """An engraved score.

    pages:    SVG elements, at most `MAX_PAGES` of `total`.
    music:    {"sounds": [[start, length, MIDI pitch, velocity], …], "lights": [[start, end, number
              of the note's id], …]} in seconds.
    repairs:  made before the conversion.
    fault:    reason of a missing score.
    """

    pages: list[etree._Element] = field(default_factory=list)
    total: int = 0
    music: dict[str, list[list[float]]] = field(default_factory=dict)
    musicxml: bytes | None = None
    repairs: tuple[str, ...] = ()
    fault: str | None = None


def engrave(score: ScoreText, prefix: str, converter: Converter, glyphs: Glyphs) -> Engraved:
    """Return the score, repaired if needed; ids of its notes are `prefix` and a number."""
    xml: bytes | None = None
    repairs: tuple[str, ...] = ()
    try:
        if isinstance(score.data, str):
            done = convert_text(score.data, ["musicxml"], converter)
            xml = done.files[".musicxml"]
            repairs = tuple(f"{step.name} ({step.count})" for step in done.repairs)
        else:
            xml = read_musicxml(score.data)
        midi, lights, *pages = converter.request("midi+lights+svg", xml.decode()).parts
        sounds = read_midi(base64.b64decode(midi))
        drawn, numbers = page_parts(pages[:MAX_PAGES], prefix, glyphs)
    except PicogenError as error:
        return Engraved(musicxml=xml, repairs=repairs, fault=str(error))
    except etree.XMLSyntaxError as error:
        return Engraved(musicxml=xml, repairs=repairs, fault=f"its engraving is no XML: {error}")
    music = {
        "sounds": [[round(s.start, 3), round(s.length, 3), s.pitch, s.velocity] for s in sounds],
        "lights": [
            [round(start, 3), round(end, 3), numbers[name]]
            for start, end, name in json.loads(lights)
            if name in numbers
        ],
    }
    return Engraved(drawn, len(pages), music, xml, repairs)
