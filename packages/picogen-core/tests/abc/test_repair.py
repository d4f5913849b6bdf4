"""Repairs: each mends what it names, and clean pieces come back as they were."""

import time
from pathlib import Path

import pytest
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.repair import repair
from picogen_core.errors import BadInput

NASTY = Path(__file__).parents[1] / "data" / "nasty"
HEADER = "L:1/8\nM:4/4\nK:C\nV:1 treble\n"
TWO = "L:1/8\nM:4/4\nK:C\nV:1 treble\nV:2 bass\n"


def names(repaired):
    return {mended.name: mended.count for mended in repaired.repairs}


def mended(body, header=HEADER):
    """The body after repair, and the names of the repairs."""
    repaired = repair(header + body)
    assert repaired.text.startswith(header)
    return repaired.text[len(header) :], names(repaired)


@pytest.mark.parametrize("name", ["tune", "chorale"])
def test_a_clean_piece_comes_back_as_it_was(name):
    text = (NASTY / f"{name}.abc").read_text()
    repaired = repair(text)
    assert repaired.text == text
    assert repaired.repairs == ()


def test_real_tunes_come_back_as_they_were():
    """Tunes from music21's own corpus; slurs that never end are left alone."""
    from music21 import corpus

    book = Path(next(p for p in corpus.getPaths() if p.match("oneills1850/*0101-0200.abc")))
    tunes = ["X:" + tune for tune in book.read_text(encoding="utf-8").split("\nX:")[1:51]]
    pieces = [interleave(tune) for tune in tunes]
    changed = [repair(piece) for piece in pieces if repair(piece).text != piece]
    assert changed == []


def test_a_real_chorale_comes_back_as_it_was(tmp_path):
    import subprocess
    import sys

    from music21 import corpus

    score = corpus.parse("bwv66.6").write("musicxml", tmp_path / "chorale.xml")
    command = [sys.executable, "-m", "abctoolkit.xml2abc", "-d", "8", "-c", "6", "-x", str(score)]
    abc = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    piece = interleave(abc)
    assert piece.count("[V:4]") == 10
    assert repair(piece).text == piece


def test_rests_come_back():
    repaired = repair((NASTY / "reduced.abc").read_text())
    assert repaired.text.split("V:3 bass\n")[1].splitlines() == [
        "[V:1]E2|[V:2]x2|[V:3]C2|",
        "[V:1]c2 d2 e2|[V:2]x6|[V:3]z6|",
        "[V:1]f2 e2 d2|[V:2]A6|[V:3]F,6|",
        "[V:1]z4|][V:2]x4|][V:3]C,4|]",
    ]
    assert names(repaired) == {"strip training marks": 4, "complete rests": 5}


