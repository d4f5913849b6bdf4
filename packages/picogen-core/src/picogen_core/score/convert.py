"""A text of ABC to files: repair, MusicXML, its check, and what is engraved from it."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

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
from picogen_core.score.limits import ConversionError, refuse_long_rests
from picogen_core.score.validity import parse_parts, unequal_measures, validity_faults
from picogen_core.xml_notes import unzip_mxl

MAX_TUNE_LINE = 16 * 1024
TARGETS = ("musicxml", "svg", "midi", "png", "wav")


@dataclass(frozen=True)
class Converted:
    """files: what follows the piece's name (`.musicxml`, `-2.svg`) -> the file's bytes."""

    files: dict[str, bytes] = field(default_factory=dict)
    repairs: tuple[Repair, ...] = ()
    warnings: tuple[str, ...] = ()


def convert_text(
    abc: str, targets: Sequence[str], converter: Converter, check: bool = False
) -> Converted:
    """Files of one tune: NotaGen's interleaved ABC, or ABC as people write it.

    With `check` its MusicXML has to be valid by `validity_faults`, else only its voices equal.

    Raises:
        BadInput: the text has no music that could be repaired, or a target is unknown.
        ConversionError: a converter refuses it, or its MusicXML is not sound.
    """
    repaired = repair(as_interleaved(abc))
    answer = converter.ask("musicxml", repaired.text)
    xml = answer.parts[0].encode()
    faults = validity_faults(xml, repaired.text) if check else unequal_measures(parse_parts(xml))
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
    midi, pages = _engrave(xml, targets, converter)
    for number, page in enumerate(pages, 1):
        end = "" if number == 1 else f"-{number}"
        if "svg" in targets:
            files[f"{end}.svg"] = page
        if "png" in targets:
            files[f"{end}.png"] = converter.to_png(page)
    if "midi" in targets:
        files[".mid"] = midi
    if "wav" in targets:
        files[".wav"] = converter.to_wav(midi)
    return files


def _engrave(
    xml: bytes, targets: Sequence[str], converter: Converter
) -> tuple[bytes, Sequence[bytes]]:
    """(MIDI, SVG pages) in one go, as far as the targets need them."""
    drawn, played = {"svg", "png"} & set(targets), {"midi", "wav"} & set(targets)
    if not drawn:
        return (converter.to_midi(xml) if played else b""), []
    if not played:
        return b"", converter.to_svg(xml)
    midi, *pages = converter.ask("midi+svg", xml.decode()).parts
    return base64.b64decode(midi), [page.encode() for page in pages]


def as_interleaved(abc: str) -> str:
    """The text, interleaved if people wrote it; its title and composer stay.

    Raises:
        BadInput: it is too long, a line of it is, or it cannot be interleaved.
        ConversionError: it rests over 64 bars at a time.
    """
    marked = strip_training_marks(abc, [])
    if any(VOICE_MARK.match(line.lstrip()) for line in marked.splitlines()):
        return abc
    if len(abc) > MAX_TEXT:
        raise BadInput(f"the text has {len(abc):,} characters; at most {MAX_TEXT:,} are read.")
    plain = drop_directives(drop_illegal_characters(abc, []), [])
    for number, line in enumerate(plain.splitlines(), 1):
        if len(line) > MAX_TUNE_LINE:
            raise BadInput(f"line {number} has {len(line):,} characters; at most {MAX_TUNE_LINE:,}")
    refuse_long_rests(plain)
    credits = [line for line in plain.splitlines() if re.match(r"[TC]:\s*\S", line)]
    return "\n".join([*credits[:4], interleave(plain)])


def read_musicxml(data: bytes) -> bytes:
    """The MusicXML of a file, compressed (`.mxl`) or plain, in UTF-8.

    Raises:
        BadInput: no score in the archive, or one that is too large.
        ConversionError: it is no score-partwise file.
    """
    xml = unzip_mxl(data) if data[:2] == b"PK" else data
    root = parse_parts(xml)[0].getroottree().getroot()
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))
