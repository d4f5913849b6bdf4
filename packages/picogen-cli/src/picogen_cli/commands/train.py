"""`picogen train` and `picogen distill`: one loop, without a teacher and with one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer
from picogen_core.evaluation.summaries import with_interval
from picogen_core.runtime.group import find_group
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.training.config import TrainConfig

from picogen_cli.defaults import dated_name, find_data, shipped_teacher
from picogen_cli.fields import takes
from picogen_cli.options import Config, Force, Json, Sets, comma_list, print_json
from picogen_cli.reporter import make_reporter
from picogen_cli.settings import BUDGETS, resolve

MODEL, STEPS, RUN, TEACHER = "Model", "Steps", "The run", "Teacher"
PANELS = {
    "Data": ("data", "eval_data"),
    MODEL: ("init",),
    STEPS: ("batch_size", "lr", "nproc", "device", "seed"),
    "Length of the run": BUDGETS,
    RUN: ("exp_name", "output_dir", "track"),
}
"""Fields of `TrainConfig` with an option of their own, by their heading in the help."""
WITH_TEACHER = {TEACHER: ("teacher_ckpt", "cache_limit", "on_policy"), **PANELS}
SHORT = {"output_dir": "-o"}

Backbone = Annotated[
    str | None,
    typer.Option(help="Sequence mixer: see picogen plugins backbone.", rich_help_panel=MODEL),
]
Head = Annotated[
    str | None,
    typer.Option(help="Character model: see picogen plugins head.", rich_help_panel=MODEL),
]
Freeze = Annotated[
    list[str] | None,
    typer.Option(
        help="Parts that do not learn, comma-separated: embedding, backbone, head.",
        rich_help_panel=MODEL,
    ),
]
Preset = Annotated[
    Literal["tiny", "small", "base", "chorales"] | None,
    typer.Option(
        help="A size to begin from: 1, 6 or 32 million parameters with rwkv; chorales: four "
        "voices, from the Bach in music21.",
        rich_help_panel=MODEL,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Check everything, report parameters, memory and time, and stop.",
        rich_help_panel=RUN,
    ),
]
Physics = Annotated[
    Literal["auto", "teacher-matched", "conditional", "feedback"] | None,
    typer.Option(
        help="The loss physics: match the teacher's predictions or the music (conditional); "
        "feedback: rewards for pieces that the student generates freely.",
        rich_help_panel="Losses",
    ),
]
RESUME = ("auto", "always", "never")
Resume = Annotated[
    Literal["auto", "always", "never"],
    typer.Option(
        help="auto: continue from the run's last checkpoint if there is one, else begin.",
        rich_help_panel=RUN,
    ),
]


@takes(TrainConfig, "given", PANELS, SHORT)
def train(
    given: dict[str, Any],
    backbone: Backbone = None,
    head: Head = None,
    freeze: Freeze = None,
    preset: Preset = None,
    physics: Physics = None,
    config: Config = None,
    sets: Sets = None,
    dry_run: DryRun = False,
    resume: Resume = "never",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a model on scores."""
    flags = given | {"backbone.name": backbone, "head.name": head}
    flags |= {"freeze": comma_list(freeze) or None, "loss.physics.mode": physics}
    defaults = {"loss": {"physics": {"weight": 0.3}}} if physics else {}
    settings = resolve(config, flags, sets or [], defaults, preset)
    _run("train", settings, resume, force, dry_run, as_json)


@takes(TrainConfig, "given", WITH_TEACHER, SHORT)
def distill(
    given: dict[str, Any],
    backbone: Backbone = None,
    head: Head = None,
    freeze: Freeze = None,
    preset: Preset = None,
    alpha_kd: Annotated[
        float | None,
        typer.Option(
            min=0, help="Weight of logit-kd and hidden-mse [1.0].", rich_help_panel="Losses"
        ),
    ] = None,
    beta_phy: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of physics [0.3].", rich_help_panel="Losses"),
    ] = None,
    physics: Physics = None,
    config: Config = None,
    sets: Sets = None,
    dry_run: DryRun = False,
    resume: Resume = "never",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a small student to follow a teacher."""
    flags = given | {"backbone.name": backbone, "head.name": head}
    flags |= {"freeze": comma_list(freeze) or None, "loss.physics.mode": physics}
    flags |= {
        "loss.logit-kd.weight": alpha_kd,
        "loss.hidden-mse.weight": alpha_kd,
        "loss.physics.weight": beta_phy,
    }
    settings = resolve(config, flags, sets or [], distill_losses(), preset)
    _run("distill", settings, resume, force, dry_run, as_json)


def distill_losses(alpha_kd: float = 1.0, beta_phy: float = 0.3) -> dict[str, Any]:
    """Return the loss table of a distillation."""
    return {
        "loss": {
            "logit-kd": {"weight": alpha_kd},
            "hidden-mse": {"weight": alpha_kd},
            "physics": {"weight": beta_phy},
        }
    }


def _run(
    command: str,
    config: TrainConfig,
    resume: Literal["auto", "always", "never"],
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    if config.init is not None:
        from picogen_core.training.initial_weights import adopt

        if "exp_name" not in config.model_fields_set:
            config = config.model_copy(update={"exp_name": dated_name(command, "init")})
        config = adopt(config, resume)
    from picogen_core.training.config import check_config
    from picogen_core.training.loop import run_training  # torch may be missing: before data is made

    check_config(config)
    updates: dict[str, Any] = {}
    if "exp_name" not in config.model_fields_set:
        updates["exp_name"] = dated_name(command, config.backbone["name"])
    if command == "distill" and config.teacher_ckpt is None:
        updates["teacher_ckpt"] = shipped_teacher()
    group = find_group()
    first = group is None or group.rank == 0
    shown: AbstractContextManager[Reporter] = make_reporter() if first else nullcontext(Quiet())
    with shown as reporter:
        updates["data"] = find_data(config.data, reporter)
        config = config.model_copy(update=updates)
        if dry_run and not first:
            return
        if dry_run:
            from picogen_core.training.dry_run.plan import plan_training

            from picogen_cli.plan_text import plan_text

            plan = plan_training(config, resume=resume, force=force, reporter=reporter)
            print_json(asdict(plan)) if as_json else typer.echo(plan_text(plan))
            return
        result = run_training(config, resume=resume, force=force, reporter=reporter)
    if not first:
        return
    if as_json:
        print_json(asdict(result))
        return
    typer.echo(
        f"{result.run_dir}: {result.parameters:,} parameters, {result.steps} steps "
        f"({result.epochs:.1f} epochs) in {result.seconds:.0f} s, "
        f"{100 * result.loader_share:.1f} % of them waiting for data; "
        f"{with_interval(result.bits_per_character)} bits per character on "
        f"{result.bits_per_character.n} held-out pieces. "
        f"Write music with: picogen generate --weights-path {result.run_dir}"
    )
