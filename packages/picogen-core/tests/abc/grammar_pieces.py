"""How tests of the grammar take a text and draw a piece."""

import random

from picogen_core.abc.grammar import Constraint
from picogen_core.abc.patches import EOS, PATCH_SIZE, encode_prompt
from picogen_core.generation.decoding.piece import CODEC, Draft, Piece


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
    piece = Piece(1, prompt, seed, lambda: [constraint]).begin()
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
