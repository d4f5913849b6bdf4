"""Does a small student learn more in the same time with a teacher than alone, and from what?

    nice python studies/distillation.py run --out DIR --dry-run    # the cells and what they cost
    nice python studies/distillation.py run --out DIR              # all that has not run
    python studies/distillation.py report --out DIR                # the tables of the page

`core` is `rwkv` with a million parameters, the teacher that ships, ten minutes and three seeds.
`factors` changes one thing at a time, with one seed: alone, and the arm that was best on validation
tunes. `rates` has one seed and three minutes for each arm, and goes on upward or downward until the
best rate has a worse one on either side. Every cell's minutes become steps by what a step costs,
measured here first; the teacher's forward passes in the first epoch count. `--only NAME …` runs
some cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cells import Cell, Study, read, write
from paired import (
    bits,
    bits_against,
    change,
    commands,
    fill,
    gap_closed,
    mean_music,
    music_against,
    number,
    table,
)
from picogen_cli.defaults import shipped_teacher
from running import main

MINUTES, RATE_MINUTES = 10.0, 3.0
SEEDS = (0, 1, 2)
RATES = (6e-3, 1.2e-2)
LOWEST, HIGHEST = 1e-3, 1e-1
ALONE = "alone"
SETTINGS = {
    "rwkv": ("--preset", "tiny"),
    "llama": ("--preset", "tiny", "--backbone", "llama"),
    "small": ("--preset", "tiny", "--set", "d_model=64"),
}
ARMS = {
    ALONE: ("train",),
    "hidden": ("distill", "--beta-phy", "0", "--set", "loss.logit-kd.weight=0"),
    "logits": ("distill", "--beta-phy", "0", "--set", "loss.hidden-mse.weight=0"),
    "both": ("distill", "--beta-phy", "0"),
}
FACTORS: dict[str, dict[str, Any]] = {
    "llama": {"setting": "llama"},
    "0.3M parameters": {"setting": "small"},
    "10 % of the tunes": {"data": "tunes-10"},
    "3 minutes": {"minutes": 3.0},
    "30 minutes": {"minutes": 30.0},
}
MUSIC = {
    "rep": 3, "beta": 2, "powerlaw_distance": 2, "self_similarity_1": 1, "self_similarity_4": 1,
    "distinct_bars_1": 1, "meter_agreement": 1, "copied_run": 2, "longest_copied_run": 0,
}  # fmt: skip


def command(setting: str, arm: str) -> tuple[str, ...]:
    verb, *losses = ARMS[arm]
    return verb, *SETTINGS[setting], *losses


COSTS = {f"{s}/{arm}": command(s, arm) for s in SETTINGS for arm in ARMS}


def cell(name: str, arm: str, lr: float | None, setting: str = "rwkv", **what: Any) -> Cell:
    given = {"minutes": MINUTES} | what
    return Cell(name, command(setting, arm), f"{setting}/{arm}", lr=lr, **given)


def slug(text: str) -> str:
    return text.replace(" %", "%").replace("%", "pc").replace(" ", "-")


def rates(study: Study) -> list[Cell]:
    return [one for arm in ARMS for one in rate_cells(study, f"rate-{arm}", arm)]


def rate_cells(study: Study, name: str, arm: str, **what: Any) -> list[Cell]:
    """Cells of one arm's rates: those to begin with, then beyond the best until it is inside."""
    known = rate_losses(study, name)
    wanted = set(RATES) | set(known)
    if wanted == set(known):
        best = min(known, key=known.__getitem__)
        beside = {f"{best * factor:.3g}" for factor in (0.5, 2)}
        wanted |= {float(r) for r in beside if LOWEST <= float(r) <= HIGHEST}
    return [
        cell(f"{name}-{lr:g}", arm, lr, minutes=RATE_MINUTES, pieces=False, **what)
        for lr in sorted(wanted)
    ]


def rate_losses(study: Study, name: str) -> dict[float, float]:
    """Validation bits per character by rate, of the cells that have run."""
    files = study.out.glob(f"{name}-*/cell.json")
    rows = [row for file in files if (row := study.found(file.parent.name))]
    return {
        row["lr"]: math.inf if "failed" in row else float(bits([row], "validation")[0, 0])
        for row in rows
    }


def best_rate(study: Study, name: str, arm: str = ALONE) -> float | None:
    """None until all of the rates have run."""
    cells = rate_cells(study, name, arm)
    found = rate_losses(study, name)
    if any(each.lr not in found for each in cells):
        return None
    return min(found, key=found.__getitem__)


def core(study: Study) -> list[Cell]:
    chosen = {arm: best_rate(study, f"rate-{arm}", arm) for arm in ARMS}
    return [
        cell(f"core-{arm}-{seed}", arm, chosen[arm], seed=seed) for seed in SEEDS for arm in ARMS
    ]


def best_arm(study: Study) -> str | None:
    """The arm with a teacher whose core is best on validation tunes; None until all have run."""
    found = {arm: of_core(study, arm) for arm in ARMS if arm != ALONE}
    if any(len(rows) < len(SEEDS) for rows in found.values()):
        return None
    return min(found, key=lambda arm: bits(found[arm], "validation").mean())


