"""Texts for tests of the grammar, and how these take a text and draw a piece."""

import random

from picogen_core.abc.grammar import Constraint
from picogen_core.abc.patches import EOS, PATCH_SIZE, encode, encode_prompt
from picogen_core.generation.decoding.piece import CODEC, Draft, PieceWriter

TUNE = """L:1/8
Q:1/4=120
M:6/8
K:Ador
V:1 treble
[V:1]|:"Am"{b}(ABc) !fermata!d>e~f|
[V:1](3ABc [Ac]2- [A-c]/B/d|1
[V:1]uz3 [K:D]^c'2 _B,,:|2
[V:1][M:12/8](5:3:5AAAAA A3/2B3/2c3 .d.e.f|]
"""
CHORALE = """%Baroque
%Bach, Johann Sebastian
%Choral
%end
%%score [ ( 1 2 ) | 3 ]
L:1/8
M:4/4
K:G
V:1 treble nm="Soprano"
V:2 treble
V:3 bass nm="Bass"
[V:1]G2 A2 (B2 c2)|[V:2]D4 E4|[V:3]!p!G,,6"_dim." F,,2|
[V:1]d8-|[V:3]B,3 A,/G,/ F,2 z2|
[V:1]d3 c (3B2A2G2|][V:2]x8|][V:3]G,8|]
"""
UNEVEN = CHORALE.replace("D4 E4", "D4 E3")
HEADER = 'L:1/8\nM:4/4\nK:C\nV:1 treble\nV:2 bass nm="Bass"\n'


def codes_of(text: str) -> list[int]:
    """The codes of a text's patches, each to its EOS."""
    rows = encode(text).tolist()
    return [
        code for row in rows for code in row[: row.index(EOS) + 1 if EOS in row else PATCH_SIZE]
    ]


def behind(text: str, **how) -> Constraint:
    """A constraint of the grammar that has taken a prompt."""
    constraint = Constraint(grammar=True, **how)
    begun = encode_prompt(text)
    for row in begun.patches.tolist():
        for code in row[: row.index(EOS) + 1 if EOS in row else PATCH_SIZE]:
            constraint.take(code)
    for character in begun.tail:
        constraint.take(ord(character))
    return constraint


def characters(codes: int) -> set[str]:
    """A set of codes without the special ones."""
    return {chr(code) for code in range(3, 128) if codes >> code & 1}


def draw_blindly(
    seed: int, max_patches: int, bars: int, prompt: str = "", weight: int = 20, **how
) -> Draft:
    """A piece of which every code is drawn from what may come, ends of bars `weight` times as
    often as others. At every place something has to be wanted."""
    constraint = Constraint(max_patches, bars=bars, **how)
    piece = PieceWriter(1, prompt, seed, lambda: [constraint]).begin()
    chance = random.Random(seed)
    while not piece.over and len(piece.rows) < max_patches:
        for place in range(PATCH_SIZE):
            legal, wanted, _ = constraint.codes()
            assert legal & wanted or constraint.opening
            allowed = CODEC[place].copy()
            piece.limit(allowed)
            choice = [code for code in range(128) if allowed[code]]
            weights = [weight if chr(code) in "|\n" or code == EOS else 1 for code in choice]
            if piece.put(chance.choices(choice, weights)[0]):
                break
    return piece.draft()
