"""What PiCo-Gen finds: one part of each kind. torch and numpy are imported when a part is built."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from picogen_core import (
    BackboneSpec,
    HeadSpec,
    LossSpec,
    MetricSpec,
    Options,
    Source,
    SourceSpec,
    hookimpl,
)
from pydantic import Field

if TYPE_CHECKING:
    from picogen_core.compiled.weights import Weights

    from picogen_gru.bigram import Bigram
    from picogen_gru.compiled import CompiledGru
    from picogen_gru.entropy import EntropyTarget
    from picogen_gru.gru import Gru
    from picogen_gru.leaps import Leaps


class GruOptions(Options):
    layers: int = Field(2, ge=1, description="GRU layers, each behind a LayerNorm and a residual.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of each layer's output dropped.")


class BigramOptions(Options):
    width: int = Field(128, ge=1, description="Inner channels.")


class EntropyOptions(Options):
    target: float = Field(0.5, ge=0, description="Mean entropy aimed at, nat per character.")


class LeapsOptions(Options):
    largest: int = Field(12, ge=1, description="Larger leaps count as so many semitones.")


class JsonlOptions(Options):
    field: str = Field("abc", description="Key of the ABC in each object.")
    licence: str = Field("unknown", description="What to record as the licence of each piece.")


def build(config: GruOptions, d_model: int) -> "Gru":
    from picogen_gru.gru import Gru

    return Gru(d_model, config.layers, config.dropout)


def compiled_step(config: GruOptions, d_model: int, weights: "Weights") -> "CompiledGru":
    from picogen_gru.compiled import CompiledGru

    return CompiledGru(d_model, config.layers, weights)


@hookimpl
def picogen_backbones() -> Iterator[BackboneSpec]:
    yield BackboneSpec(
        name="gru",
        summary="GRU: a state of one vector a layer.",
        config=lambda: GruOptions,
        build=build,
        compiled_step=compiled_step,
        recurrent=True,
    )


def build_head(config: BigramOptions, d_model: int) -> "Bigram":
    from picogen_gru.bigram import Bigram

    return Bigram(d_model, config.width)


@hookimpl
def picogen_heads() -> Iterator[HeadSpec]:
    yield HeadSpec(
        name="bigram",
        summary="The hidden state and one character before.",
        config=lambda: BigramOptions,
        build=build_head,
    )


def build_loss(config: EntropyOptions) -> "EntropyTarget":
    from picogen_gru.entropy import EntropyTarget

    return EntropyTarget(config.target)


@hookimpl
def picogen_losses() -> Iterator[LossSpec]:
    yield LossSpec(
        name="entropy",
        summary="Squared distance of the mean entropy from a target.",
        config=lambda: EntropyOptions,
        build=build_loss,
        needs_hidden=False,
        needs_logits=False,
        unit="nat²",
    )


def build_metric(config: LeapsOptions) -> "Leaps":
    from picogen_gru.leaps import Leaps

    return Leaps(config.largest)


@hookimpl
def picogen_metrics() -> Iterator[MetricSpec]:
    yield MetricSpec(
        name="leaps",
        summary="Mean leap between neighbouring notes.",
        config=lambda: LeapsOptions,
        build=build_metric,
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
