"""The MusicXML 4.0 schema from local files, and what makes a score valid."""

import socket
import subprocess
import sys

import pytest
from picogen_core.errors import BadInput
from picogen_core.score import schema
from picogen_core.score.helper import Converter
from picogen_core.score.schema import load_schema, schema_faults
from picogen_core.score.validity import count_bars, validity_faults

PIECE = (
    "X:1\nT:Two\n%%score { 1 | 2 }\nL:1/8\nQ:1/4=90\nM:4/4\nK:Eb\nV:1 treble\nV:2 bass\n"
    '[V:1]|:"Cm"{d}c2 (3def !trill!g2 (ab)|[V:2]|:[C,E,G,]8|\n[V:1]c4- c4:|[V:2]z8:|\n'
)


@pytest.fixture(scope="module")
def xml():
    with Converter() as converter:
        return converter.to_musicxml(PIECE)


def test_a_score_of_ours_is_valid(xml):
    assert schema_faults(xml) == []
    assert validity_faults(xml, PIECE) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"<step>G</step>", b"<step>H</step>", "schema: line"),
        (b'placement="above"', b'placement="left"', "schema: line"),
        (b"<duration>", b"<lasting>", "it is no XML"),
        (b"<measure ", b"<bar ", "it is no XML"),
    ],
)
def test_the_schema_finds_what_is_wrong(xml, old, new, fault):
    assert old in xml
    assert any(fault in found for found in validity_faults(xml.replace(old, new, 1)))


def test_links_and_languages_are_part_of_the_schema(xml):
    linked = xml.replace(
        b"<part-list>",
        b'<credit><link xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="a"/>'
        b'<credit-words xml:lang="en">Hello</credit-words></credit><part-list>',
    )
    assert schema_faults(linked) == []
    assert "href" in schema_faults(linked.replace(b' xlink:href="a"', b""))[0]


def test_bars_have_to_become_measures(xml):
    assert count_bars(PIECE) == 2
    longer = PIECE + "[V:1]c8|[V:2]z8|\n"
    assert validity_faults(xml, longer) == ["3 bars became 2 measures"]


def test_voices_have_to_end_together(xml):
    faults = validity_faults(xml.replace(b"<type>eighth</type>", b"", 1))
    assert faults == []
    ends = xml.rfind(b"<duration>"), xml.rfind(b"</duration>")
    longer = xml[: ends[0]] + b"<duration>1" + xml[ends[1] :]
    assert validity_faults(longer)[0].startswith("the voices of measure 2 last")


def test_the_network_is_never_asked(xml, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a request was made")

    monkeypatch.setattr(socket, "socket", refuse)
    load_schema.cache_clear()
    assert schema_faults(xml) == []


def test_without_the_schema_the_way_to_it_is_told(monkeypatch):
    monkeypatch.setattr(schema.importlib.util, "find_spec", lambda name: None)
    load_schema.cache_clear()
    try:
        with pytest.raises(BadInput, match=r"pip install 'picogen-core\[schema\]'"):
            load_schema()
    finally:
        load_schema.cache_clear()


def test_nothing_of_the_wheel_is_imported():
    code = (
        "import sys; from picogen_core.score.schema import load_schema; load_schema(); "
        "print('musicxml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_duration_that_no_score_has_is_a_fault(xml):
    longer = xml.replace(b"<duration>", b"<duration>" + b"9" * 5000, 1)
    assert "measure 1 is out of all proportion" in validity_faults(longer)
