"""Check that a score converts to sound MusicXML, with one converter per process."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from picogen_core.abc.counters import take_counters
from picogen_core.abc.interleaved.rests import VOICE_MARK
from picogen_core.abc.reading.notes import read_tune
from picogen_core.abc.reading.voices import Bar
from picogen_core.abc.repair.align import complete_rests
from picogen_core.abc.repair.draft import RepairDraft, read_line
from picogen_core.abc.repair.lines import drop_directives, split_body
from picogen_core.errors import BadInput, PicogenError
from picogen_core.score.convert import as_interleaved
from picogen_core.score.helper import Converter
from picogen_core.score.limits import ConversionError
from picogen_core.score.reading import Piece
from picogen_core.score.schema import schema_faults
from picogen_core.score.validity import count_bars, parse_parts
from picogen_core.score.xml.notes import read_xml_notes

_ENCODING = re.compile(r"""\A(\s*<\?xml[^>]*?)\s+encoding\s*=\s*(?:"[^"]*"|'[^']*')""")
"""Encoding in the XML declaration, which does not apply to decoded text."""
_VOICE_LINE = re.compile(r"^\[V:([^\]\n]*)\]")


@dataclass(frozen=True)
class Soundness:
    """Result of the check: whether a score converts, satisfies the schema, and keeps its length.

    The schema is None if it is not installed, the length for a score in MusicXML. `fault` describes
    the first fault.
    """

    converts: bool
    schema_valid: bool | None = None
    kept: bool | None = None
    fault: str | None = None


def judge(piece: Piece) -> Soundness:
    """Return the check of a piece. ABC is converted unrepaired; MusicXML is checked itself.

    Only the rests that the interleaved form leaves out are added.
    """
    abc = None
    if is_musicxml(piece):
        xml = _ENCODING.sub(r"\1", piece.text, count=1).encode()
    else:
        try:
            abc = _whole(piece.text)
            xml = _converter().to_musicxml(abc)
        except (PicogenError, ValueError, ZeroDivisionError, KeyError) as error:
            return Soundness(False, fault=str(error) or type(error).__name__)
    faults = schema_faults(xml)[:1] if _has_schema() else []
    schema_valid = not faults if _has_schema() else None
    try:
        measures = len(parse_parts(xml)[0].findall("measure"))
        kept = None
        if abc is not None:
            # An ending within a bar makes two measures of it: then the length decides.
            kept = count_bars(abc) == measures or _quarters(read_tune(abc)[1]) == _quarters(
                read_xml_notes(xml)[2]
            )
    except (ConversionError, BadInput) as error:
        return Soundness(False, schema_valid, fault=str(error))
    if kept is False and abc is not None:
        faults.append(f"{count_bars(abc)} bars became {measures} measures")
    return Soundness(True, schema_valid, kept, "; ".join(faults) or None)


def _quarters(bars: Mapping[str, Sequence[Bar]]) -> Fraction:
    """Return the length of the first voice."""
    first = next(iter(bars.values()), ())
    return sum((bar.length for bar in first), Fraction(0))


def is_musicxml(piece: Piece) -> bool:
    return piece.text.lstrip("\ufeff \r\n\t").startswith("<")


def _whole(text: str) -> str:
    """Return the interleaved form with every voice in every line.

    Lines that each hold many bars of one voice (`[V:1]…` or `V:1` before them) are interleaved.
    """
    lines = drop_directives(take_counters(text)[0], []).split("\n")
    if not any(len(VOICE_MARK.findall(line)) > 1 for line in lines):
        lines = [_VOICE_LINE.sub(r"V:\1\n", line) for line in lines]
    header, body = split_body(as_interleaved("\n".join(lines)))
    draft = RepairDraft(header, [read_line(line) for line in body if VOICE_MARK.search(line)])
    complete_rests(draft, [])
    return draft.text()


@functools.cache
def _converter() -> Converter:
    converter = Converter()
    atexit.register(converter.close)
    return converter


@functools.cache
def _has_schema() -> bool:
    return importlib.util.find_spec("musicxml") is not None
