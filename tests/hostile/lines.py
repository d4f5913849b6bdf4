"""Command lines made of the commands' own options, with values that no one should give."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import typer.main
from picogen_cli.main import app

NUMBERS = (
    "0", "-1", "1", "2.5", "1e300", "-1e300", "nan", "inf", "9" * 20, "9" * 400, "0x10", "", " ",
    "1_0", "٣", "1e-320",
)  # fmt: skip
_PATHS = ["none", "/dev/zero", "/dev/null", "nowhere", "..", "hf:../../x", "hf:a/b/c"]
_SETS = [
    "key=value", "backbone=3", "backbone.layers=0", "lr=[[1]]", "x.y.z=1", "=", "freeze=[1]",
    "loss.physics=1", "loss.physics.weight=nan", "backbone.name=[1]", "head={name=3}",
    "d_model=1e9",
]  # fmt: skip
_OTHERS = ["1/0", "0/1", "99/99", "oneills", "svg,svg", "svgs", "--", "%s", "K:C\\nC|", "é🎼", "{"]
_LONG = ("a" * 5000, "[" * 3000, "a=" + "[" * 3000, "lr=" + "9" * 400, "seed=" + "9" * 30)
TEXTS = ("", " ", "\n", "%%abc-include /etc/passwd", *_PATHS, *_SETS, *_OTHERS, *_LONG)
SLOW = {"demo"}  # it trains whatever it is given


def commands() -> dict[str, Any]:
    """The commands by name, as typer's own click has them."""
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def command_line(rng: random.Random, paths: Sequence[str]) -> list[str]:
    """A command with some of its options; now and then one of `paths` where a value may stand."""
    name = rng.choice(sorted(set(commands()) - SLOW))
    parameters = commands()[name].params
    words = [name]
    for parameter in parameters:
        needed = getattr(parameter, "required", False)
        if parameter.name in ("help",) or (not needed and rng.random() > 2.5 / len(parameters)):
            continue
        value = rng.choice((rng.choice(NUMBERS), rng.choice(TEXTS), *[rng.choice(paths)] * 2))
        if not parameter.opts[0].startswith("-"):
            words.append(value)
        elif parameter.is_flag:
            words.append(rng.choice([*parameter.opts, *parameter.secondary_opts]))
        else:
            words += [parameter.opts[0], value]
    if name in ("train", "distill"):  # no line may begin a long work
        words += ["--max-steps", rng.choice(("0", "-1", "x"))]
    return words
