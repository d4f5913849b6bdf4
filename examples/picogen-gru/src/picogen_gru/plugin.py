"""What PiCo-Gen finds. torch and numpy are imported when a GRU is built, not with this module."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from picogen_core import BackboneSpec, Options, hookimpl
from pydantic import Field

if TYPE_CHECKING:
    from picogen_core.compiled.weights import Weights

    from picogen_gru.compiled import CompiledGru
    from picogen_gru.gru import Gru


class GruOptions(Options):
    layers: int = Field(2, ge=1, description="GRU layers, each behind a LayerNorm and a residual.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of each layer's output dropped.")


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
