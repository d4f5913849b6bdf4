"""The configuration of a run, and its check without torch; the resolved file reproduces the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from picogen_core.errors import ConfigError
from picogen_core.model.config import ModelConfig
from picogen_core.plugins.options import MAX_COUNT, MAX_SEED, Settings, parse_options
from picogen_core.plugins.registry import registry
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.training.run.tracking import check_tracker

Schedule = Literal["constant", "linear", "cosine"]
Part = Literal["embedding", "backbone", "head"]


class TrainConfig(Settings):
    """Options of `picogen train` and `picogen distill`.

    `backbone`, `head` and `loss` are tables: `--set backbone.layers=4`,
    `--set loss.physics.weight=0.5`.
    """

    exp_name: str = Field(
        "run",
        pattern=r"^[^/\\.][^/\\]*$",
        description="Name of the run folder, no path; left out, made from the date.",
    )
    output_dir: Path = Field(Path("checkpoints"), description="Folder that holds the runs.")
    data: Path | tuple[Path, ...] | None = Field(
        None, description="Prepared folder or JSONL index to train on, or several."
    )
    eval_data: Path | tuple[Path, ...] | None = Field(
        None, description="The same for evaluation; left out, the split `eval` of `data`."
    )
    d_model: int = Field(128, ge=8, le=65536, description="Width of the hidden state of a patch.")
    max_patches: int = Field(
        256, ge=8, le=1_048_576, description="Pieces with more patches are cropped to this many."
    )
    crops: Literal["fixed", "random"] = Field(
        "fixed",
        description="fixed: a longer piece is cut into crops, the same in every epoch. random: one "
        "random crop per epoch; a teacher then computes every crop anew.",
    )
    backbone: dict[str, Any] = Field(
        default_factory=lambda: {"name": "rwkv"}, description="Name and options of the backbone."
    )
    head: dict[str, Any] = Field(
        default_factory=lambda: {"name": "char-memory"}, description="Name and options of the head."
    )
    loss: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Further losses: weight, schedule, options."
    )
    init: Path | None = Field(
        None,
        description="Checkpoint that gives the run its first weights and its architecture: "
        "run or checkpoint folder, NotaGen .pth, hf:OWNER/REPO[/FILE].",
    )
    freeze: tuple[Part, ...] = Field(
        (), description="Parts that are not trained: embedding, backbone, head."
    )
    teacher_ckpt: Path | None = Field(
        None, description="NotaGen .pth, hf:OWNER/REPO[/FILE], run or checkpoint folder."
    )
    teacher_storage: Literal["fp32", "fp16"] = Field(
        "fp32", description="Precision of a large teacher .pth in the cache."
    )
    cache_limit: str = Field(
        "4GB",
        pattern=r"^[0-9]{1,15}(\.[0-9]{1,15})?\s*[kKMGT]?B?$",
        description="Largest size on disk of all teacher caches together; 0 disables them.",
    )
    cache_dir: Path | None = Field(
        None, description="Folder of the teacher cache; default: the user's cache folder."
    )
    cache_top_k: int | None = Field(
        None,
        ge=1,
        le=127,
        description="Cached codes per character, with the mass of the rest; default: all 128.",
    )
    on_policy: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the steps on batches that the student samples from the headers of "
        "the data. The teacher scores them in the step (JSD, no cross-entropy).",
    )
    sample_patches: int | None = Field(
        None,
        ge=8,
        le=1_048_576,
        description="Largest number of patches of a piece that the student samples for training, "
        "header included; default: max_patches.",
    )
    epochs: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="Passes over the training data, also fractions; 20 if no other limit is given. "
        "The learning rate follows the limit that ends the run.",
    )
    max_steps: int | None = Field(None, ge=1, le=MAX_COUNT, description="Most steps.")
    max_characters: int | None = Field(
        None, ge=1, le=MAX_COUNT, description="Stop after training on this many characters."
    )
    max_seconds: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="Stop after this many seconds of steps, by the wall clock.",
    )
    max_cpu_seconds: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="Stop after this many CPU seconds of steps, of all processes.",
    )
    batch_size: int = Field(4, ge=1, le=65536, description="Pieces of a micro-batch.")
    accumulate: int = Field(1, ge=1, le=65536, description="Micro-batches per process and step.")
    nproc: int = Field(
        1, ge=1, le=1024, description="Processes that share the micro-batches of a step."
    )
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="AdamW, or plain SGD.")
    lr: float = Field(1e-3, gt=0, le=1e38, description="Peak learning rate.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the run with a rising rate.")
    weight_decay: float = Field(0.1, ge=0, le=1000, description="Applied to matrices only.")
    clip: float = Field(1.0, gt=0, le=1e38, description="Largest norm of the gradient.")
    eval_every: int = Field(1, ge=1, le=1_000_000, description="Epochs between evaluations.")
    save_every: int | None = Field(
        None,
        ge=1,
        le=MAX_COUNT,
        description="Steps between checkpoints; by default saving takes 1 % of the time.",
    )
    save_minutes: float = Field(
        5.0, gt=0, le=1e6, description="Longest time between two checkpoints, in minutes."
    )
    samples: int = Field(
        4, ge=0, le=64, description="Pieces generated and measured at every evaluation."
    )
    sample_share: float = Field(
        0.05,
        gt=0,
        le=1e9,
        description="Largest share of the run's time for samples; above it they are skipped.",
    )
    track: Literal["none", "wandb", "tensorboard"] = Field(
        "none", description="Tracker of metrics.jsonl; wandb is offline unless WANDB_MODE=online."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="bf16 is autocast; auto takes it on CUDA, fp32 elsewhere."
    )
    compile: bool = Field(False, description="torch.compile the backbone and the head, on CUDA.")
    checkpoint_gradients: bool = Field(
        False, description="Compute layers again in the backward pass: less memory, more time."
    )
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    seed: int = Field(0, ge=0, le=MAX_SEED, description="Seed for weights, order, crops, dropout.")

    @field_validator("freeze")
    @classmethod
    def _each_part_once(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(sorted(set(parts)))

    def model_config_for(self, teacher_width: int | None) -> ModelConfig:
        """Return the configuration of the student that this run trains."""
        backbone, head = dict(self.backbone), dict(self.head)
        if not all(isinstance(table.get("name"), str) for table in (backbone, head)):
            raise ConfigError("backbone and head need a name: --backbone rwkv --head char-memory.")
        return ModelConfig(
            d_model=self.d_model,
            max_patches=self.max_patches,
            backbone=backbone.pop("name"),
            backbone_options=backbone,
            head=head.pop("name"),
            head_options=head,
            teacher_width=teacher_width,
        )

    @property
    def micro_batches(self) -> int:
        """Micro-batches of a step, over all processes."""
        return self.accumulate * self.nproc

    @property
    def resume_command(self) -> str:
        """The command that resumes this run."""
        return f"picogen train --config {self.run_dir / 'config.toml'} --resume auto"

    @property
    def run_dir(self) -> Path:
        """`checkpoints/<exp-name>`."""
        return self.output_dir / self.exp_name


class Term(Settings):
    """Weight and schedule of a loss.

    Example: `--set loss.physics.weight=0.5 --set loss.physics.schedule=cosine`.
    """

    weight: float = Field(1.0, ge=0, le=1e9, description="Multiplies the loss.")
    schedule: Schedule = Field(
        "constant", description="Weight over the run; linear and cosine fall to 0."
    )

    def weight_at(self, fraction: float) -> float:
        """Return the weight at `fraction` of the run, 0 … 1."""
        if self.schedule == "linear":
            return self.weight * (1 - fraction)
        if self.schedule == "cosine":
            return self.weight * (1 + math.cos(math.pi * fraction)) / 2
        return self.weight


def read_term(name: str, table: Mapping[str, Any]) -> tuple[Term, dict[str, Any]]:
    """Return the term of a loss and the loss's own options, from its configuration table.

    Raises:
        UnknownName: no such loss is installed.
        ConfigError: an unknown option, or a value out of range.
    """
    entry = registry().get("loss", name)
    common = {key: table[key] for key in table if key in Term.model_fields}
    own = {key: table[key] for key in table if key not in Term.model_fields}
    known = [*Term.model_fields, *entry.config().model_fields]
    for key in own:
        if key not in known:
            raise ConfigError(
                f"{entry.where}: there is no option {key!r}.{did_you_mean(key, known)} "
                f"Options: {', '.join(sorted(known))}."
            )
    entry.options(own)
    return parse_options(Term, common, entry.where), own


def check_config(config: TrainConfig) -> None:
    """Raise `UnknownName` for a part that is not installed.

    Raise `ConfigError` for wrong options and for a run that would train nothing.
    """
    if len(config.freeze) == len(get_args(Part)):
        raise ConfigError(
            f"freeze={','.join(config.freeze)} leaves nothing to train. Leave one of them out."
        )
    model = config.model_config_for(None)
    registry().get("backbone", model.backbone).options(model.backbone_options)
    registry().get("head", model.head).options(model.head_options)
    for name, table in config.loss.items():
        read_term(name, table)
    check_tracker(config.track)
