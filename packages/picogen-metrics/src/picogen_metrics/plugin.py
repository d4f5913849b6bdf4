"""The entry point: metrics of scores, and the loss `physics`."""

from __future__ import annotations

from collections.abc import Iterator

from picogen_core import LossSpec, MetricSpec, hookimpl, lazy, lazy_class

from picogen_metrics.references import REFERENCES


@hookimpl
def picogen_metrics() -> Iterator[MetricSpec]:
    """Yield powerlaw, musicality, counterpoint, validity, novelty, distribution, likelihood."""
    yield MetricSpec(
        name="powerlaw",
        summary="Spectrum, intervals and repetition of melodies, and their distance to real music.",
        config=lazy_class("picogen_metrics.powerlaw_metric:PowerlawOptions"),
        build=lazy("picogen_metrics.powerlaw_metric:PowerlawMetric"),
        unit="1",
        better="lower",
        references=REFERENCES,
    )
    yield MetricSpec(
        name="musicality",
        summary="Entropies, variety, density, form, key and dissonance, each beside real music.",
        config=lazy_class("picogen_metrics.musicality_metric:MusicalityOptions"),
        build=lazy("picogen_metrics.musicality_metric:MusicalityMetric"),
        unit="bit",
        better="closer",
        references=REFERENCES,
    )
    yield MetricSpec(
        name="counterpoint",
        summary="Parallel fifths and octaves, crossed voices and dissonances of several voices.",
        config=lazy_class("picogen_metrics.counterpoint_metric:CounterpointOptions"),
        build=lazy("picogen_metrics.counterpoint_metric:CounterpointMetric"),
        unit="per 100 changes",
        better="lower",
        references=REFERENCES,
    )
    yield MetricSpec(
        name="validity",
        summary="Share of scores that convert, fit the schema and have equal bars in all voices.",
        config=lazy_class("picogen_metrics.validity_metric:ValidityOptions"),
        build=lazy("picogen_metrics.validity_metric:ValidityMetric"),
        unit="%",
        better="higher",
        judges_faults=True,
        reference_sample=100,
        references=REFERENCES,
    )
    yield MetricSpec(
        name="novelty",
        summary="Share of pieces copied from the reference, in any key, and longest copied runs.",
        config=lazy_class("picogen_metrics.novelty_metric:NoveltyOptions"),
        build=lazy("picogen_metrics.novelty_metric:NoveltyMetric"),
        unit="%",
        better="lower",
        needs=("reference",),
    )
    yield MetricSpec(
        name="distribution",
        summary="Overlap and Jensen–Shannon distance of seven features from the reference's.",
        config=lazy_class("picogen_metrics.distribution_metric:DistributionOptions"),
        build=lazy("picogen_metrics.distribution_metric:DistributionMetric"),
        unit="1",
        better="lower",
        needs=("reference",),
        references=REFERENCES,
    )
    yield MetricSpec(
        name="likelihood",
        summary="Bits per character and per note that a model needs for the pieces.",
        config=lazy_class("picogen_metrics.likelihood:LikelihoodOptions"),
        build=lazy("picogen_metrics.likelihood:LikelihoodMetric"),
        unit="bit/character",
        better="lower",
        needs=("checkpoint",),
    )


@hookimpl
def picogen_losses() -> Iterator[LossSpec]:
    """Yield physics."""
    yield LossSpec(
        name="physics",
        summary="Pulls the spectrum and the intervals of predicted melody to the teacher's.",
        config=lazy_class("picogen_metrics.physics_options:PhysicsOptions"),
        build=lazy("picogen_metrics.physics_build:physics"),
        reads={"teacher_logits"},
        scores_samples=True,
        unit="1",
    )