@pytest.mark.parametrize(
    ("body", "after", "repair_name"),
    [
        ("[V:1]C4 E\x014|\n", "[V:1]C4 E4|\n", "drop illegal characters"),
        ("[V:1]C4 é4|\n", "[V:1]C4 |\n", "drop bad symbols"),
        ("[V:1]C4 'E4|\n", "[V:1]C4 E4|\n", "drop bad symbols"),
        ("[V:1]C4 E4| % hi\n", "[V:1]C4 E4| \n", "drop bad symbols"),
        ('[V:1]C4 "E4|\n', "[V:1]C4 E4|\n", "drop bad symbols"),
        ("[V:1]C4 !l E4|\n", "[V:1]C4  E4|\n", "drop bad symbols"),
        ("[V:1]C4 [CE4|\n", "[V:1]C4 CE4|\n", "drop stray brackets"),
        ("[V:1]C4 E]4|\n", "[V:1]C4 E4|\n", "drop stray brackets"),
        ("[V:1]C4 {de E4|\n", "[V:1]C4 de E4|\n", "drop bad symbols"),
        ('[V:1]C4 {d2"x"} E4|\n', "[V:1]C4  E4|\n", "drop bad graces"),
        ("[V:1]C4 |E4)|)\n", "[V:1]C4 |E4)|\n", "balance slurs"),
        ("[V:1]((((((((C4 E4|\n", "[V:1]((((((C4 E4|\n", "balance slurs"),
        ("[V:1]C4 ZE|\n", "[V:1]C4 zE|\n", "mend bar rests"),
        ("[V:1]C0 E99999|\n", "[V:1]C E|\n", "mend lengths"),
        ("[V:1]C/7 E/0 [C999E]2|\n", "[V:1]C E [CE]2|\n", "mend lengths"),
        ("[V:1]B,'' ^/c|\n", "[V:1]B, ^c|\n", "mend pitches"),
        ("[V:1](3CD|\n", "[V:1]CD|\n", "drop short tuplets"),
        ("[V:1](0CDE|\n", "[V:1]CDE|\n", "drop short tuplets"),
        ("[V:1]>C E<|\n", "[V:1]C E|\n", "mend broken rhythms"),
        ("[V:1]A>B>C|\n", "[V:1]A>B3/2C/|\n", "mend broken rhythms"),
        ("[V:1]A>{g}B|\n", "[V:1]A3/2{g}B/|\n", "mend broken rhythms"),
        ("[V:1]A>>>B|\n", "[V:1]A15/8B/8|\n", "mend broken rhythms"),
        ("[V:1]-C4 z-|\n", "[V:1]C4 z|\n", "drop stray ties"),
        ("[V:1]C4[K:Q] [M:0/4]E4|\n", "[V:1]C4 E4|\n", "drop bad fields"),
        ("[V:1]C4!a b!E4|\n", "[V:1]C4E4|\n", "drop bad decorations"),
        ("[V:1]C4 [2E4|\n", "[V:1]C4 E4|\n", "mend barlines"),
        ("[V:1]C4:|]|\n", "[V:1]C4:|\n", "mend barlines"),
        ("[V:1]C4|\n[V:1]||E4|\n", "[V:1]C4|\n[V:1]E4|\n", "drop leading barlines"),
        ("[V1]C4|\n", "[V:1]C4|\n", "mend voice marks"),
        ("[V:1]C4\nE4|\n", "[V:1]C4 E4|\n", "join broken lines"),
        ("[V:1]C4|\nw:la la\n", "[V:1]C4|\n", "join broken lines"),
        ("[V:1]C4|\n[V:1]D2", "[V:1]C4|\n", "drop cut off line"),
        ("[V:1]C4\n[V:1]D4|\n", "[V:1]C4|\n[V:1]D4|\n", "align bars"),
        ("[V:1]Z9|\n", "[V:1]z8|\n", "align bars"),
    ],
)
def test_one_voice(body, after, repair_name):
    text, done = mended(body)
    assert text == after
    assert repair_name in done


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ("[V:1]C4 D4|[V:2]E6|\n", "[V:1]C4 D4|[V:2]E6z2|\n"),
        ("[V:1]C4 D4|[V:2]E6 F4|\n", "[V:1]C4 D4|[V:2]E6z2|\n"),
        (
            "[V:1]C4 D4|[V:2]E6 (F4|\n[V:1]C8|[V:2]E8)|\n",
            "[V:1]C4 D4|[V:2]E6z2|\n[V:1]C8|[V:2]E8|\n",
        ),
        ("[V:1]C4E4|[V:2]C4[L:1/16]E4|\n", "[V:1]C4E4|[V:2]C4E4|\n"),
        ("[V:1]C4|[V:2]|\n", "[V:1]C4|[V:2]z4|\n"),
        ("[V:1]C4&E4|[V:2]C4|\n", "[V:1]C4&E4|[V:2]C4|\n"),
        ("[V:1]C2&E4|[V:2]C4|\n", "[V:1]C2z2&E4|[V:2]C4|\n"),
        ("[V:1]C4&E2&|[V:2]C4|\n", "[V:1]C4&E2x2|[V:2]C4|\n"),
        ("[V:1]C6&E2|[V:2]C4|\n[V:1]C4|[V:2]C4|\n", "[V:1]C6&E2x4|[V:2]C4z2|\n[V:1]C4|[V:2]C4|\n"),
        ("[V:1]C4|[V:2]E2|E2|\n", "[V:1]C4|[V:2]E2E2|\n"),
        ("[V:1]C4:|[V:2]E4|\n", "[V:1]C4:|[V:2]E4:|\n"),
        ("[V:1]C2|[V:2]E2|\n", "[V:1]C2|[V:2]E2|\n"),  # a pickup
        ("[V:1]C4|[V:2]E4|[V:1]D4|[V:2]F4|\n", "[V:1]C4|[V:2]E4|\n[V:1]D4|[V:2]F4|\n"),
        ("[V:1]C8|[V:7]E8|\n" + "[V:1]C8|[V:2]E8|\n" * 3, "[V:1]C8|[V:2]E8|\n" * 4),
        ("[V:1](3CDEF6|[V:2](3CDE(3FGA(3cde|\n", "[V:1](3CDEF6|[V:2](3CDE(3FGA(3cdez2|\n"),
    ],
)
def test_two_voices(body, after):
    assert mended(body, TWO)[0] == after


