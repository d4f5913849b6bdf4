"""The table of formats, and what follows from it."""

from collections.abc import Iterator

import pytest
from picogen_core.errors import BadInput
from picogen_core.generation.output import Score, write_score
from picogen_core.score.convert import engraved
from picogen_core.score.formats import FORMATS, SUFFIXES, TARGETS, Format, engraving_of
from picogen_core.score.helper import Converter

XML = b"""<score-partwise version="4.0"><part-list><score-part id="P1"><part-name/></score-part>
</part-list><part id="P1"><measure number="1"><attributes><divisions>1</divisions></attributes>
<note><pitch><step>C</step><octave>4</octave></pitch><duration>4</duration><type>whole</type>
</note></measure></part></score-partwise>"""


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    with Converter() as converter:
        yield converter


def test_the_table():
    assert TARGETS == ("abc", "musicxml", "svg", "png", "midi", "wav")
    assert SUFFIXES == (".abc", ".musicxml", ".mxl", ".xml", ".krn", ".mid", ".midi")
    assert [engraving_of(target) for target in ("musicxml", "png", "wav")] == [
        "musicxml", "svg", "midi",
    ]  # fmt: skip
    assert (FORMATS["png"].end_of(1), FORMATS["png"].end_of(3)) == (".png", "-3.png")


def test_a_format_is_one_entry_and_its_writer(tmp_path, monkeypatch, converter):
    new = Format(writes=".txt", paged=True, made_of="svg", writer="a_module:write")
    monkeypatch.setitem(FORMATS, "text", new)
    for module in ("convert", "formats"):
        monkeypatch.setattr(f"picogen_core.score.{module}.TARGETS", (*TARGETS, "text"))
    monkeypatch.setattr("picogen_core.generation.output.BESIDE", (*TARGETS[1:], "text"))
    monkeypatch.setattr(
        Converter, "write", lambda self, target, part: f"{target} {part[:4]!r}".encode()
    )
    assert engraved(XML, ["text"], converter) == {".txt": b"text b'<svg'"}
    for name in ("0001.txt", "0001-2.txt", "0001.mid", "0001.pdf", "00012.txt"):
        (tmp_path / name).write_text("old")
    write_score(tmp_path, Score("0001", "X:1\nK:C\nC|\n", {}))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0001.abc", "0001.json", "0001.pdf", "00012.txt",
    ]  # fmt: skip


def test_an_unknown_target_is_named(converter):
    with pytest.raises(BadInput, match=r"no format 'pdf'\. Choose from abc, musicxml"):
        engraved(XML, ["midi", "pdf"], converter)
