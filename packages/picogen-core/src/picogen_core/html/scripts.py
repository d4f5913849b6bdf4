"""The JavaScript of a page: files of this folder, and translated Python."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from picogen_core.abc import counters, patches

RUNTIME = ("runtime.js", "runtime_text.js", "runtime_functions.js")
"""What translated Python needs."""


def read_script(name: str) -> str:
    """Return a file of this folder."""
    return (files("picogen_core.html") / name).read_text()


@cache
def translated() -> str:
    """Return the grammar, prompts, repairs and reader of notes, translated from Python."""
    from picogen_core.abc.counters import strip_counters
    from picogen_core.abc.grammar.constraint import Constraint
    from picogen_core.abc.grammar.fields import FieldChoices
    from picogen_core.abc.patches import cut_prompt, split_body
    from picogen_core.abc.reading.lexer import lex
    from picogen_core.abc.reading.notes import read_tune
    from picogen_core.abc.repair import repair
    from picogen_core.errors import BadInput
    from picogen_core.generation.decoding.rollover import Rollover
    from picogen_core.generation.request.headers import requested_fields, requesting
    from picogen_core.generation.request.job import wanted_length
    from picogen_core.generation.request.prompt import place_prompt
    from picogen_core.html.translate import translate

    roots = (
        Constraint, FieldChoices, lex, read_tune, cut_prompt, split_body, strip_counters, repair,
        BadInput, requested_fields, requesting, wanted_length, place_prompt, Rollover,
    )  # fmt: skip
    return translate(roots, without=("state", "restore"))


def _constants() -> str:
    """What the scripts know of patches and counters, from Python."""
    known = {
        "PATCH": patches.PATCH_SIZE, "CODES": patches.VOCABULARY, "PAD": patches.PAD,
        "BOS": patches.BOS, "EOS": patches.EOS, "START": counters.START, "FIRST": counters.FIRST,
    }  # fmt: skip
    return f"const {','.join(f'{name}={json.dumps(value)}' for name, value in known.items())};"


def engine(parts: tuple[str, ...]) -> str:
    """Return the engine; `parts` are the sources of backbones and heads."""
    names = (*RUNTIME, "random.js", "maths.js", "sample.js", "student.js", "piece.js")
    own = [_constants(), *map(read_script, names)]
    return "\n".join([*own, *dict.fromkeys(parts), translated()])
