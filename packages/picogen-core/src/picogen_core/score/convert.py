"""A text of ABC to files: repair, MusicXML, its check, and what is engraved from it."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from lxml import etree

from picogen_core.abc.compare import Difference, Heard, differences
from picogen_core.abc.counters import take_counters
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.reading.mend import mend, write_bars
from picogen_core.abc.reading.notes import read_tune
from picogen_core.abc.reading.tune import is_interleaved, names_one_voice
from picogen_core.abc.repair import MAX_TEXT, Repair, repair
from picogen_core.abc.repair.align import pad_bars
from picogen_core.errors import BadInput
from picogen_core.score.formats import FORMATS, TARGETS, engraving_of, refuse_unknown
from picogen_core.score.helper import Converter
from picogen_core.score.limits import ConversionError, refuse_long_rests
from picogen_core.score.validity import parse_parts, unequal_measures, validity_faults
from picogen_core.score.xml.file import parse_score
from picogen_core.score.xml.notes import read_xml_score

MAX_TUNE_LINE = 16 * 1024

_PROPERTIES = re.compile(r"^\[V:[ \t]*[^\s\]]+[ \t]+[^\s\]]", re.M)


@dataclass(frozen=True)
class Converted:
    """files: what follows the piece's name (`.musicxml`, `-2.svg`) -> the file's bytes;
    differences: bars whose notes are not those of the source."""

    files: dict[str, bytes] = field(default_factory=dict)
    repairs: tuple[Repair, ...] = ()
    warnings: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()


def convert_text(
    abc: str,
    targets: Sequence[str],
    converter: Converter,
    check: bool = False,
    exact: bool = False,
) -> Converted:
    """Files of one tune: NotaGen's interleaved ABC, or ABC as people write it.

    What a model wrote may be damaged, so repairs may change its notes; not so where it is `exact`.

    The notes of the MusicXML are compared with those of the text; bars that the converter reads
    otherwise are given to it as bare notes. With `check` its MusicXML has to be valid by
    `validity_faults`, else only its voices equal.

    Raises:
        BadInput: the text has no music that could be repaired, or a target is unknown.
        ConversionError: a converter refuses it, or its MusicXML is not sound.
    """
    ready = prepare_abc(abc, exact)
    xml, warnings, left = _musicxml(ready, converter)
    faults = validity_faults(xml, ready.text) if check else unequal_measures(parse_parts(xml))
    if faults:
        raise ConversionError(f"the MusicXML is not sound: {faults[0]}")
    files = engraved(xml, [target for target in targets if target != "abc"], converter)
    if "abc" in targets:
        files[".abc"] = ready.text.encode()
    return Converted(files, ready.repairs, warnings, (*map(str, ready.left), *left))


@dataclass(frozen=True)
class Ready:
    """A tune ready for the converter: what was repaired, and the bars that are not as they were."""

    text: str
    repairs: tuple[Repair, ...] = ()
    left: tuple[Difference, ...] = ()


def prepare_abc(abc: str, exact: bool = False) -> Ready:
    """The text interleaved, if people wrote it, and repaired; then and if it is `exact`, with all
    of its notes.

    Raises:
        BadInput: it has no music that could be repaired, or is too long.
    """
    if is_marked(abc) and not exact:
        repaired = repair(abc)
        return Ready(repaired.text, repaired.repairs)
    source = Heard.of(*read_tune(abc))
    repaired = repair(as_interleaved(abc, source))
    made = mend(repaired.text, source)
    if not made.mended:
        return Ready(made.text, repaired.repairs, made.left)
    kept = Repair("keep notes", len(made.mended), str(made.mended[0]))
    return Ready(pad_bars(made.text), (*repaired.repairs, kept), made.left)


def is_marked(abc: str) -> bool:
    """Whether the text has NotaGen's form: a line holds the bars of all voices, or of the one, and
    marks name voices and nothing of them."""
    if _PROPERTIES.search(abc):
        return False
    marked = take_counters(abc)[0]
    return is_interleaved(abc) or is_interleaved(marked) or names_one_voice(marked)


def _musicxml(ready: Ready, converter: Converter) -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    """MusicXML with the notes of the text, warnings, and bars where that could not be had."""
    source = Heard.of(*read_tune(ready.text))
    answer = converter.request("musicxml", ready.text)
    xml = answer.parts[0].encode()
    found = _differ(source, xml)
    if found:
        bars = {(difference.voice, difference.bar - 1) for difference in found}
        again = (
            converter.request("musicxml", write_bars(ready.text, source, bars)).parts[0].encode()
        )
        left = _differ(source, again)
        if len(left) < len(found):
            xml, found = again, left
    return xml, answer.warnings, tuple(map(str, found))


def _differ(source: Heard, xml: bytes) -> list[Difference]:
    score = read_xml_score(xml)
    return differences(source, Heard.of(score.voices, score.all_bars()))


def convert_musicxml(xml: bytes, targets: Sequence[str], converter: Converter) -> Converted:
    """Files of a MusicXML score, which is engraved as it stands.

    Raises:
        BadInput, ConversionError: as `engraved`, or it has no notes for ABC.
    """
    files = engraved(xml, [target for target in targets if target != "abc"], converter)
    if "abc" not in targets:
        return Converted(files)
    answer = converter.request("abc", xml.decode())
    files[".abc"] = answer.parts[0].encode()
    return Converted(files, differences=answer.warnings)


def engraved(xml: bytes, targets: Sequence[str], converter: Converter) -> dict[str, bytes]:
    """The target files of MusicXML.

    Raises:
        BadInput: a target is unknown.
        ConversionError: verovio, or `parse_parts`, refuses it.
    """
    refuse_unknown(targets)
    parse_parts(xml)
    parts = _engrave(xml, {engraving_of(target) for target in targets}, converter)
    parts["musicxml"] = [xml]

    def make(target: str) -> list[bytes]:
        made = FORMATS[target]
        if target not in parts:
            parts[target] = [converter.write(target, part) for part in make(made.made_of)]
        return parts[target]

    return {
        FORMATS[target].end_of(page): part
        for target in TARGETS
        if target in targets
        for page, part in enumerate(make(target), 1)
    }


def _engrave(xml: bytes, wanted: Set[str], converter: Converter) -> dict[str, list[bytes]]:
    """MIDI and SVG pages, in one go if both are wanted."""
    parts: dict[str, list[bytes]] = {}
    if {"midi", "svg"} <= wanted:
        midi, *pages = converter.request("midi+svg", xml.decode()).parts
        parts["midi"], parts["svg"] = [base64.b64decode(midi)], [page.encode() for page in pages]
    elif "midi" in wanted:
        parts["midi"] = [converter.to_midi(xml)]
    elif "svg" in wanted:
        parts["svg"] = converter.to_svg(xml)
    return parts


def as_interleaved(abc: str, source: Heard | None = None) -> str:
    """The text, interleaved if people wrote it; its title and composer stay.

    Raises:
        BadInput: it is too long, a line of it is, it rests over 64 bars at a time, or it cannot be
            interleaved.
    """
    if is_marked(abc):
        return abc
    if len(abc) > MAX_TEXT:
        raise BadInput(f"the text has {len(abc):,} characters; at most {MAX_TEXT:,} are read.")
    for number, line in enumerate(abc.splitlines(), 1):
        if len(line) > MAX_TUNE_LINE:
            raise BadInput(f"line {number} has {len(line):,} characters; at most {MAX_TUNE_LINE:,}")
    refuse_long_rests(abc)
    credit = [line for line in abc.splitlines() if re.match(r"[TC]:\s*\S", line)]
    made = mend(interleave(abc, sounding=False), source or Heard.of(*read_tune(abc)))
    return "\n".join([*credit[:4], made.text])


def read_musicxml(data: bytes) -> bytes:
    """The MusicXML of a file, compressed (`.mxl`) or plain, by part, in UTF-8. Parts that end early
    get empty measures.

    Raises:
        BadInput: no score in it, or one that is too large.
        ConversionError: its parts cannot be engraved.
    """
    root = parse_score(data)
    parts = root.findall("part")
    longest = max((len(part.findall("measure")) for part in parts), default=0)
    for part in parts:
        for number in range(len(part.findall("measure")), longest):
            etree.SubElement(part, "measure", number=str(number + 1))
    xml = bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))
    parse_parts(xml)
    return xml
