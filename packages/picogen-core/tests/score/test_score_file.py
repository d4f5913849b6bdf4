"""The kind of a file follows from its content, whatever its name."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from lxml import etree
from picogen_core.errors import BadInput
from picogen_core.score.file import decode, kind_of, read_scores
from picogen_core.score.xml.file import parse_score

SCORES = Path(__file__).parents[1] / "data" / "scores"
TUNE = "X:1\nT:É\nK:C\nCDEF|\n"
XML = (SCORES / "m33_float_duration.musicxml").read_bytes()


def zipped(data: bytes, container: bool) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if container:
            roots = '<container><rootfiles><rootfile full-path="a/b.xml"/></rootfiles></container>'
            archive.writestr("META-INF/container.xml", roots)
        archive.writestr("a/b.xml", data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (TUNE.encode(), "abc"),
        (TUNE.encode("utf-16"), "abc"),
        (TUNE.encode("latin-1"), "abc"),
        (TUNE.replace("\n", "\r").encode(), "abc"),
        (b"\xef\xbb\xbf[V:1]C|\n", "abc"),
        (XML, "musicxml"),
        (b"\xef\xbb\xbf \n" + XML, "musicxml"),
        (zipped(XML, True), "musicxml"),
        (b"!!!COM: x\n\n**kern\n4c\n*-\n", "kern"),
        ("**kern\n4c\n*-\n".encode("utf-16"), "kern"),
        ((SCORES / "d05_32nds.mid").read_bytes(), "midi"),
        (b"RIFF\x00\x00\x00\x00RMIDdata\x00\x00\x00\x00MThd", "midi"),
        (b"", None),
        (b"Dear reader,\nno music.\n", None),
        (bytes(range(256)), None),
    ],
)
def test_the_content_decides(data: bytes, kind: str | None) -> None:
    assert kind_of(data) == kind


@pytest.mark.parametrize("container", [True, False])
def test_a_zip_is_opened_with_or_without_its_list(container: bool) -> None:
    (score,) = read_scores(zipped(XML, container)).scores
    assert isinstance(score, bytes)
    assert etree.tostring(parse_score(score)) == etree.tostring(parse_score(XML))


def test_utf16_musicxml_and_books_of_many_line_ends() -> None:
    text = XML.decode().replace("UTF-8", "UTF-16")
    assert read_scores(text.encode("utf-16")).kind == "musicxml"
    book = "X:1\rK:C\rC|\r\n\rX:2\r\nK:C\nD|\r"
    assert read_scores(book.encode()).scores == ("X:1\nK:C\nC|\n", "X:2\nK:C\nD|\n")


def test_text_that_is_cut_within_a_letter_is_utf8_still() -> None:
    assert decode("aé".encode()[:-1]) == "a\ufffd"
    assert decode("aé".encode()) == "aé"
    assert decode(b"a\xe9b" + b" " * 8) == "aéb" + " " * 8


def test_what_is_no_score_says_so() -> None:
    with pytest.raises(BadInput, match="no ABC: it has no K: line"):
        read_scores(b"nothing")
