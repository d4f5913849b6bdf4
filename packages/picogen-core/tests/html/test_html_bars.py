"""Bars as the page draws them: what stands where in a line of ABC."""

import re
from pathlib import Path
from typing import Any

import pytest
from picogen_core.html.glyphs import read_glyphs
from picogen_core.html.scripts import engine, read_script

from .node import needs_node, run

TUNE = (
    "M:4/4\nL:1/8\nK:D\nV:1 treble\nV:2 bass\n"
    '[V:1]|:(3ABc d>e "D"[Df]2 {/g}fe|[V:2]D,8|\n'
    "[V:1]~e3 (d .c.B) TA2|1[V:2]x8|\n"
    "[V:1]^c2- c2 d4:|2[V:2][M:3/4]A,,4 & D,4|\n"
    "[V:1][K:Bb]B_B z2 B4||[V:2]Z|\n"
    "[V:__proto__]A8|]\n"
)
_READ = """
const [notes] = $py.read_tune(given), [, body] = $py.split_body(given);
const bars = readBars(body, given.length - body.length, notes);
return bars.map((bar) => ({ ...bar, voices: [...bar.voices] }));
"""


def _bars(tmp_path: Path, abc: str) -> list[dict[str, Any]]:
    made = run(tmp_path, engine(()) + read_script("bars.js"), _READ, abc)
    return [{**bar, "voices": dict(bar["voices"])} for bar in made]


@needs_node
def test_each_sign_stands_at_its_note(tmp_path: Path) -> None:
    first, second, third, fourth, last = _bars(tmp_path, TUNE)
    assert [(bar["start"], bar["length"]) for bar in (first, second, third)] == [
        (0, 4), (4, 4), (8, 4),
    ]  # fmt: skip
    lines = [(bar["left"], bar["right"], bar["ending"]) for bar in (first, second, third, fourth)]
    assert lines == [("|:", "|", ""), ("", "|", ""), ("", ":|", "1"), ("", "||", "2")]
    a, b, c, d, e, chord, f, _ = first["voices"]["1"]
    assert [one["tuplet"]["number"] for one in (a, b, c)] == [3, 3, 3] and d["tuplet"] is None
    assert [one["joined"] for one in (a, b, c, d, e)] == [False, True, True, False, True]
    assert [tone["step"] for tone in chord["tones"]] == [29, 38] and chord["texts"] == ["D"]
    assert f["slashed"] and [one["step"] for one in f["grace"]] == [39]
    rolled, begun, dotted, ended, trill = second["voices"]["1"]
    assert (rolled["marks"], trill["marks"]) == (["roll"], ["trill"])
    assert (begun["open"], dotted["marks"], ended["close"]) == (1, ["staccato"], 1)
    assert second["voices"]["2"][0]["rest"] == "x"
    held, tied, _ = third["voices"]["1"]
    assert (
        held["tones"][0]["tied"]
        and held["tones"][0]["sign"] == "^"
        and not tied["tones"][0]["sign"]
    )
    assert [one["onset"] for one in third["voices"]["2&2"]] == [8]
    assert fourth["key"] == "Bb" and fourth["voices"]["1"][1]["tones"][0]["sign"] == "_"
    assert last["voices"]["__proto__"][0]["length"] == 4


@needs_node
def test_barlines_within_a_line_are_known(tmp_path: Path) -> None:
    (bar,) = _bars(tmp_path, "L:1/8\nM:2/4\nK:C\n[V:1]A4|B4||c4|]\n")
    assert bar["inner"] == [{"after": 0, "kind": "|"}, {"after": 2, "kind": "||"}]
    assert bar["right"] == "|]"


@needs_node
@pytest.mark.parametrize(
    ("key", "sharps"),
    [("G", 1), ("Bb", -2), ("F#m", 3), ("Ador", 1), ("D mix", 1), ("Emaj", 4), ("C clef=bass", 0),
     ("bC", 0), ("none", 0), ("Cb", -7), ("G#", 7), ("Gminor", -2)],
)  # fmt: skip
def test_key_signatures(tmp_path: Path, key: str, sharps: int) -> None:
    assert run(tmp_path, read_script("page/signs.js"), "return signature(given);", key) == sharps


@needs_node
def test_a_note_has_at_most_four_texts(tmp_path: Path) -> None:
    (bar,) = _bars(tmp_path, 'L:1/8\nK:C\n[V:1]"1"' + '"x"' * 500 + "C8|]\n")
    assert bar["voices"]["1"][0]["texts"] == ["x"] * 4


def test_glyphs_are_paths_with_widths() -> None:
    glyphs = read_glyphs()
    outline, left, width = glyphs["noteheadBlack"]
    assert outline.startswith("M") and (left, width) == (0, 314)
    assert sum(len(one[0]) for one in glyphs.values()) < 40_000
    used = "".join(map(read_script, ("page/signs.js", "page/notes.js", "page/marks.js")))
    families = "accidental|notehead|flag|rest|timeSig|ornament|dynamic|strings|[gfc]Clef"
    names = set(re.findall(rf'"((?:{families})[A-Z0-9]\w*)"', used))
    assert len(names) > 25 and names <= set(glyphs)