def factors(study: Study) -> list[Cell]:
    """Before the core has run, the dearest arm stands for the best one, without a rate."""
    best = best_arm(study)
    cells = []
    for factor, what in FACTORS.items():
        for kind, arm in (("alone", ALONE), ("taught", best or "both")):
            known = kind == "alone" or best is not None
            lr = best_rate(study, f"rate-{arm}", arm) if known else None
            cells.append(cell(f"{slug(factor)}-{kind}", arm, lr, **what))
    return cells


def of_core(study: Study, arm: str) -> list[dict[str, Any]]:
    names = [f"core-{arm}-{seed}" for seed in SEEDS]
    return [row for name in names if (row := study.found(name)) and "failed" not in row]


def teacher(study: Study) -> dict[str, Any]:
    """The teacher's own likelihood of every tune."""
    file = study.out / "teacher.json"
    if not file.is_file():
        write(file, study.likelihood(shipped_teacher()))
    found: dict[str, Any] = read(file)
    return found


def report(study: Study, folder: Path) -> None:
    """Fill docs/studies/distillation.md."""
    names = [c.name for part in PARTS.values() for c in part(study)]
    rows = {name: row for name in names if (row := study.found(name))}
    parts = {
        "costs": cost_table(study), "rates": rate_table(study), "core": core_table(study),
        "music": music_table(study), "factors": factor_table(study),
        "commands": commands(rows, study.out),
    }  # fmt: skip
    fill(folder / "distillation.md", parts)


def cost_table(study: Study) -> str:
    costs = study.costs()
    body = []
    for key, cost in costs.items():
        setting, arm = key.split("/")
        alone = costs[f"{setting}/{ALONE}"]["warm"]
        steps = study.steps(cell("", arm, None, setting))
        body.append(
            [setting, arm, *(f"{1000 * cost[k]:.0f}" for k in ("cold", "warm")),
             *(f"{cost[k] / alone:.2f}" for k in ("cold", "warm")), steps]
        )  # fmt: skip
    heads = ["student", "arm", "ms, first epoch", "ms, later", "× alone, first", "× alone, later",
             "steps of 10 minutes"]  # fmt: skip
    return table(heads, body)


def rate_table(study: Study) -> str:
    found = {arm: rate_losses(study, f"rate-{arm}") for arm in ARMS}
    every = sorted({rate for losses in found.values() for rate in losses})
    body = []
    for arm, losses in found.items():
        shown = {r: f"{x:.3f}" for r, x in losses.items()}
        if losses:
            best = min(losses, key=losses.__getitem__)
            shown[best] = f"**{shown[best]}**"
        body.append([arm, *(shown.get(rate, "") for rate in every)])
    return table(["arm", *(f"{rate:g}" for rate in every)], body if every else [])


def core_table(study: Study) -> str:
    base = of_core(study, ALONE)
    body: list[Sequence[Any]] = []
    for arm in ARMS:
        rows = of_core(study, arm)
        if not rows:
            continue
        each = bits(rows)[:, 0]
        line = [arm, f"{rows[0]['lr']:g}", rows[0]["steps"], ", ".join(map(number, each)),
                number(each.mean()), "", ""]  # fmt: skip
        if arm != ALONE and len(base) == len(rows):
            line[5:] = [
                change(bits_against(rows, base)),
                change(gap_closed(rows, base, teacher(study)), 0, " %"),
            ]
        body.append(line)
    if body:
        own = number(bits([teacher(study)])[0, 0])
        body.append(["the teacher itself", "", "", own, own, "", ""])
    heads = ["arm", "rate", "steps", "bits per character by seed", "mean", "against alone [95 %]",
             "gap to the teacher closed [95 %]"]  # fmt: skip
    return table(heads, body)


def music_table(study: Study) -> str:
    """Values by arm, with the difference to alone below each arm that has a teacher."""
    base = of_core(study, ALONE)
    body: list[Sequence[Any]] = []
    for arm in ARMS:
        rows = of_core(study, arm)
        if not rows:
            continue
        if not body:
            real = [rows[0]["music"].get(name, {}).get("reference") for name in MUSIC]
            body.append(["real tunes", *map(number, real, MUSIC.values())])
        body.append([arm, *(number(mean_music(rows, name), d) for name, d in MUSIC.items())])
        if arm != ALONE and len(base) == len(rows):
            against = (change(music_against(rows, base, name), d) for name, d in MUSIC.items())
            body.append([f"{arm} against alone", *against])
    return table(["arm", *MUSIC], body)


def factor_table(study: Study) -> str:
    body = []
    for factor in FACTORS:
        alone, taught = (study.found(f"{slug(factor)}-{kind}") for kind in ("alone", "taught"))
        if not alone or not taught or "failed" in alone | taught:
            continue
        each = (number(bits([row])[0, 0]) for row in (alone, taught))
        body.append(
            [factor, f"{alone['parameters']:,}", *each,
             change(bits_against([taught], [alone])),
             change(gap_closed([taught], [alone], teacher(study)), 0, " %")]
        )  # fmt: skip
    heads = ["what is other", "parameters", "alone", "best arm", "against alone [95 %, tunes only]",
             "gap to the teacher closed"]  # fmt: skip
    return table(heads, body)


PARTS = {"rates": rates, "core": core, "factors": factors}

if __name__ == "__main__":
    main(__doc__, "study-distillation", COSTS, PARTS, report)
