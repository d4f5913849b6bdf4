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
_WORDS = [
    r"none",
    r"/dev/zero",
    r"/dev/null",
    r"nowhere",
    r"..",
    r"é🎼",
    r"{",
    r"key=value",
    r"backbone=3",
    r"backbone.layers=0",
    r"lr=[[1]]",
    r"x.y.z=1",
    r"=",
    r"hf:../../x",
    r"hf:a/b/c",
    r"1/0",
    r"0/1",
    r"99/99",
    r"oneills",
    r"svg,svg",
    r"svgs",
    r"-1",
    r"--",
    r"%s",
    r"K:C\nCDEF|",
    r"freeze=[1]",
    r"loss.physics=1",
    r"loss.physics.weight=nan",
    r"backbone.name=[1]",
    r"head={name=3}",
    r"d_model=1e9",
]
_LONG = ("a" * 5000, "[" * 3000, "a=" + "[" * 3000, "lr=" + "9" * 400, "seed=" + "9" * 30)
TEXTS = ("", " ", "\n", "%%abc-include /etc/passwd", *_WORDS, *_LONG)
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
