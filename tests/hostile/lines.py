"""Command lines made of the commands' own options, with values of every kind that may be given."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, get_args

import typer.main
from picogen_cli.main import app

HUGE = ("9" * 310, "-" + "9" * 310, "1e" + "9" * 310, "a" * 5000, "[" * 3000)
EMPTY = ("", " ", "\n", "\t", "--", "-", "=")
_PATHS = ("none", "/dev/zero", "/dev/null", "nowhere", "..", "hf:../../x", "hf:a/b/c", "~", "x\0y")
_NUMBERS = (
    "2.5", "1e300", "-1e300", "nan", "inf", "-inf", "0x10", "1_0", "٣", "1e-320", "true", "None",
    "9" * 20, "1,5", "+3", "1/0", "0/1", "99/99",
)  # fmt: skip
_SETS = (
    "key=value", "backbone=3", "backbone.layers=0", "lr=[[1]]", "x.y.z=1", "=", "freeze=[1]",
    "loss.physics=1", "loss.physics.weight=nan", "backbone.name=[1]", "head={name=3}",
    "d_model=1e9", "a=" + "[" * 3000, "lr=" + "9" * 400, "seed=" + "9" * 30, "validity.convert=9",
    "abc.licence=[1]", ".".join("a" * 3000) + "=1", "lr=nan", "epochs=-inf",
)  # fmt: skip
_WORDS = (
    "oneills", "svg,svg", "svgs", "%s", "K:C\\nC|", "é🎼", "{", "\ud800", "musicxml", "html",
    "%%abc-include /etc/passwd", "../../x", "md", "valid=90", "valid=nan", "=1", "music21:bach",
)  # fmt: skip
RIGHT = {
    "to": ("musicxml", "svg,midi", "abc", "html", "onnx"), "reference": ("oneills", "bach"),
    "metric": ("musicality", "powerlaw", "validity", "novelty"), "key": ("G", "Dmin"),
    "meter": ("6/8",), "tempo": ("1/4=100",), "order": ("notagen",), "rank": ("nll", "valid"),
    "engine": ("torch",), "rollover": ("auto", "never"), "shard": ("1/1",),
    "device": ("cpu",), "backbone": ("rwkv",), "head": ("char-gru",), "form": ("md", "csv"),
    "keys": ("original", "2"), "fail_under": ("valid=1",), "prompt": ("M:6/8\\nK:G\\n",),
    "cache_limit": ("1MB",), "kind": ("backbone", "metric"), "name": ("rwkv",),
    "output_dir": ("out",), "exp_name": ("a",), "output": ("o.md",), "curves": ("c.svg",),
    "report_file": ("r.html",), "sets": ("lr=0.1", "validity.convert=false"), "freeze": ("head",),
}  # fmt: skip
"""What options may well be given, by the names of their parameters."""

SLOW = {"demo"}
"""Commands that train whatever they are given."""

_LONG = {
    "num_samples", "candidates", "samples", "batch_size", "max_steps", "max_characters", "epochs",
    "max_seconds", "max_cpu_seconds", "bars", "max_length", "report_pieces", "nproc", "max_patches",
}  # fmt: skip
"""Numbers whose largest is allowed, and would take days."""


def commands() -> dict[str, Any]:
    """The commands by name, as typer has them."""
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def value_of(parameter: Any, rng: random.Random, paths: Sequence[str], odd: float) -> str:
    """A value that is right, or else at a bound, of another type, huge, or empty."""
    kind = getattr(parameter, "bare_type", None)
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    how = rng.choice(("bound", "other", "huge", "empty")) if rng.random() < odd else "right"
    if how == "huge":
        return rng.choice(HUGE)
    if how == "empty":
        return rng.choice(EMPTY)
    if how == "other":
        return rng.choice((*_NUMBERS, *_WORDS, *_SETS, *_PATHS))
    if kind in (int, float):
        low = 0 if least is None else least
        if how == "right" or (least is None and most is None):
            return str(rng.choice((low, low + 1, low + 2)))
        bounds = [low, low - 1, -1, 0] + ([] if most is None else [most + 1])
        if most is not None and parameter.name not in _LONG:
            bounds.append(most)
        return str(rng.choice(bounds))
    if choices := get_args(kind):
        return str(rng.choice(choices))
    if parameter.name in RIGHT and how == "right":
        return rng.choice(RIGHT[parameter.name])
    return rng.choice(_SETS if parameter.name == "sets" else paths)


def command_line(rng: random.Random, paths: Sequence[str]) -> list[str]:
    """A command with some of its options; often one of `paths` where a value may stand."""
    name = rng.choice(sorted(set(commands()) - SLOW))
    parameters = commands()[name].params
    words, odd = [name], rng.choice((0.0, 0.15, 0.6))
    if name == "generate":  # auto compiles in the background, and that outlives the command
        words += ["--engine", "torch"]
    for parameter in parameters:
        needed = getattr(parameter, "required", False)
        share = rng.choice((1.5, 3.0))
        if parameter.name == "help" or (not needed and rng.random() > share / len(parameters)):
            continue
        if not parameter.opts[0].startswith("-"):
            words += [value_of(parameter, rng, paths, odd) for _ in range(rng.choice((1, 1, 2)))]
        elif parameter.is_flag:
            words.append(rng.choice([*parameter.opts, *parameter.secondary_opts]))
        else:
            words += [parameter.opts[0], value_of(parameter, rng, paths, odd)]
    if rng.random() < 0.1:
        words.insert(rng.randrange(len(words) + 1), rng.choice(("--none", "-x", *HUGE, *EMPTY)))
    if name in ("train", "distill"):  # no line may begin a long work
        words += ["--max-steps", rng.choice(("0", "-1", "x"))]
    if name == "generate" and rng.random() < 0.9:
        words += ["--max-length", rng.choice(("2", "12"))]
    return words
