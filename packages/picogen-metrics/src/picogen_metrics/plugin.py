"""What this package brings: the metrics `powerlaw` and `alignment`, the loss `physics`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from picogen_core import LossSpec, MetricSpec, hookimpl

if TYPE_CHECKING:
    from picogen_core import Loss, Metric

    from picogen_metrics.alignment import AlignmentOptions
    from picogen_metrics.physics_options import PhysicsOptions
    from picogen_metrics.powerlaw_metric import PowerlawOptions


def _powerlaw_options() -> type[PowerlawOptions]:
    from picogen_metrics.powerlaw_metric import PowerlawOptions

    return PowerlawOptions


def _powerlaw(options: PowerlawOptions) -> Metric:
    from picogen_metrics.powerlaw_metric import PowerlawMetric

    return PowerlawMetric(options)


def _alignment_options() -> type[AlignmentOptions]:
    from picogen_metrics.alignment import AlignmentOptions

    return AlignmentOptions


def _alignment(options: AlignmentOptions) -> Metric:
    from picogen_metrics.alignment import AlignmentMetric

    return AlignmentMetric(options)


def _physics_options() -> type[PhysicsOptions]:
    from picogen_metrics.physics_options import PhysicsOptions

    return PhysicsOptions


def _physics(options: PhysicsOptions) -> Loss:
    from picogen_metrics.physics_loss import PhysicsAwareLoss

    return PhysicsAwareLoss(options)


@hookimpl
def picogen_metrics() -> Iterator[MetricSpec]:
    """powerlaw and alignment."""
    yield MetricSpec(
        name="powerlaw",
        summary="Spectrum, intervals and repetition of melodies, and their distance to real music.",
        config=_powerlaw_options,
        build=_powerlaw,
        unit="1",
        better="lower",
    )
    yield MetricSpec(
        name="alignment",
        summary="Share of bars whose voices differ in duration (NotaGen's bar-alignment error).",
        config=_alignment_options,
        build=_alignment,
        unit="%",
        better="lower",
    )


@hookimpl
def picogen_losses() -> Iterator[LossSpec]:
    """physics."""
    yield LossSpec(
        name="physics",
        summary="Pulls the spectrum and the intervals of predicted melody to the teacher's.",
        config=_physics_options,
        build=_physics,
        needs_hidden=False,
        unit="1",
    )
