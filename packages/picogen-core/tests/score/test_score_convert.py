"""ABC to files: real conversions, nasty texts, and what the check finds."""

import base64
import random
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from lxml import etree
from picogen_core.abc.repair import repair
from picogen_core.errors import BadInput, PicogenError
from picogen_core.score.convert import convert_text, engraved
from picogen_core.score.helper import Converter
from picogen_core.score.limits import ConversionError
from picogen_core.score.validity import parse_parts, unequal_measures

NASTY = Path(__file__).parents[1] / "data" / "nasty"
ONEILL = """X:7
T:The Blackbird's Nest
C:Traditional
M:6/8
L:1/8
Q:3/8=110
K:G
|: D | G2G BAG | A>BA d2B | (3ABc d edB | GAB A2 :|
|: d | e2e edB | [1 dBG A2B :| [2 dBG G2 |]
"""


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    with Converter() as converter:
        yield converter


def text(name: str) -> str:
    return (NASTY / f"{name}.abc").read_text()


def musicxml(abc: str, converter: Converter) -> etree._Element:
    return etree.fromstring(convert_text(abc, ["musicxml"], converter).files[".musicxml"])


def measures(score: etree._Element) -> list[int]:
    return [len(part.findall("measure")) for part in score.findall("part")]


def sounding(part: etree._Element) -> list[tuple[str, Fraction]]:
    """(step and octave, quarters) of the notes of a part with one voice."""
    divisions = int(part.findtext(".//divisions") or 0)
    return [
        (
            f"{note.findtext('pitch/step')}{note.findtext('pitch/octave')}",
            Fraction(int(note.findtext("duration") or 0), divisions),
        )
        for note in part.iter("note")
        if note.find("pitch") is not None and note.find("grace") is None
    ]


def test_a_tune_as_people_write_it(converter):
    score = musicxml(ONEILL, converter)
    assert measures(score) == [9]
    assert score.findtext("work/work-title") == "The Blackbird's Nest"
    assert score.findtext("identification/creator[@type='composer']") == "Traditional"
    assert score.find(".//sound").get("tempo") == "165.00"
    assert score.findtext(".//key/fifths") == "1"
    assert (score.findtext(".//beats"), score.findtext(".//beat-type")) == ("6", "8")
    assert [r.get("direction") for r in score.iter("repeat")].count("backward") == 2
    half, quarter, third = Fraction(1, 2), Fraction(1), Fraction(1, 3)
    notes = sounding(score.find("part"))
    assert notes[:5] == [("D4", half), ("G4", quarter), ("G4", half), ("B4", half), ("A4", half)]
    assert ("A4", Fraction(3, 4)) in notes and ("A4", third) in notes


def test_a_chorale_has_a_line_a_measure_and_its_voices_together(converter):
    score = musicxml(text("chorale"), converter)
    parts = score.findall("part")
    assert measures(score) == [5, 5]
    assert [p.text for p in score.iter("part-name")] == ["Soprano", "Tenor"]
    voices = [{n.findtext("voice") for n in part.iter("note")} for part in parts]
    assert [len(names) for names in voices] == [2, 2]
    pitched = [n for n in parts[0].iter("note") if n.findtext("voice") == "1"]
    assert [n.findtext("pitch/step") for n in pitched][:5] == ["G", "G", "A", "B", "C"]


def test_rests_left_out_are_given_back_in_the_score(converter):
    score = musicxml(text("reduced"), converter)
    assert measures(score) == [4, 4]
    assert [n.findtext("pitch/step") for n in score.findall("part")[1].iter("note")] == [
        "C",
        None,
        "F",
        "C",
    ]


def test_the_same_text_gives_the_same_file(converter):
    first, second = (
        convert_text(text("chorale"), ["musicxml", "midi"], converter).files for _ in range(2)
    )
    assert first == second


def test_engraving_without_verovio_says_what_to_install(monkeypatch):
    from picogen_core.score import engrave

    monkeypatch.setitem(sys.modules, "verovio", None)
    with pytest.raises(ConversionError, match="pip install verovio"):
        engrave.load_verovio()


def test_svg_and_midi(converter):
    pytest.importorskip("verovio")
    long = text("tune") + "[V:1]d3 d2z|\n" * 300
    files = convert_text(long, ["svg", "midi"], converter).files
    assert list(files)[:3] == [".svg", "-2.svg", "-3.svg"]
    assert list(files)[-1] == ".mid"
    page = etree.fromstring(files[".svg"])
    assert page.tag.endswith("svg")
    assert sum("note" in (g.get("class") or "").split() for g in page.iter("{*}g")) > 50
    assert files[".mid"][:4] == b"MThd"
    track = files[".mid"]
    note_ons = sum(1 for i in range(len(track) - 2) if track[i] == 0x90 and track[i + 2] > 0)
    assert note_ons > 600


def test_a_score_that_is_not_sound_is_not_engraved(converter):
    with pytest.raises(ConversionError, match="it is <svg>"):
        engraved(b"<svg/>", ["svg"], converter)


def test_an_unknown_target(converter):
    with pytest.raises(BadInput, match="there is no format 'pdf'"):
        convert_text(text("tune"), ["pdf"], converter)


