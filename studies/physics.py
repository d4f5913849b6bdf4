"""Does the physics loss make a student's music more like real music, or its likelihood better?

    nice python studies/physics.py run --out DIR --dry-run    # the cells and what they cost
    nice python studies/physics.py run --out DIR              # all that has not run
    python studies/physics.py report --out DIR                # the tables of the page

`weights` distils `rwkv` with a million parameters for seven minutes, with either head, and with
`--beta-phy` 0, 0.3 and 1; three seeds for 0 and 0.3. `once` has rewards for written pieces, and the
negative controls of `physics_controls.py`, with the head that remembers and one seed; rewards get
as many steps as no physics, which takes longer. Rates are those of `--beta-phy 0`, searched for
each head with one seed and three minutes. Minutes become steps by what a step costs, measured here
first; `--only NAME …` runs some cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import physics_controls
from cells import Cell, Study
from distillation import best_rate, rate_cells, rate_losses
from paired import (
    bits,
    bits_against,
    change,
    commands,
    fill,
    mean_music,
    music_against,
    number,
    table,
)
from picogen_core.plugins.registry import registry
from running import main

MINUTES = 7.0
HEADS = ("char-gru", "char-memory")
WEIGHTS = {"0": (0, 1, 2), "0.3": (0, 1, 2), "1": (0,)}
"""`--beta-phy`, and its seeds."""
ONCE = {
    "feedback": (
        "--beta-phy", "0.3", "--physics", "feedback", "--set", "loss.physics.share=0.02",
        "--set", "loss.physics.samples=4",
    ),
} | {
    mode: (
        "--beta-phy", "0", "--set", "loss.physics-control.weight=0.3",
        "--set", f"loss.physics-control.mode={mode}",
    )
    for mode in ("expected", "straight-through", "legacy")
}  # fmt: skip
MUSIC = {
    "interval_js": 1, "beta": 3, "rep": 3, "self_similarity_4": 1, "distinct_bars_1": 1,
    "powerlaw_distance": 2, "meter_agreement": 1,
}  # fmt: skip


def command(head: str, *losses: str) -> tuple[str, ...]:
    return "distill", "--preset", "tiny", "--head", head, *losses


COSTS = {
    **{f"{head}/{w}": command(head, "--beta-phy", w) for head in HEADS for w in ("0", "0.3")},
    **{f"{HEADS[1]}/{name}": command(HEADS[1], *losses) for name, losses in ONCE.items()},
}


def starts() -> dict[str, Path]:
    """Weights that write pieces of a usual length: those of a new student hardly end."""
    shipped = registry().weights().get("tunes")
    return {} if shipped is None else {f"{HEADS[1]}/feedback": shipped.folder}


def rates(study: Study) -> list[Cell]:
    return [
        replace(each, command=command(head, "--beta-phy", "0"), cost=f"{head}/0")
        for head in HEADS
        for each in rate_cells(study, f"rate-{head}", "both")
    ]


def cell(
    study: Study, arm: str, head: str, losses: Sequence[str], seed: int, minutes: float = MINUTES
) -> Cell:
    lr = best_rate(study, f"rate-{head}", "both")
    cost = f"{head}/{'0.3' if arm == '1' else arm}"  # the weight's value changes no cost
    return Cell(f"{head}-{arm}-{seed}", command(head, *losses), cost, minutes, lr, seed)


def weights(study: Study) -> list[Cell]:
    return [
        cell(study, weight, head, ("--beta-phy", weight), seed)
        for weight, seeds in WEIGHTS.items()
        for head in HEADS
        for seed in seeds
    ]


def once(study: Study) -> list[Cell]:
    return [
        cell(study, name, HEADS[1], losses, 0, minutes_of(study, name))
        for name, losses in ONCE.items()
    ]


def minutes_of(study: Study, name: str) -> float:
    """Writing music takes most of the time of `feedback`: it gets as many steps as weight 0."""
    costs = study.costs()
    if name != "feedback" or not costs:
        return MINUTES
    feedback, without = (costs[f"{HEADS[1]}/{arm}"]["warm"] for arm in (name, "0"))
    return MINUTES * feedback / without


PARTS = {"rates": rates, "weights": weights, "once": once}


def report(study: Study, folder: Path) -> None:
    """Fill docs/studies/physics.md."""
    names = [c.name for part in PARTS.values() for c in part(study)]
    rows = {name: row for name in names if (row := study.found(name))}
    parts = {
        "costs": cost_table(study), "rates": rate_table(study), "weights": weight_table(study),
        "once": once_table(study), "commands": commands(rows, study.out),
    }  # fmt: skip
    fill(folder / "physics.md", parts)


def cost_table(study: Study) -> str:
    costs = study.costs()
    body = []
    for key, cost in costs.items():
        head, arm = key.split("/")
        minutes = minutes_of(study, arm)
        without = costs[f"{head}/0"]["warm"]
        body.append(
            [head, arm, *(f"{1000 * cost[k]:.0f}" for k in ("cold", "warm")),
             f"{cost['warm'] / without:.2f}", f"{minutes:.0f}",
             study.steps(Cell("", (), key, minutes, None))]
        )  # fmt: skip
    heads = ["head", "`--beta-phy` or form", "ms, first epoch", "ms, later", "× without",
             "minutes", "steps"]  # fmt: skip
    return table(heads, body)


def rate_table(study: Study) -> str:
    body = [
        [head, f"{rate:g}", number(loss)]
        for head in HEADS
        for rate, loss in sorted(rate_losses(study, f"rate-{head}").items())
    ]
    return table(["head", "rate", "bits per character of validation tunes"], body)


def of(study: Study, head: str, arm: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    found = (study.found(f"{head}-{arm}-{seed}") for seed in seeds)
    return [row for row in found if row and "failed" not in row]


def lines(study: Study, head: str, arm: str, seeds: Sequence[int]) -> list[list[str]]:
    """The values of an arm, and below them what differs from weight 0 with the same seeds."""
    rows = of(study, head, arm, seeds)
    if len(rows) < len(seeds):
        return []
    each = bits(rows)[:, 0]
    values = (number(mean_music(rows, name), digits) for name, digits in MUSIC.items())
    found = [[head, arm, ", ".join(map(number, each)), *values]]
    base = of(study, head, "0", seeds)
    if arm != "0" and len(base) == len(rows):
        against = (change(music_against(rows, base, n), digits) for n, digits in MUSIC.items())
        found.append(["", "against 0 [95 %]", change(bits_against(rows, base)), *against])
    return found


COLUMNS = ["head", "`--beta-phy` or form", "bits per character by seed", *MUSIC]


def weight_table(study: Study) -> str:
    arms = [(head, weight, seeds) for head in HEADS for weight, seeds in WEIGHTS.items()]
    body = [line for arm in arms for line in lines(study, *arm)]
    rows = of(study, HEADS[1], "0", (0,))
    if rows:
        real = (rows[0]["music"].get(n, {}).get("reference") for n in MUSIC)
        body.insert(0, ["real tunes", "", "", *map(number, real, MUSIC.values())])
    return table(COLUMNS, body)


def once_table(study: Study) -> str:
    return table(COLUMNS, [line for name in ONCE for line in lines(study, HEADS[1], name, (0,))])


if __name__ == "__main__":
    physics_controls.register()
    main(__doc__, "study-physics", COSTS, PARTS, report, starts=starts())
