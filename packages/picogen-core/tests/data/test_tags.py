"""Tags: where they come from, what they look like in front of a piece, and what reports them."""

from pathlib import Path
from typing import Any

import pytest
from picogen_core import BadInput
from picogen_core.abc.patches import decode
from picogen_core.data.prepare import prepare
from picogen_core.data.prepared.index import open_data
from picogen_core.data.prepared.info import describe
from picogen_core.data.prepared.store import encode_piece, from_encoded
from picogen_core.data.tag_table import read_tags
from picogen_core.data.tags import LONGEST, Triple, count_tags, known_tags, tags_of
from picogen_core.data.types import SourcePiece

BACH = Triple("Baroque", "Bach, Johann Sebastian", "Keyboard")
HEADER = "path,period,composer,instrumentation\n"


def piece(name: str, number: int = 1, provenance: str = "") -> SourcePiece:
    bars = "|".join("CDEFGABc"[(number * k) % 5 :][:4] for k in range(1, 9))
    return SourcePiece(name, f"X:1\nL:1/4\nM:4/4\nK:C\nC{number}|{bars}|]\n", provenance, "CC0")


def table(folder: Path, text: str, name: str = "tags.csv") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_a_table_tags_pieces_in_every_key_and_says_what_is_left_over(tmp_path: Path):
    rows = (
        'b.abc#1,Baroque,"Bach, Johann Sebastian",Keyboard\nc.abc,Romantic,"Dvořák, A.",%Choral\n'
        "d.abc,,,\ngone.abc,Romantic,Nobody,Choral\n"
    )
    pieces = [piece(name, i + 1) for i, name in enumerate(("a.abc", "b.abc#1", "c.abc#7", "d.abc"))]
    tags = read_tags(table(tmp_path, HEADER + rows))
    prepared = prepare(pieces, tmp_path / "data", keys="2", tags=tags)
    data = prepared.dataset
    heads = [decode(data[i].patches).split("%end\n")[0] for i in range(8)]
    assert heads[2:4] == ["%Baroque\n%Bach, Johann Sebastian\n%Keyboard\n"] * 2
    assert heads[4:6] == ["%Romantic\n%Dvorak, A.\n%Choral\n"] * 2
    assert all(decode(data[i].patches).startswith("L:") for i in (0, 1, 6, 7))
    counted = [
        {**BACH._asdict(), "pieces": 1},
        {"period": "Romantic", "composer": "Dvorak, A.", "instrumentation": "Choral", "pieces": 1},
    ]
    assert prepared.report["tags"] == counted == count_tags(data)
    assert prepared.report["untagged"] == ["a.abc", "d.abc"]
    assert prepared.report["tags_without_piece"] == ["gone.abc"]
    assert describe(open_data(tmp_path / "data"))["tags"] == counted
    assert data.rows[2]["tags"] == list(BACH)


def test_a_piece_of_several_voices_is_tagged_before_its_score_line(tmp_path: Path):
    abc = "X:1\n%%score { 1 | 2 }\nL:1/8\nM:4/4\nK:C\nV:1\ncdefgabc'|\nV:2\nC8|\n"
    tags = read_tags(table(tmp_path, HEADER + ".,Baroque,Bach,Keyboard\n"))
    data = prepare([SourcePiece("a.abc", abc, "", "")], tmp_path / "data", tags=tags).dataset
    assert decode(data[0].patches).startswith("%Baroque\n%Bach\n%Keyboard\n%end\n%%score {")


def test_tags_that_a_piece_brings_stay(tmp_path: Path):
    text = BACH.lines + "L:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]cdefgabc'|\n"
    tags = read_tags(table(tmp_path, HEADER + ".,Romantic,Brahms,Choral\n"))
    prepared = prepare([SourcePiece("a.abc", text, "", "")], tmp_path / "data", tags=tags)
    assert decode(prepared.dataset[0].patches).startswith(BACH.lines)
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "a.abc").write_text(text)
    (tmp_path / "index" / "index.jsonl").write_text('{"path": "a.abc"}\n')
    assert count_tags(open_data(tmp_path / "index" / "index.jsonl"))[0]["composer"] == BACH.composer


def test_folders_name_the_tags():
    by_folder = read_tags("folders")
    deep = piece("Baroque/Bach, J. S./Keyboard/x/y.mxl")
    assert by_folder.lines(deep) == "%Baroque\n%Bach, J. S.\n%Keyboard\n%end\n"
    assert by_folder.lines(piece("Baroque/Bach/b.abc#1")) == ""
    assert read_tags(None).lines(deep) == ""
    with pytest.raises(BadInput, match="folder 'end' 'end' cannot be a tag"):
        by_folder.lines(piece("Baroque/end/Choral/y.mxl"))
    with pytest.raises(BadInput, match=r"no piece lies in Period.*the first is b\.abc"):
        by_folder.report([piece("b.abc")])


