"""What PiCo-Gen finds: one part of each kind. torch and numpy are imported when a part is built."""

from collections.abc import Iterator

from picogen_core import (
    BackboneSpec,
    HeadSpec,
    LossSpec,
    MetricSpec,
    Source,
    SourceSpec,
    hookimpl,
    lazy,
)

from picogen_gru.options import (
    BigramOptions,
    EntropyOptions,
    GruOptions,
    JsonlOptions,
    LeapsOptions,
)


@hookimpl
def picogen_backbones() -> Iterator[BackboneSpec]:
    yield BackboneSpec(
        name="gru",
        summary="GRU: a state of one vector a layer.",
        config=lambda: GruOptions,
        build=lazy("picogen_gru.gru:Gru"),
        compiled_step=lazy("picogen_gru.compiled:CompiledGru"),
        recurrent=True,
    )


@hookimpl
def picogen_heads() -> Iterator[HeadSpec]:
    yield HeadSpec(
        name="bigram",
        summary="The hidden state and one character before.",
        config=lambda: BigramOptions,
        build=lazy("picogen_gru.bigram:Bigram"),
    )


@hookimpl
def picogen_losses() -> Iterator[LossSpec]:
    yield LossSpec(
        name="entropy",
        summary="Squared distance of the mean entropy from a target.",
        config=lambda: EntropyOptions,
        build=lazy("picogen_gru.entropy:EntropyTarget"),
        unit="nat²",
    )


@hookimpl
def picogen_metrics() -> Iterator[MetricSpec]:
    yield MetricSpec(
        name="leaps",
        summary="Mean leap between neighbouring notes.",
        config=lambda: LeapsOptions,
        build=lazy("picogen_gru.leaps:Leaps"),
        unit="semitone",
        better="closer",
    )


def build_source(config: JsonlOptions) -> Source:
    from picogen_gru.jsonl import read

    return lambda which: read(which, config.field, config.licence)


@hookimpl
def picogen_sources() -> Iterator[SourceSpec]:
    yield SourceSpec(
        name="jsonl",
        summary="JSON Lines files of ABC tunes.",
        config=lambda: JsonlOptions,
        build=build_source,
        suffixes=(".jsonl",),
    )
