"""A text of ABC to files: repair, MusicXML, its check, and what is engraved from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lxml import etree

from picogen_core.abc.interleave import interleave
from picogen_core.abc.repair import MAX_TEXT, Repair, repair
from picogen_core.abc.repair.lines import (
    drop_directives,
    drop_illegal_characters,
    strip_training_marks,
)
from picogen_core.abc.rests import VOICE_MARK
from picogen_core.errors import BadInput
from picogen_core.score.helper import Converter
from picogen_core.score.limits import ConversionError

TARGETS = ("musicxml", "svg", "midi", "png", "wav")


@dataclass(frozen=True)
class Converted:
    """files: what follows the piece's name (`.musicxml`, `-2.svg`) -> the file's bytes."""

    files: dict[str, bytes] = field(default_factory=dict)
    repairs: tuple[Repair, ...] = ()
    warnings: tuple[str, ...] = ()


def convert_text(abc: str, targets: Sequence[str], converter: Converter) -> Converted:
    """Files of one tune: NotaGen's interleaved ABC, or ABC as people write it.

    Raises:
        BadInput: the text has no music that could be repaired, or a target is unknown.
        ConversionError: a converter refuses it, or its MusicXML is not sound.
    """
    repaired = repair(as_interleaved(abc))
    answer = converter.ask("musicxml", repaired.text)
    xml = answer.parts[0].encode()
    faults = unequal_measures(parse_parts(xml))
    if faults:
        raise ConversionError(f"the MusicXML is not sound: {faults[0]}")
    return Converted(engraved(xml, targets, converter), repaired.repairs, answer.warnings)


def engraved(xml: bytes, targets: Sequence[str], converter: Converter) -> dict[str, bytes]:
    """The target files of MusicXML.

    Raises:
        BadInput: a target is unknown.
        ConversionError: verovio, or `parse_parts`, refuses it.
    """
    unknown = [target for target in targets if target not in TARGETS]
    if unknown:
        raise BadInput(f"there is no format {unknown[0]!r}. Choose from {', '.join(TARGETS)}.")
    parse_parts(xml)
    files = {".musicxml": xml} if "musicxml" in targets else {}
    pages = converter.to_svg(xml) if {"svg", "png"} & set(targets) else []
    for number, page in enumerate(pages, 1):
        end = "" if number == 1 else f"-{number}"
        if "svg" in targets:
            files[f"{end}.svg"] = page
        if "png" in targets:
            files[f"{end}.png"] = converter.to_png(page)
    midi = converter.to_midi(xml) if {"midi", "wav"} & set(targets) else b""
    if "midi" in targets:
        files[".mid"] = midi
    if "wav" in targets:
        files[".wav"] = converter.to_wav(midi)
    return files


def as_interleaved(abc: str) -> str:
    """The text, interleaved if people wrote it; its title and composer stay."""
    marked = strip_training_marks(abc, [])
    if any(VOICE_MARK.match(line.lstrip()) for line in marked.splitlines()):
        return abc
    if len(abc) > MAX_TEXT:
        raise BadInput(f"the text has {len(abc):,} characters; at most {MAX_TEXT:,} are read.")
    plain = drop_directives(drop_illegal_characters(abc, []), [])
    credits = [line for line in plain.splitlines() if re.match(r"[TC]:\s*\S", line)]
    return "\n".join([*credits[:4], interleave(plain)])


def check_musicxml(xml: bytes) -> list[str]:
    """What is wrong with a MusicXML file, in words; nothing for a sound one.

    Sound: it parses, has parts and measures, all parts have equally many measures, and all voices
    of a measure last equally long in all parts.
    """
    try:
        return unequal_measures(parse_parts(xml))
    except ConversionError as error:
        return [str(error)]


def parse_parts(xml: bytes) -> list[etree._Element]:
    """The parts of a score-partwise file; files that verovio could stumble over are refused.

    Raises:
        ConversionError: it does not parse, has no parts, or parts with different measure counts.
    """
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


def unequal_measures(parts: Sequence[etree._Element]) -> list[str]:
    """Measures whose voices do not all end at the same time, over all parts."""
    faults = []
    for number, measures in enumerate(zip(*map(_measure_ends, parts), strict=True), 1):
        ends = set().union(*measures)
        if len(ends) > 1:
            quarters = ", ".join(str(end) for end in sorted(ends))
            faults.append(f"the voices of measure {number} last {quarters} quarters")
    return faults


def _measure_ends(part: etree._Element) -> list[set[Fraction]]:
    """For each measure, where its voices end, in quarters from its start."""
    divisions = 1
    measures = []
    for measure in part.findall("measure"):
        now = Fraction(0)
        ends: dict[str, Fraction] = {}
        for element in measure:
            divisions = int(element.findtext("divisions") or divisions)
            if element.find("chord") is not None:
                continue
            length = Fraction(int(element.findtext("duration") or 0), divisions)
            now += -length if element.tag == "backup" else length
            if element.tag == "note" and element.find("grace") is None:
                ends[element.findtext("voice") or "1"] = now
        measures.append(set(ends.values()))
    return measures