def test_a_unit_that_only_lengthens_bars_goes_and_one_that_fits_stays():
    lines = "[V:1]C8|[V:2]{}E8|\n[V:1]C8|[V:2]E8|\n"
    repaired = repair(TWO + lines.format("[L:1/16]"))
    assert repaired.text == TWO + lines.format("")
    assert names(repaired) == {"drop stray units": 1}
    alone = HEADER + "[V:1]C4[L:1/16]E4|\n"
    assert repair(alone).text == alone
    fits = TWO + "[V:1]C8|[V:2][L:1/16]E16|\n[V:1]C8|[V:2]E16|\n"
    assert repair(fits).text == fits


def test_the_majority_is_the_reference():
    three = TWO + "V:3 bass\n"
    body, _ = mended("[V:1]C4 C2|[V:2]E8|[V:3]G8|\n", three)
    assert body == "[V:1]C4 C2z2|[V:2]E8|[V:3]G8|\n"


def test_a_body_alone_gets_a_header():
    repaired = repair("[V:1]C4|[V:2]E4|\n")
    assert repaired.text.splitlines()[:5] == ["L:1/8", "M:none", "K:C", "V:1 treble", "V:2 treble"]
    assert names(repaired) == {"define voices": 2, "complete header": 3}


def test_the_header_keeps_what_is_legal_and_drops_the_rest():
    header = (
        "%Baroque\n%end\nX:1\nT:Été 50%\nC:Me\nR:reel\n%%MIDI program 1\n%%score ( 1 2\n"
        'L:1/7\nQ:fast\nM:4/4\nM:3/4\nK:G#maj\nV:1 treble nm="A"\nV:1 bass\nV:2 bass\n'
    )
    repaired = repair(header + "[V:1]C4|[V:2]E4|\n")
    assert repaired.text.split("[V:1]")[0] == (
        'X:1\nT:Été 50\nC:Me\nL:1/8\nM:4/4\nK:C\nV:1 treble nm="A"\nV:2 bass\n'
    )


def test_a_score_line_gets_the_voices_it_lacks():
    repaired = repair("%%score { 1 | 2 }\n" + TWO + "V:3 bass\n[V:1]C|[V:2]C|[V:3]C|\n")
    assert repaired.text.startswith("%%score { 1 | 2 } 3\n")


def test_nothing_is_ever_included():
    repaired = repair((NASTY / "include.abc").read_text())
    assert "include" not in repaired.text and "import" not in repaired.text
    assert repaired.text.endswith("[V:1]CDEF GABc|\n[V:1]c4 C4|]\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "[V:1]|\n",
        "no music at all",
        (NASTY / "header_only.abc").read_text(),
        "[V:1]%C4|\n",
    ],
)
def test_music_is_never_invented(text):
    with pytest.raises(BadInput, match="no music"):
        repair(text)


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(BadInput, match="300,005 characters"):
        repair("[V:1]" + "C" * 300_000)


@pytest.mark.parametrize(
    "line",
    [
        "[" * 30_000,
        "[V:1]" + "C" * 60_000,
        "[V:1]" + "[C " * 1300,
        "[V:1][" + "C11" * 1000,
        "[V:1]" + "{(" * 2000,
        "[V:1]" + "[K:" * 1300,
        "[V:1]" + ":" * 4000,
        "[V:1]" + "(3" * 2000 + "C|",
        "[V:1]" + "C>" * 2000 + "C|",
        "".join(f"[V:{i}]C|" for i in range(400)),
    ],
    ids=lambda line: line[:12],
)
def test_hostile_lines_cost_little(line):
    """A bound on CPU time so wide that only an exponential or a cubic cost exceeds it."""
    begun = time.process_time()
    repaired = repair(f"{HEADER}[V:1]C4|\n{line}\n")
    assert time.process_time() - begun < 20
    assert "[V:1]C4|" in repaired.text
    assert repair(repaired.text).text == repaired.text


def test_long_lines_go():
    repaired = repair(f"{HEADER}[V:1]C4|\n[V:1]{'C' * 5000}|\n")
    assert repaired.text == f"{HEADER}[V:1]C4|\n"
    assert names(repaired) == {"drop long lines": 1}