def test_a_path_may_be_a_folder_or_relative_to_the_table(tmp_path: Path):
    rows = ".\\bach,Baroque,Bach,Keyboard\nbach/late/,Baroque,Bach,Choral\nbach/x.mxl,A,B,C\n"
    tags = read_tags(table(tmp_path / "music", HEADER + rows))
    named = {
        "bach/a.mxl": "Keyboard", "bach/early/a.mxl": "Keyboard", "bach/late/a.mxl": "Choral",
        "bach/x.mxl": "C",
    }  # fmt: skip
    for name, instrumentation in named.items():
        below_music = piece(name, provenance=str(tmp_path / "music" / name))
        below_bach = piece(name.removeprefix("bach/"), provenance=str(tmp_path / "music" / name))
        for source in (below_music, below_bach):
            assert tags_of(tags.lines(source) + "L:").instrumentation == instrumentation, name
    assert tags.lines(piece("ba/a.mxl", provenance=str(tmp_path / "music" / "ba" / "a.mxl"))) == ""


def test_other_forms_of_tables(tmp_path: Path):
    semicolons = "Path;Period;Composer;Instrumentation\na.mxl;" + ";".join(BACH)
    lines = (
        '{"path": "a.mxl", "composer": "Bach, Johann Sebastian", "period": "Baroque", '
        '"instrumentation": "Keyboard"}\n\n'
    )
    for text, name in ((semicolons, "a.csv"), (lines, "a.jsonl")):
        assert read_tags(table(tmp_path, text, name)).lines(piece("a.mxl")) == BACH.lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,period\nx,y\n", r"tags\.csv: no column composer, instrumentation"),
        ("path,period,composr,instrumentation\n", "'composr'. Did you mean 'composer'"),
        ("", "no column path, period, composer, instrumentation"),
        (HEADER + "a,Baroque,Bach, J. S.,Choral\n", "line 2: more cells than columns. Put quotes"),
        (HEADER + "a,Baroque,Bach\n", "line 2: no instrumentation. Fill in all three"),
        (HEADER + 'a,Baroque,"Bach\nJ. S.",Choral\n', "line 3: composer holds a line break"),
        (HEADER + "a,Baroque,%%,Choral\n", "line 2: composer '%%' cannot be a tag"),
        (HEADER + "a,end,Bach,Choral\n", "line 2: period 'end' cannot be a tag"),
        (HEADER + f"a,Baroque,{'x' * 81},Choral\n", f"has 81 characters.* at most {LONGEST}"),
        (HEADER + "a,A,B,C\n./a,A,B,D\n", "line 3: a has been named before"),
        (HEADER + ",A,B,C\n", "line 2: the path is empty"),
        (HEADER + 'a,A,"B"x,C\n', "line 2: "),
    ],
)
def test_a_table_that_is_wrong_says_where(tmp_path: Path, text: str, message: str):
    with pytest.raises(BadInput, match=message):
        read_tags(table(tmp_path, text))


def test_other_faults(tmp_path: Path):
    for line in ("[1]", "{", '{"path": 1}'):
        with pytest.raises(BadInput, match="line 1: not "):
            read_tags(table(tmp_path, line, "a.jsonl"))
    with pytest.raises(BadInput, match=r"none\.csv: cannot be read"):
        read_tags(str(tmp_path / "none.csv"))
    tags = read_tags(table(tmp_path, HEADER + "b.mxl,A,B,C\n"))
    with pytest.raises(BadInput, match=r"first piece is a\.mxl, the first path b\.mxl"):
        prepare([piece("a.mxl")], tmp_path / "data", tags=tags)


def test_the_longest_tags_are_read_back():
    triple = Triple("p" * LONGEST, "c" * LONGEST, "i" * LONGEST)
    encoded = encode_piece(triple.lines + "L:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]cdef|\n")
    assert count_tags(from_encoded([{}], [encoded])) == [{**triple._asdict(), "pieces": 1}]


def test_tags_of_earlier_runs_are_known():
    def tags(composer: str, pieces: int) -> dict[str, Any]:
        triple = {"period": "p", "composer": composer, "instrumentation": "i"}
        return {**triple, "pieces": pieces}

    own, before = [tags("a", 3)], [tags("a", 9), tags("b", 2)]
    assert known_tags({"tags": own, "init": {"tags": before}}) == [tags("a", 3), tags("b", 2)]
    assert known_tags({"tags": own, "init": None}) == own and known_tags({}) == []
    foreign: dict[str, Any] = {"tags": [1, {"period": 2}, "x"], "init": "NotaGen"}
    assert known_tags(foreign) == []
