"""Eighteen ways in which a text of interleaved ABC is damaged, each a function of text and chance.

A damage is a list of edits (start, end, replacement) on the undamaged text, so that it is known
which of its notes it left alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Edit = tuple[int, int, str]
Mutation = Callable[[str, random.Random], list[Edit]]

_SIGNS = "CDEFGABcdefgabz0123456789/|[](){}<>\"!:-^_=,'~.VKMLZx &%$+\\"
_CONTROL = [chr(c) for c in (*range(1, 10), 11, 12, 27, 127)] + ["é", "—", "音", "\x85"]
_MARK = re.compile(r"\[V:\w+\]")
_SEGMENT = re.compile(r"\[V:\w+\][^\n]*?(?=\[V:|\n|$)")
_LENGTHS = ("0", "/", "///", "99999", "7/", "/7", "/0", "64", "3", "/////////", "128/3")
_TUPLETS = ("(3", "(9", "(0", "(3:0:3", "(5:4", "(2:3:9", "(13:", "(99", "(7:8:7", "(1")
_FIELDS = (
    "[K:H]", "[K:Cmin]", "[M:0/4]", "[M:3/4]", "[L:1/7]", "[L:1/16]", "[Q:", "[I:abc-include x]",
    "[P:A]", "[r:3/4]", "[V:", "\nw:la la\n", "\nT:Again\n", "\n%%MIDI program 7\n", "\nK:G\n",
    "\nI:abc-include /etc/passwd\n",
)  # fmt: skip


def _body(text: str) -> int:
    return text.index("[V:")


def _places(text: str, chance: random.Random, most: int = 6) -> list[int]:
    """1 … `most` places in the body, in order, each its own."""
    count = chance.randint(1, most)
    return sorted(chance.sample(range(_body(text), len(text)), min(count, len(text) - _body(text))))


def _choose(matches: list[re.Match[str]], chance: random.Random, most: int) -> list[re.Match[str]]:
    chosen = chance.sample(matches, min(len(matches), chance.randint(1, most)))
    return sorted(chosen, key=re.Match.start)


def deleted_characters(text: str, chance: random.Random) -> list[Edit]:
    return [(i, i + 1, "") for i in _places(text, chance)]


def inserted_characters(text: str, chance: random.Random) -> list[Edit]:
    return [(i, i, chance.choice(_SIGNS)) for i in _places(text, chance)]


def replaced_characters(text: str, chance: random.Random) -> list[Edit]:
    return [(i, i + 1, chance.choice(_SIGNS)) for i in _places(text, chance)]


def swapped_characters(text: str, chance: random.Random) -> list[Edit]:
    places = [i for i in _places(text, chance) if i + 2 <= len(text)]
    apart = [i for n, i in enumerate(places) if not n or i - places[n - 1] > 1]
    return [(i, i + 2, text[i + 1] + text[i]) for i in apart]


def repeated_characters(text: str, chance: random.Random) -> list[Edit]:
    edits = []
    for i in _places(text, chance, 3):
        run = text[i : i + chance.randint(1, 8)]
        edits.append((i, i, run * chance.randint(1, 4)))
    return edits


def moved_text(text: str, chance: random.Random) -> list[Edit]:
    start = chance.randrange(_body(text), len(text))
    end = min(len(text), start + chance.randint(2, 24))
    to = chance.randrange(_body(text), len(text))
    if start <= to <= end:
        return [(start, end, text[start:end][::-1])]
    return sorted([(start, end, ""), (to, to, text[start:end])])


def cut_bars(text: str, chance: random.Random) -> list[Edit]:
    """The last part of a voice's bar is lost, its barline with it or not."""
    edits = []
    for segment in _choose(list(_SEGMENT.finditer(text, _body(text))), chance, 4):
        first = _MARK.match(segment.group())
        start = chance.randint(segment.start() + len(first.group()) if first else 0, segment.end())
        keep = "|" if chance.random() < 0.5 else ""
        edits.append((start, segment.end(), keep))
    return edits


def joined_lines(text: str, chance: random.Random) -> list[Edit]:
    ends = list(re.compile(r"\n(?!$)").finditer(text, _body(text)))
    joined = [(m.start(), m.end(), "") for m in _choose(ends, chance, 3)]
    cut = chance.randrange(_body(text), len(text))
    return sorted({*joined, (cut, cut, "\n")})


