"""The distillation losses' names and options; torch arrives in the builders."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from picogen_core.options import Options
from picogen_core.protocols import Loss
from picogen_core.specs import LossSpec


class LogitKdOptions(Options):
    """Options of `logit-kd`."""

    divergence: Literal["forward-kl", "reverse-kl", "jsd"] = Field(
        "forward-kl",
        description="KL(teacher ‖ student), KL(student ‖ teacher), or their middle; "
        "always jsd on what the student wrote itself.",
    )
    temperature: float = Field(
        1.0, gt=0, le=1000, description="Divides both logits; the loss is multiplied by its square."
    )


class HiddenMseOptions(Options):
    """Options of `hidden-mse`."""


def _logit_kd(options: LogitKdOptions) -> Loss:
    from picogen_core.training.losses import LogitKd

    return LogitKd(options.divergence, options.temperature)


def _hidden_mse(options: HiddenMseOptions) -> Loss:
    from picogen_core.training.losses import hidden_mse

    return hidden_mse


def loss_specs() -> Iterator[LossSpec]:
    """The losses of the core."""
    yield LossSpec(
        name="logit-kd",
        summary="Divergence of the student's character distribution from the teacher's.",
        config=lambda: LogitKdOptions,
        build=_logit_kd,
        needs_teacher=True,
        needs_hidden=False,
        scores_samples=True,
    )
    yield LossSpec(
        name="hidden-mse",
        summary="Mean square difference of projected patch hiddens and the teacher's.",
        config=lambda: HiddenMseOptions,
        build=_hidden_mse,
        needs_teacher=True,
        needs_logits=False,
        scores_samples=True,
        unit="square of the teacher's hidden unit",
    )
