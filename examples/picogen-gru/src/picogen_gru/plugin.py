"""What PiCo-Gen finds. torch is imported when a GRU is built, not when this module is."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from picogen_core import BackboneSpec, Options, hookimpl
from pydantic import Field

if TYPE_CHECKING:
    from picogen_gru.gru import Gru


class GruOptions(Options):
    layers: int = Field(2, ge=1, description="GRU layers, each behind a LayerNorm and a residual.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of each layer's output dropped.")


def build(config: GruOptions, d_model: int) -> "Gru":
    from picogen_gru.gru import Gru

    return Gru(d_model, config.layers, config.dropout)


@hookimpl
def picogen_backbones() -> Iterator[BackboneSpec]:
    yield BackboneSpec(
        name="gru",
        summary="GRU: a state of one vector a layer.",
        config=lambda: GruOptions,
        build=build,
        recurrent=True,
    )
