"""The distillation losses' names and options; `losses.py` has their maths.

Every loss also has a weight and a schedule (`config.Term`), and `objective.py` adds them to
cross-entropy. `--alpha-kd` is the weight of both losses here (`picogen_cli.commands.train`).
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from picogen_core.plugins.lazy import lazy
from picogen_core.plugins.options import Options
from picogen_core.plugins.specs import LossSpec


class LogitKdOptions(Options):
    """Options of `logit-kd`."""

    divergence: Literal["forward-kl", "reverse-kl", "jsd"] = Field(
        "forward-kl",
        description="KL(teacher ‖ student), KL(student ‖ teacher), or their middle; "
        "always jsd on text sampled from the student.",
    )
    temperature: float = Field(
        1.0, gt=0, le=1000, description="Divides both logits; the loss is multiplied by its square."
    )


class HiddenMseOptions(Options):
    """Options of `hidden-mse`."""


def loss_specs() -> Iterator[LossSpec]:
    """Yield the losses of the core."""
    yield LossSpec(
        name="logit-kd",
        summary="Divergence of the student's character distribution from the teacher's.",
        config=lambda: LogitKdOptions,
        build=lazy("picogen_core.training.losses:build_logit_kd"),
        reads={"teacher_logits"},
        needs_teacher=True,
        scores_samples=True,
    )
    yield LossSpec(
        name="hidden-mse",
        summary="Mean square difference of projected and teacher's hidden states of patches.",
        config=lambda: HiddenMseOptions,
        build=lazy("picogen_core.training.losses:build_hidden_mse"),
        reads={"teacher_hidden"},
        needs_teacher=True,
        scores_samples=True,
        unit="square of the teacher's hidden unit",
    )
