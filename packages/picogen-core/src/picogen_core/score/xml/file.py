"""The bytes of a MusicXML file as a tree: compressed or not, by part or measure, any encoding."""

from __future__ import annotations

import re
import zlib
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

from lxml import etree

from picogen_core.errors import BadInput
from picogen_core.score.file import MAX_BYTES, decode

_DECLARATION = re.compile(r"\A<\?xml\s[^>]*\?>")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufeff\ufffe\uffff]")
_PARTWISE, _TIMEWISE = "score-partwise", "score-timewise"


def unzip_mxl(data: bytes, most: int = MAX_BYTES) -> bytes:
    """Return the score in a compressed MusicXML file: the one its container names, else the first.

    Raises:
        BadInput: no zip, no score in it, encrypted, or more than `most` bytes when expanded.
    """
    try:
        with ZipFile(BytesIO(data)) as archive:
            return _expand(archive, _score_name(archive, most), most)
    except (
        BadZipFile, KeyError, StopIteration, RuntimeError, NotImplementedError, OSError,
        zlib.error, EOFError, ValueError,
    ) as error:  # fmt: skip
        raise BadInput(f"not a compressed MusicXML file ({type(error).__name__})") from None


def _score_name(archive: ZipFile, most: int) -> str:
    names = archive.namelist()
    if "META-INF/container.xml" in names:
        container = _tree(_expand(archive, "META-INF/container.xml", most))
        for file in container.iter("{*}rootfile"):
            if (name := str(file.get("full-path", ""))) in names:
                return name
    scores = (n for n in names if n.lower().endswith((".musicxml", ".xml")) and "META-INF" not in n)
    return next(scores)


def _expand(archive: ZipFile, name: str, most: int) -> bytes:
    with archive.open(name) as member:
        data = member.read(most + 1)
    if len(data) > most:
        raise BadInput(f"{name} expands to more than {most // 10**6} MB")
    return data


def _tree(data: bytes) -> Any:
    """Return the root.

    A wrong declaration of the encoding, text around the document and characters that XML forbids
    are tolerated.
    """
    try:
        return _parsed(data)
    except BadInput as error:
        try:
            return _parsed(_DECLARATION.sub("", _FORBIDDEN.sub("", decode(data)).strip()).encode())
        except BadInput:
            raise error from None


def _parsed(data: bytes) -> Any:
    """Return the root; the file's own entities are resolved, and external ones stay empty."""
    fault = ""
    for entities in ("internal", False):
        parser = etree.XMLParser(
            resolve_entities=entities,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            return etree.fromstring(data, parser)
        except etree.XMLSyntaxError as error:
            fault = fault or f"not well-formed XML: {error.msg}"
            if "Entity" not in fault:
                break
    raise BadInput(fault)


def parse_score(data: bytes) -> Any:
    """Return the root of a partwise score; a timewise one is converted, an .mxl expanded.

    Raises:
        BadInput: not XML, no score, or larger than `MAX_BYTES`.
    """
    if data[:2] == b"PK":
        data = unzip_mxl(data)
    if len(data) > MAX_BYTES:
        raise BadInput(f"larger than {MAX_BYTES // 10**6} MB")
    root = _tree(data)
    for element in root.iter("{*}*"):
        element.tag = etree.QName(element).localname
    etree.cleanup_namespaces(root)
    if root.tag == _TIMEWISE and root.find("measure") is not None:
        _by_part(root)
    if root.tag != _PARTWISE:
        raise BadInput(f"its root is <{root.tag}>; of MusicXML <{_PARTWISE}> is read")
    return root


def _by_part(root: Any) -> None:
    """Convert a score of measures with parts to one of parts with measures."""
    parts: dict[str, Any] = {}
    for measure in root.findall("measure"):
        root.remove(measure)
        for part in measure.findall("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = etree.SubElement(root, "part", id=name)
            part.tag = "measure"
            part.attrib.clear()
            part.attrib.update(measure.attrib)
            parts[name].append(part)
    root.tag = _PARTWISE
