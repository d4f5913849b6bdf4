"""`picogen train` and `picogen distill`: one loop, without a teacher and with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from picogen_core.training.config import TrainConfig

from picogen_cli.defaults import dated_name, find_data, shipped_teacher
from picogen_cli.options import Config, Device, Force, Json, Seed, Sets, print_json, show
from picogen_cli.reporter import make_reporter
from picogen_cli.settings import BUDGETS, resolve

Backbone = Annotated[str | None, typer.Option(help="Sequence mixer: see picogen plugins backbone.")]
Head = Annotated[str | None, typer.Option(help="Character model: see picogen plugins head.")]
ExpName = Annotated[str | None, typer.Option(help="Name of the run; left out, made from the date.")]
OutputDir = Annotated[Path | None, typer.Option(help="Folder that holds the runs [checkpoints].")]
Data = Annotated[
    Path | None,
    typer.Option(help="Prepared folder or JSONL index; left out, tune books from music21."),
]
EvalData = Annotated[
    Path | None, typer.Option(help="Held-out folder or index; left out, the data's own split.")
]
Init = Annotated[
    Path | None,
    typer.Option(
        help="Start from these weights and their architecture: run or checkpoint folder, NotaGen "
        ".pth or hf:OWNER/REPO/FILE."
    ),
]
Freeze = Annotated[
    list[str] | None, typer.Option(help="embedding, backbone or head: does not learn. Repeatable.")
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Pieces a step of each process [4].")]
Lr = Annotated[float | None, typer.Option(help="Peak learning rate [0.001].")]
Epochs = Annotated[
    float | None,
    typer.Option(help="Passes over the data, fractions too [20 if nothing else ends the run]."),
]
MaxSteps = Annotated[int | None, typer.Option(min=1, help="Stop after so many steps.")]
MaxCharacters = Annotated[
    int | None, typer.Option(min=1, help="Stop after so many characters learned from.")
]
MaxSeconds = Annotated[
    float | None, typer.Option(help="Stop after so many seconds of steps, on the wall.")
]
MaxCpuSeconds = Annotated[
    float | None, typer.Option(help="Stop after so many CPU seconds of steps.")
]
Nproc = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that share a step; each reads --batch-size pieces [1]."),
]
Preset = Annotated[
    Literal["tiny", "small", "base", "chorales"] | None,
    typer.Option(
        help="A size to begin from: 1, 6 or 32 million parameters with rwkv; chorales: four "
        "voices, from the Bach in music21."
    ),
]
Track = Annotated[
    Literal["none", "wandb"] | None,
    typer.Option(help="Who follows the run; wandb is offline unless WANDB_MODE=online [none]."),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Check everything, tell parameters, memory and time, and stop."),
]
Physics = Annotated[
    Literal["auto", "teacher-matched", "conditional", "feedback"] | None,
    typer.Option(
        help="The loss physics: predictions as the teacher's, or as the music (conditional); "
        "feedback: rewards for pieces that the student writes freely."
    ),
]
RESUME = ("auto", "always", "never")
Resume = Annotated[
    Literal["auto", "always", "never"],
    typer.Option(help="auto: go on from the run's last checkpoint if there is one, else begin."),
]


def train(
    backbone: Backbone = None,
    head: Head = None,
    exp_name: ExpName = None,
    data: Data = None,
    eval_data: EvalData = None,
    output_dir: OutputDir = None,
    init: Init = None,
    freeze: Freeze = None,
    batch_size: BatchSize = None,
    lr: Lr = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    max_characters: MaxCharacters = None,
    max_seconds: MaxSeconds = None,
    max_cpu_seconds: MaxCpuSeconds = None,
    seed: Seed = None,
    device: Device = None,
    physics: Physics = None,
    config: Config = None,
    sets: Sets = None,
    nproc: Nproc = None,
    preset: Preset = None,
    track: Track = None,
    dry_run: DryRun = False,
    resume: Resume = "never",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a model on scores."""
    flags = _flags(locals()) | {"loss.physics.mode": physics}
    defaults = {"loss": {"physics": {"weight": 0.3}}} if physics else {}
    settings = resolve(config, flags, sets or [], defaults, preset)
    _run("train", settings, resume, force, dry_run, as_json)


