"""What this package brings: metrics of scores, and the loss `physics`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from picogen_core import LossSpec, MetricSpec, hookimpl

from picogen_metrics.references import REFERENCES

if TYPE_CHECKING:
    from picogen_core import Feedback, Loss, Metric, Options

    from picogen_metrics.physics_options import PhysicsOptions


def _options(module: str, name: str) -> Callable[[], type[Options]]:
    """The class of options in `picogen_metrics.<module>`, imported when it is asked for."""

    def load() -> type[Options]:
        cls: type[Options] = getattr(import_module(f"picogen_metrics.{module}"), name)
        return cls

    return load


def _metric(module: str, name: str) -> Callable[[Any], Metric]:
    """The class of a metric in `picogen_metrics.<module>`, imported when it is built."""

    def build(options: Any) -> Metric:
        metric: Metric = getattr(import_module(f"picogen_metrics.{module}"), name)(options)
        return metric

    return build


def _physics_options() -> type[PhysicsOptions]:
    from picogen_metrics.physics_options import PhysicsOptions

    return PhysicsOptions


def _physics(options: PhysicsOptions) -> Loss | Feedback:
    if options.mode == "feedback":
        from picogen_metrics.physics_feedback import PhysicsFeedback

        return PhysicsFeedback(options)
    if options.mode in ("expected", "straight-through", "legacy"):
        from picogen_metrics.physics_controls import PhysicsControl

        return PhysicsControl(options)
    from picogen_metrics.physics_loss import PhysicsAwareLoss

    return PhysicsAwareLoss(options)


@hookimpl
def picogen_metrics() -> Iterator[MetricSpec]:
    """powerlaw, musicality, counterpoint, validity, novelty, distribution and likelihood."""
    yield MetricSpec(
        name="powerlaw",
        summary="Spectrum, intervals and repetition of melodies, and their distance to real music.",
        config=_options("powerlaw_metric", "PowerlawOptions"),
        build=_metric("powerlaw_metric", "PowerlawMetric"),
        unit="1",
        better="lower",
        references=REFERENCES,
    )
    yield MetricSpec(
        name="musicality",
        summary="Entropies, variety, density, form, key and dissonance, each beside real music.",
        config=_options("musicality_metric", "MusicalityOptions"),
        build=_metric("musicality_metric", "MusicalityMetric"),
        unit="bit",
        better="closer",
        references=REFERENCES,
    )
    yield MetricSpec(
        name="counterpoint",
        summary="Parallel fifths and octaves, crossed voices and dissonances of several voices.",
        config=_options("counterpoint_metric", "CounterpointOptions"),
        build=_metric("counterpoint_metric", "CounterpointMetric"),
        unit="per 100 changes",
        better="lower",
        references=REFERENCES,
    )
    yield MetricSpec(
        name="validity",
        summary="Share of scores that convert, fit the schema and have equal bars in all voices.",
        config=_options("validity_metric", "ValidityOptions"),
        build=_metric("validity_metric", "ValidityMetric"),
        unit="%",
        better="higher",
        judges_faults=True,
        reference_sample=100,
        references=REFERENCES,
    )
    yield MetricSpec(
        name="novelty",
        summary="Share of pieces copied from the reference, in any key, and longest copied runs.",
        config=_options("novelty_metric", "NoveltyOptions"),
        build=_metric("novelty_metric", "NoveltyMetric"),
        unit="%",
        better="lower",
        needs=("reference",),
    )
    yield MetricSpec(
        name="distribution",
        summary="Overlap and Jensen–Shannon distance of seven features from the reference's.",
        config=_options("distribution_metric", "DistributionOptions"),
        build=_metric("distribution_metric", "DistributionMetric"),
        unit="1",
        better="lower",
        needs=("reference",),
        references=REFERENCES,
    )
    yield MetricSpec(
        name="likelihood",
        summary="Bits per character and per note that a model needs for the pieces.",
        config=_options("likelihood", "LikelihoodOptions"),
        build=_metric("likelihood", "LikelihoodMetric"),
        unit="bit/character",
        better="lower",
        needs=("checkpoint",),
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
        scores_samples=True,
        unit="1",
    )
