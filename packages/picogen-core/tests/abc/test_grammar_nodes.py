"""The constraint that knows its places by heart is equal to the plain one, code by code."""

import gc
import random
import weakref

import pytest
from picogen_core.abc.grammar import Constraint, QuickConstraint
from picogen_core.abc.grammar.fields import EVERYTHING, FieldChoices
from picogen_core.abc.grammar.nodes import Nodes
from picogen_core.abc.patches import BOS, EOS, PATCH_SIZE

from .grammar_pieces import CHORALE, HEADER, TUNE, UNEVEN, codes_of

ODD = """L:1/16
M:2/4
K:D
V:1 treble
[V:1]|:A>)B "x!y" (3(ABc) {de}c/>d/ [L:1/8]u|1
[V:1](((((((A B)z9 [a2c] &G ]|
[V:1]A>>-[K:G]B d{cd})|
"""


class Both:
    """The plain constraint and the other one, side by side."""

    def __init__(self, nodes, max_patches=None, **how):
        self.plain = Constraint(max_patches, **how)
        self.quick = QuickConstraint(max_patches, nodes=nodes, **how)

    def limit(self):
        place = self.plain.place
        limit = self.plain.limit(place)
        assert self.quick.limit(place) == limit
        return limit

    def take(self, code):
        self.plain.take(code)
        self.quick.take(code)
        assert self.quick.place == self.plain.place
        assert self.quick.patches == self.plain.patches
        assert self.quick.done == self.plain.done


HOW = [{}, {"grammar": True}, {"max_patches": 40, "bars": 4}, {"max_patches": 26, "grammar": True}]


@pytest.mark.parametrize("how", HOW)
def test_equal_on_music(how):
    nodes = Nodes()
    for text in (TUNE, CHORALE, UNEVEN, ODD) * 2:
        both = Both(nodes, **how)
        for code in codes_of(text):
            both.limit()
            both.take(code)
    assert len(nodes) > 50


@pytest.mark.parametrize("how", HOW)
def test_equal_where_limits_are_asked_for_now_and_then(how):
    nodes = Nodes()
    chance = random.Random(1)
    for text in (TUNE, CHORALE, UNEVEN, ODD) * 3:
        both = Both(nodes, **how)
        for code in codes_of(text):
            if chance.random() < 0.5:
                both.limit()
            both.take(code)


def walk(both, chance, patches, wild):
    """Codes as a bad student draws them: what is allowed, rare or now and then not allowed."""
    for code in codes_of(HEADER)[:PATCH_SIZE]:
        both.take(code)
    for _ in range(patches):
        for place in range(PATCH_SIZE):
            limit = both.limit()
            if isinstance(limit, int):
                code = limit
            else:
                choice = [code for code in range(128) if limit[code]] or [ord("z")]
                code = chance.choices(choice, [20 if chr(c) in "|\nAB" else 1 for c in choice])[0]
            if chance.random() < wild:
                code = chance.choice([BOS, EOS, *range(32, 127)])
            if (code == EOS and not place) or (code == BOS and place):
                code = ord("z")
            both.take(code)
            if code == EOS:
                break
        if both.plain.done:
            return


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("wild", [0.0, 0.01, 0.2])
def test_equal_on_random_walks(how, wild):
    nodes = Nodes(most=200)  # so that they are forgotten on the way
    for seed in range(6):
        walk(Both(nodes, **how), random.Random(seed), 60, wild)
        assert 0 < len(nodes) <= 200


def test_places_of_other_choices_are_other_places():
    nodes = Nodes()
    for choices in (EVERYTHING, FieldChoices(meters=("6/8",)), FieldChoices(keys=("D",))):
        for text in (TUNE, CHORALE):
            both = Both(nodes, grammar=True, choices=choices)
            for code in codes_of(text):
                both.limit()
                both.take(code)


def test_what_came_once_asks_no_plain_automaton(monkeypatch):
    nodes = Nodes()
    codes = codes_of(CHORALE)
    body = codes[codes_of(CHORALE).index(ord("["), CHORALE.index("V:3 bass")) :]
    asked = []
    take = Constraint.take
    monkeypatch.setattr(Constraint, "take", lambda self, code: (asked.append(1), take(self, code)))
    counts = []
    for _ in range(2):
        asked.clear()
        quick = QuickConstraint(grammar=True, nodes=nodes)
        for code in codes:
            quick.limit(quick.place)
            quick.take(code)
        counts.append(len(codes) - len(asked))
    assert counts[0] < 20
    assert counts[1] > len(body) - len("[r:0/2]") - 3 * 7 - 10  # voices begin and end


def test_forgotten_nodes_are_freed():
    nodes = Nodes(most=30)
    quick = QuickConstraint(grammar=True, nodes=nodes)
    tables, count = weakref.WeakSet(), 0
    for code in codes_of(TUNE):
        quick.limit(quick.place)
        count += nodes.table not in tables
        tables.add(nodes.table)
        quick.take(code)
    gc.collect()
    assert count > 3 and len(tables) <= 2  # the newest, and that of the place where it stands
    assert all(len(table.nodes) <= 30 for table in tables)


def test_meters_and_plans_share_places_and_keep_apart():
    nodes = Nodes()
    bars = {"4/4": "c4 c4", "3/4": "c4 c2", "6/8": "c3 c3", "2/4": "c2 c2"}
    for how in ({"grammar": True}, {"bars": 4, "max_patches": 40}) * 2:
        for meter, bar in bars.items():
            body = "".join(f"[V:1]{bar}|\n" for _ in range(3)) + f"[V:1]{bar}|]\n"
            both = Both(nodes, **how)
            for code in codes_of(f"L:1/8\nM:{meter}\nK:C\nV:1 treble\n{body}"):
                both.limit()
                both.take(code)