def distill(
    backbone: Backbone = None,
    head: Head = None,
    exp_name: ExpName = None,
    data: Data = None,
    eval_data: EvalData = None,
    output_dir: OutputDir = None,
    init: Init = None,
    freeze: Freeze = None,
    teacher_ckpt: Annotated[
        Path | None,
        typer.Option(
            help="NotaGen .pth, hf:OWNER/REPO/FILE, run or checkpoint folder; left out, the "
            "shipped teacher."
        ),
    ] = None,
    alpha_kd: Annotated[
        float | None, typer.Option(min=0, help="Weight of logit-kd and hidden-mse [1.0].")
    ] = None,
    beta_phy: Annotated[float | None, typer.Option(min=0, help="Weight of physics [0.3].")] = None,
    physics: Physics = None,
    on_policy: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of steps whose batches the student writes itself, scored by "
            "the teacher (JSD) [0].",
        ),
    ] = None,
    cache_limit: Annotated[
        str | None, typer.Option(help="Most disk for teacher caches, 0 for none [4GB].")
    ] = None,
    batch_size: BatchSize = None,
    lr: Lr = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    max_characters: MaxCharacters = None,
    max_seconds: MaxSeconds = None,
    max_cpu_seconds: MaxCpuSeconds = None,
    seed: Seed = None,
    device: Device = None,
    config: Config = None,
    sets: Sets = None,
    nproc: Nproc = None,
    preset: Preset = None,
    track: Track = None,
    dry_run: DryRun = False,
    resume: Resume = "never",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a small student to follow a teacher."""
    flags = _flags(locals()) | {
        "teacher_ckpt": teacher_ckpt,
        "loss.logit-kd.weight": alpha_kd,
        "loss.hidden-mse.weight": alpha_kd,
        "loss.physics.weight": beta_phy,
        "loss.physics.mode": physics,
        "on_policy": on_policy,
        "cache_limit": cache_limit,
    }
    settings = resolve(config, flags, sets or [], distill_losses(), preset)
    _run("distill", settings, resume, force, dry_run, as_json)


def distill_losses(alpha_kd: float = 1.0, beta_phy: float = 0.3) -> dict[str, Any]:
    """The loss table of a distillation."""
    return {
        "loss": {
            "logit-kd": {"weight": alpha_kd},
            "hidden-mse": {"weight": alpha_kd},
            "physics": {"weight": beta_phy},
        }
    }


def _flags(given: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that both commands have, by their key in the configuration."""
    keys = ["exp_name", "data", "eval_data", "output_dir", "batch_size", "lr", *BUDGETS]
    keys += ["seed", "device", "nproc", "track", "init", "freeze"]
    return {key: given[key] for key in keys} | {
        "backbone.name": given["backbone"],
        "head.name": given["head"],
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
        from picogen_core.training.initial import adopt

        if "exp_name" not in config.model_fields_set:
            config = config.model_copy(update={"exp_name": dated_name(command, "init")})
        config = adopt(config, resume)
    from picogen_core.training.check import check_config

    check_config(config)
    updates: dict[str, Any] = {}
    if "exp_name" not in config.model_fields_set:
        updates["exp_name"] = dated_name(command, config.backbone["name"])
    if command == "distill" and config.teacher_ckpt is None:
        updates["teacher_ckpt"] = shipped_teacher()
    with make_reporter() as reporter:
        updates["data"] = find_data(config.data, reporter)
        config = config.model_copy(update=updates)
        if dry_run:
            from picogen_core.training.dry_run.plan import plan_training

            from picogen_cli.plan_text import plan_text

            plan = plan_training(config, resume=resume, force=force, reporter=reporter)
            print_json(asdict(plan)) if as_json else typer.echo(plan_text(plan))
            return
        from picogen_core.training.loop import run_training

        result = run_training(config, resume=resume, force=force, reporter=reporter)
    if as_json:
        print_json(asdict(result))
        return
    typer.echo(
        f"{result.run_dir}: {result.parameters:,} parameters, {result.steps} steps "
        f"({result.epochs:.1f} epochs) in {result.seconds:.0f} s, "
        f"{100 * result.loader_share:.1f} % of them waiting for data; "
        f"{show(result.bits_per_character)} bits per character on "
        f"{result.bits_per_character.n} held-out pieces. "
        f"Write music with: picogen generate --weights-path {result.run_dir}"
    )