def unbalanced_brackets(text: str, chance: random.Random) -> list[Edit]:
    brackets = list(re.compile(r"[\[\](){}\"!]").finditer(text, _body(text)))
    lost = [(m.start(), m.end(), "") for m in _choose(brackets, chance, 3)]
    added = [
        (i, i, chance.choice('[](){}"!') * chance.randint(1, 3)) for i in _places(text, chance)
    ]
    taken = {start for start, _, _ in lost}
    return sorted([*lost, *(edit for edit in added if edit[0] not in taken)])


def stray_fields(text: str, chance: random.Random) -> list[Edit]:
    return [(i, i, chance.choice(_FIELDS)) for i in _places(text, chance, 3)]


def control_characters(text: str, chance: random.Random) -> list[Edit]:
    return [(i, i, chance.choice(_CONTROL)) for i in _places(text, chance, 12)]


def huge_lines(text: str, chance: random.Random) -> list[Edit]:
    """A voice's bar said over and over, up to 100 kB."""
    segment = chance.choice(list(_SEGMENT.finditer(text, _body(text))))
    music = segment.group()[segment.group().index("]") + 1 :] or "C"
    size = chance.choice((200, 2_000, 20_000, 100_000))
    return [(segment.end(), segment.end(), music * (size // len(music) + 1))]


def broken_tuplets(text: str, chance: random.Random) -> list[Edit]:
    there = list(re.compile(r"\(\d(?::\d*)*").finditer(text, _body(text)))
    broken = [(m.start(), m.end(), chance.choice(_TUPLETS)) for m in _choose(there, chance, 3)]
    added = [(i, i, chance.choice(_TUPLETS)) for i in _places(text, chance, 3)]
    spans = [range(start, end + 1) for start, end, _ in broken]
    return sorted([*broken, *(e for e in added if not any(e[0] in span for span in spans))])


def lost_voices(text: str, chance: random.Random) -> list[Edit]:
    """Voices are missing from lines, or a voice's line is missing from the header."""
    segments = list(_SEGMENT.finditer(text, _body(text)))
    edits = [(m.start(), m.end(), "") for m in _choose(segments, chance, 6)]
    voices = list(re.finditer(r"^V:[^\n]*\n", text, re.M))
    if voices and chance.random() < 0.5:
        lost = chance.choice(voices)
        edits.append((lost.start(), lost.end(), ""))
    return sorted(edits)


def broken_voice_marks(text: str, chance: random.Random) -> list[Edit]:
    forms = ("[V{0}]", "[V:{0}", "V:{0}]", "[V:99]", "[V:]", "[{0}]", "[v:{0}]", "")
    marks = _choose(list(_MARK.finditer(text, _body(text))), chance, 4)
    return [(m.start(), m.end(), chance.choice(forms).format(m.group()[3:-1])) for m in marks]


def absurd_lengths(text: str, chance: random.Random) -> list[Edit]:
    notes = list(re.compile(r"(?<=[A-Ga-gz,'])\d*/*\d*").finditer(text, _body(text)))
    return [(m.start(), m.end(), chance.choice(_LENGTHS)) for m in _choose(notes, chance, 5)]


def damaged_header(text: str, chance: random.Random) -> list[Edit]:
    lines = list(re.compile(r"[^\n]+\n").finditer(text, 0, _body(text)))
    edits = []
    for line in _choose(lines, chance, 3):
        i = chance.randrange(line.start(), line.end() - 1)
        edits.append(
            chance.choice(
                [
                    (line.start(), line.end(), ""),
                    (i, i + 1, chance.choice(_SIGNS)),
                    (line.start(), line.start(), line.group()),
                    (i, line.end() - 1, ""),
                ]
            )
        )
    return edits


def cut_off_end(text: str, chance: random.Random) -> list[Edit]:
    end = chance.randrange((_body(text) + len(text)) // 2, len(text))
    return [(end, len(text), "")]


MUTATIONS: dict[str, Mutation] = {
    function.__name__.replace("_", " "): function
    for function in (
        deleted_characters,
        inserted_characters,
        replaced_characters,
        swapped_characters,
        repeated_characters,
        moved_text,
        cut_bars,
        joined_lines,
        unbalanced_brackets,
        stray_fields,
        control_characters,
        huge_lines,
        broken_tuplets,
        lost_voices,
        broken_voice_marks,
        absurd_lengths,
        damaged_header,
        cut_off_end,
    )
}


def apply(text: str, edits: list[Edit]) -> str:
    """The text after its edits, which are in order and do not overlap."""
    parts, last = [], 0
    for start, end, new in edits:
        parts += [text[last:start], new]
        last = end
    return "".join([*parts, text[last:]])
