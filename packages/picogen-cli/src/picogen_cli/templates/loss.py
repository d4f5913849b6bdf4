"""A loss that holds the entropy of predictions near a target (after Pereyra et al., 2017).

Glossary: M characters that count, V = 128 codes.
"""

from __future__ import annotations

from collections.abc import Iterator

from picogen_core import Loss, LossBatch, LossSpec, LossValue, Options, hookimpl
from pydantic import Field


class MyOptions(Options):
    """What `--set loss.NAME.OPTION=VALUE` takes; `weight` is there already."""

    target: float = Field(0.5, ge=0, description="Mean entropy aimed at, nat per character.")


def build(options: MyOptions) -> Loss:
    """Return the loss: a function of a batch."""

    def loss(batch: LossBatch) -> LossValue:
        """The squared distance of the mean entropy from the target."""
        log_p = batch.student_log_probabilities  # [M, V]; no padding is in it
        entropy = -(log_p.exp() * log_p).sum(-1).mean()
        value = (entropy - options.target).square()
        return LossValue(value, {"entropy": entropy.item()})  # parts go into metrics.jsonl

    return loss


@hookimpl
def picogen_losses() -> Iterator[LossSpec]:
    """What PiCo-Gen finds."""
    yield LossSpec(
        name="my-name",
        summary="Squared distance of the mean entropy from a target.",
        config=lambda: MyOptions,
        build=build,
        unit="nat²",
    )
