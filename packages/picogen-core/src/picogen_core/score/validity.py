"""Whether a MusicXML file is a sound rendering of the ABC that it was made from."""

from __future__ import annotations

from lxml import etree

from picogen_core.abc.lexer import lex
from picogen_core.abc.rests import cut_bars, split_line
from picogen_core.errors import PicogenError
from picogen_core.score.convert import parse_parts, unequal_measures
from picogen_core.score.schema import schema_faults


def validity_faults(xml: bytes, abc: str | None = None) -> list[str]:
    """What is wrong, in words; nothing for a valid file.

    Valid: it satisfies the MusicXML 4.0 schema, all voices of a measure end together, and, where
    its interleaved `abc` is given, it has as many measures as that has bars.

    Raises:
        BadInput: the schema is not installed (`pip install 'picogen-core[schema]'`).
    """
    faults = [f"schema: {fault}" for fault in schema_faults(xml)[:1]]
    try:
        parts: list[etree._Element] = parse_parts(xml)
    except PicogenError as error:
        return [*faults, str(error)]
    faults += unequal_measures(parts)[:1]
    measures = len(parts[0].findall("measure"))
    if abc is not None and (bars := count_bars(abc)) != measures:
        faults.append(f"{bars} bars became {measures} measures")
    return faults


def count_bars(abc: str) -> int:
    """The bars of the first voice of every line of the interleaved form."""
    lines = (split_line(line) for line in abc.splitlines() if line.startswith("[V:"))
    return sum(len(cut_bars(list(lex(line[0][1])))[1]) for line in lines if line)
