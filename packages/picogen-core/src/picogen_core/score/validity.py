"""Whether a MusicXML file is a sound rendering of the ABC that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from lxml import etree

from picogen_core.abc.interleaved.rests import cut_bars, split_line
from picogen_core.abc.reading.lexer import lex
from picogen_core.errors import BadInput
from picogen_core.score.limits import MAX_XML, ConversionError
from picogen_core.score.schema import schema_faults
from picogen_core.score.xml.notes import MAX_MEASURE
from picogen_core.score.xml.times import number


def validity_faults(xml: bytes, abc: str | None = None) -> list[str]:
    """What is wrong, in words; nothing for a valid file.

    Valid: it satisfies the MusicXML 4.0 schema, all parts of a measure end together, and, where
    its interleaved `abc` is given, so do all voices, and it has as many measures as that has bars.
    In other scores a voice may be incomplete: MusicXML requires no rests.

    Raises:
        BadInput: the schema is not installed (`pip install 'picogen-core[schema]'`).
    """
    faults = [f"schema: {fault}" for fault in schema_faults(xml)[:1]]
    try:
        parts: list[etree._Element] = parse_parts(xml)
    except ConversionError as error:
        return [*faults, str(error)]
    faults += unequal_measures(parts, complete=abc is not None)[:1]
    measures = len(parts[0].findall("measure"))
    if abc is not None and (bars := count_bars(abc)) != measures:
        faults.append(f"{bars} bars became {measures} measures")
    return faults


def count_bars(abc: str) -> int:
    """The bars of the first voice of every line of the interleaved form."""
    lines = (split_line(line) for line in abc.splitlines() if line.startswith("[V:"))
    return sum(len(cut_bars(list(lex(line[0][1])))[1]) for line in lines if line)


def parse_parts(xml: bytes) -> list[etree._Element]:
    """The parts of a score-partwise file; files that verovio could stumble over are refused.

    Raises:
        ConversionError: it does not parse, has no parts, or parts with different measure counts.
    """
    if len(xml) > MAX_XML:
        raise ConversionError(f"it has {len(xml):,} bytes; at most {MAX_XML:,} are read")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        score = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        raise ConversionError(f"it is no XML: {error}") from None
    if score.tag != "score-partwise":
        raise ConversionError(f"it is <{score.tag}>, not <score-partwise>")
    parts: list[etree._Element] = score.findall("part")
    counts = sorted({len(part.findall("measure")) for part in parts})
    if not counts:
        raise ConversionError("it has no parts")
    if len(counts) > 1:
        raise ConversionError(f"its parts have {', '.join(map(str, counts))} measures")
    if counts == [0]:
        raise ConversionError("its parts have no measures")
    return parts


def unequal_measures(parts: Sequence[etree._Element], complete: bool = True) -> list[str]:
    """Measures whose voices do not all end at the same time, over all parts; if not all voices
    need be `complete`, those whose parts do not."""
    faults = []
    try:
        ends_of = [_measure_ends(part) for part in parts]
    except BadInput as error:
        return [str(error)]
    for count, measures in enumerate(zip(*ends_of, strict=True), 1):
        ends = set().union(*(m if complete or not m else {max(m)} for m in measures))
        if len(ends) > 1:
            quarters = ", ".join(str(end) for end in sorted(ends))
            faults.append(f"the voices of measure {count} last {quarters} quarters")
    return faults


def _measure_ends(part: etree._Element) -> list[set[Fraction]]:
    """For each measure, where its voices end, in quarters from its start."""
    divisions = Fraction(1)
    measures: list[set[Fraction]] = []
    for measure in part.findall("measure"):
        now = Fraction(0)
        ends: dict[str, Fraction] = {}
        for element in measure:
            divisions = number(element, "divisions") or divisions
            if element.find("chord") is not None:
                continue
            length = (number(element, "duration") or Fraction(0)) / divisions
            now += -length if element.tag == "backup" else length
            if now > MAX_MEASURE:
                raise BadInput(f"measure {len(measures) + 1} is out of all proportion")
            if element.tag == "note" and element.find("grace") is None:
                ends[element.findtext("voice") or "1"] = now
        measures.append(set(ends.values()))
    return measures
