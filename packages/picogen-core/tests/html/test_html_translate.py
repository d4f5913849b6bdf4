"""What was translated into JavaScript does what the Python does."""

import json
import random
import re
from pathlib import Path
from typing import Any

from picogen_core.abc.grammar.constraint import Constraint
from picogen_core.abc.patches import BOS_PATCH
from picogen_core.abc.reading.notes import read_tune
from picogen_core.abc.repair import repair
from picogen_core.errors import PicogenError
from picogen_core.generation.request.headers import requested_fields
from picogen_core.generation.request.prompt import place_prompt
from picogen_core.html.patterns import spell_pattern
from picogen_core.html.scripts import RUNTIME, engine, read_script

from .node import needs_node, run

_TUNES = [
    "X:1\nT:A\nM:6/8\nL:1/8\nK:G\nV:1 treble\n"
    "[V:1]GAB c2d|\n[V:1](3efg [Bd]>c {a}g2-|\n[V:1]g3 z3|]\n",
    "X:2\nM:C|\nK:Dmin\nV:1\nV:2 bass\n"
    "[V:1]A2 ^c2 d4|[V:2]D,8|\n[V:1]f4 e2 z2|\n[V:1]d8|][V:2]D,,8|]\n",
    'M:3/4\nL:1/16\nQ:1/4=90\nK:Bb\nV:1 treble\n[V:1]|:"Bb"B4 d4 f4:|\n[V:1]!trill!e8 [K:F]=e4||\n',
    "X:4\nL:1/8\nM:4/4\nK:C\nCDEF GABc|Z99999999|[V:2]c0/|%%include /etc/passwd\n",
]
_WALK = """
return given.map(({ most, bars, codes }) => {
    const guide = new $py.Constraint(most, true, bars);
    return codes.map((code) => {
        const limit = guide.limit(guide.place);
        guide.take(code);
        return typeof limit === "object" ? [...limit].join("") : Number(limit);
    });
});
"""
_CALLS = """
const plain = (x) => x instanceof $Dict ? x.items().map(plain) : x instanceof $Fraction ? String(x)
    : Array.isArray(x) ? Array.from(x, plain) : x;
const calls = {
    place(...values) {
        const made = $py.place_prompt(...values);
        return [made.titles, made.text];
    },
    repair(text) {
        const made = $py.repair(text);
        return [made.text, made.repairs.map((one) => [one.name, one.count, one.detail])];
    },
    notes(text) {
        const row = (one) => [one.pitch, one.step, $b.str(one.onset), $b.str(one.duration),
            one.start, one.tied, one.chord];
        return $py.read_tune(text)[0].items().map(([name, notes]) => [name, notes.map(row)]);
    },
    fields: (...values) => $py.requested_fields(...values),
};
return given.map(([name, values]) => {
    try { return plain(calls[name](...values)); } catch (error) { return `! ${error.message}`; }
});
"""


@needs_node
def test_the_grammar_allows_what_the_constraint_allows(tmp_path: Path) -> None:
    rng = random.Random(1)
    walks = [_walk(rng, rng.choice([60, 160, 400]), bars) for bars in (None, 1, 4, 8, 33) * 3]
    given = [{name: walk[name] for name in ("most", "bars", "codes")} for walk in walks]
    assert sum(len(walk["codes"]) for walk in walks) > 5000
    made = run(tmp_path, engine(()), _WALK, given)
    assert made == [walk["limits"] for walk in walks]


@needs_node
def test_prompts_repairs_notes_and_fields_are_read_alike(tmp_path: Path) -> None:
    rng = random.Random(2)
    calls: list[tuple[str, list[Any]]] = []
    for tune in _TUNES * 6:
        text = _spoilt(rng, tune) if calls else tune
        calls += [("place", [text, None]), ("place", [text, 24]), ("repair", [text])]
        calls.append(("notes", [text]))
    for values in (["6/8", "G", "120"], ["C|", "bb min", None], ["7/9", None, None]):
        calls.append(("fields", values))
    made = run(tmp_path, engine(()), _CALLS, calls)
    expected = json.loads(json.dumps([_called(name, values) for name, values in calls]))
    for call, mine, theirs in zip(calls, made, expected, strict=True):
        assert mine == theirs, call
    assert sum(isinstance(one, list) for one in made) > len(made) / 3


@needs_node
def test_possessive_patterns_give_nothing_back(tmp_path: Path) -> None:
    patterns = [r"a*+b", r"a*+a", r"(?P<x>a|ab)(c|bcd)$", r"(?<!x)\bfoo\b", r"[^\w\s]+\Z", "(?i)k$"]
    texts = ["aaab", "aaa", "abcd", "xfoo foo", "a!?", "K\n", "\u4e2d!"]
    spelt = ",".join(spell_pattern(re.compile(pattern)) for pattern in patterns)
    body = f"""const all = [{spelt}];
    return all.map((one) => given.map((text) => {{
        const found = one.search(text);
        return found && [found.start(), found.group()];
    }}));"""
    made = run(tmp_path, "".join(map(read_script, RUNTIME)), body, texts)
    found = [[re.search(pattern, text) for text in texts] for pattern in patterns]
    assert made == [[m and [m.start(), m.group()] for m in row] for row in found]


def _walk(rng: random.Random, most: int, bars: int | None) -> dict[str, Any]:
    guide, codes, limits = Constraint(most, grammar=True, bars=bars), list(BOS_PATCH), []
    while len(codes) < 900 and not guide.done:
        if len(limits) == len(codes):
            allowed = guide.limit(guide.place)
            free = [allowed] if isinstance(allowed, int) else _free(allowed)
            liked = [code for code in free if chr(code) in "ABCdefg|[]:/23\n z"]
            codes.append(rng.choice(liked if liked and rng.random() < 0.6 else free))
        allowed = guide.limit(guide.place)
        limits.append(allowed if isinstance(allowed, int) else "".join(map(str, allowed)))
        guide.take(codes[len(limits) - 1])
    return {"most": most, "bars": bars, "codes": codes[: len(limits)], "limits": limits}


def _free(allowed: bytes) -> list[int]:
    return [code for code in range(128) if allowed[code]]


def _spoilt(rng: random.Random, text: str) -> str:
    characters = list(text)
    for _ in range(rng.randrange(6)):
        characters[rng.randrange(len(text))] = rng.choice('|[]()<>:/3!"{}zAc\n%')
    return "".join(characters)


def _called(name: str, values: list[Any]) -> Any:
    try:
        if name == "place":
            placed = place_prompt(*values)
            return placed.titles, placed.text
        if name == "repair":
            made = repair(*values)
            return made.text, [(one.name, one.count, one.detail) for one in made.repairs]
        if name == "fields":
            return list(requested_fields(*values).items())
        return [
            (voice, [(n.pitch, n.step, str(n.onset), str(n.duration), n.start, n.tied, n.chord)
                     for n in notes])
            for voice, notes in read_tune(*values)[0].items()
        ]  # fmt: skip
    except PicogenError as error:
        return f"! {error}"
