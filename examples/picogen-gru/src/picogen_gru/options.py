"""Options of the five parts: what `--set` takes, with defaults and bounds."""

from picogen_core import Options
from pydantic import Field


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