@pytest.mark.parametrize("field", ["M:{}/4\nK:C\nC4|", "K:C\nC4 [ M :{}/4]|", "K:C\n[M:{}/4]C|"])
def test_a_meter_runs_no_code(field, tmp_path, monkeypatch):
    """abc2xml itself would evaluate it."""
    monkeypatch.chdir(tmp_path)
    with Converter() as converter:
        xml = converter.to_musicxml("X:1\n" + field.format("__import__('os').mkdir('ran')") + "\n")
    assert b"<step>C</step>" in xml
    assert list(tmp_path.iterdir()) == []


def test_an_include_reads_no_file(converter, tmp_path):
    secret = tmp_path / "secret.abc"
    secret.write_text("GGGG|\n")
    lines = f"%%abc-include {secret}\nI:abc-include {secret}\n"
    raw = converter.to_musicxml(f"{lines}X:1\nK:C\n{lines}C4|\n{lines}")
    mended = convert_text(f"{lines}[V:1]C4|\n{lines}", ["musicxml"], converter).files[".musicxml"]
    for xml in (raw, mended, converter.to_musicxml(text("include").replace("__", ""))):
        assert b"<step>C</step>" in xml
        assert b"root:" not in xml
    assert b"<step>G</step>" not in raw + mended


def test_rests_of_many_bars(converter):
    with pytest.raises(ConversionError, match="over 64 bars"):
        converter.to_musicxml("X:1\nK:C\nZ99999999|\n")
    assert measures(musicxml(text("bar_rests"), converter)) == [2]


@pytest.mark.parametrize(
    "abc",
    [
        "X:1\nK:C\n" + "C" * 100_000,
        "X:1\nT:Only a header\nK:C\n",
        text("header_only"),
        "[" * 30_000,
        "",
    ],
    ids=["one long line", "header, plain", "header, interleaved", "brackets", "nothing"],
)
def test_hopeless_texts_are_refused_in_one_line(abc, converter):
    with pytest.raises(PicogenError) as refused:
        convert_text(abc, ["musicxml"], converter)
    assert "\n" not in str(refused.value)


def test_nested_brackets_cost_only_their_line(converter):
    assert measures(musicxml(text("tune") + "[V:1]" + "[" * 30_000 + "\n", converter)) == [6]


SIGNS = "CDEFGABcdefgabz0123456789/|[](){}<>\"!:-^_=,'~.VKMLZx &%$\n+"


def mutant(abc: str, chance: random.Random) -> str:
    """The text with six characters of its body lost, added, changed or moved."""
    body = abc.index("[V:")
    for _ in range(6):
        i = chance.randrange(body, len(abc))
        kind = chance.randrange(4)
        if kind == 0:
            abc = abc[:i] + abc[i + chance.randrange(1, 8) :]
        elif kind == 1:
            abc = abc[:i] + chance.choice(SIGNS) + abc[i:]
        elif kind == 2:
            abc = abc[:i] + chance.choice(SIGNS) + abc[i + 1 :]
        else:
            j = chance.randrange(body, len(abc))
            abc = abc[:i] + abc[j : j + 8] + abc[i:]
    return abc[: chance.randrange(len(abc) * 2 // 3, len(abc) + 1)]


def test_mutated_texts_convert_and_check(converter):
    chance = random.Random(11)
    sources = [text("tune"), text("chorale"), text("reduced")]
    faults = []
    for i in range(60):
        abc = mutant(sources[i % 3], chance)
        try:
            mended = repair(abc)
            xml = converter.to_musicxml(mended.text)
        except PicogenError as error:
            faults.append(str(error))
            continue
        faults += unequal_measures(parse_parts(xml))[:1]
        assert repair(mended.text).text == mended.text
    assert len(faults) <= 6, faults


def score(*parts: str) -> bytes:
    named = "".join(f'<part id="P{i}">{part}</part>' for i, part in enumerate(parts))
    return f"<score-partwise>{named}</score-partwise>".encode()


def measure(*durations: int) -> str:
    notes = "".join(
        f"<note><rest/><duration>{d}</duration><voice>1</voice></note>" for d in durations
    )
    return f"<measure><attributes><divisions>2</divisions></attributes>{notes}</measure>"


@pytest.mark.parametrize(
    ("xml", "fault"),
    [
        (b"no xml", "it is no XML"),
        (b"<html/>", "it is <html>"),
        (score(), "it has no parts"),
        (score(""), "its parts have no measures"),
        (score(measure(4), measure(4) * 2), "its parts have 1, 2 measures"),
        (score(measure(4), measure(3)), "the voices of measure 1 last 3/2, 2 quarters"),
    ],
)
def test_the_check_names_the_fault(xml, fault):
    try:
        found = unequal_measures(parse_parts(xml))[0]
    except ConversionError as error:
        found = str(error)
    assert found.startswith(fault)


def test_the_check_passes_sound_scores():
    backed_up = measure(2, 2).replace(
        "</measure>",
        "<backup><duration>4</duration></backup>"
        "<note><rest/><duration>4</duration><voice>2</voice></note></measure>",
    )
    assert unequal_measures(parse_parts(score(measure(2, 2), measure(4), backed_up))) == []
    early = backed_up.replace("<duration>4</duration><voice>2", "<duration>3</duration><voice>2")
    assert unequal_measures(parse_parts(score(early))) == [
        "the voices of measure 1 last 3/2, 2 quarters"
    ]


def test_midi_is_bytes(converter):
    pytest.importorskip("verovio")
    xml = converter.to_musicxml(text("tune"))
    assert converter.to_midi(xml) == base64.b64decode(
        converter.request("midi", xml.decode()).parts[0]
    )
