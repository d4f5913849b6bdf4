"""Options of the heads, and sizes derived from them. Loads no torch."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from pydantic import Field

from picogen_core.errors import ConfigError
from picogen_core.plugins.options import Options


class CharTransformerOptions(Options):
    layers: int = Field(
        2, ge=1, le=1024, description="Decoder layers over the characters of a patch."
    )
    heads: int | None = Field(
        None,
        ge=1,
        le=8192,
        description="Attention heads; left out, one for every 64 channels of width.",
    )
    width: int | None = Field(
        None, ge=1, le=65536, description="Channels of the head; left out, d_model. Less is faster."
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, description="Dropout of inputs, attention weights and residual branches."
    )


class CharGruOptions(Options):
    width: int | None = Field(
        None, ge=1, le=65536, description="Channels of the recurrent cell; left out, d_model."
    )


class CharMemoryOptions(Options):
    width: int | None = Field(
        None,
        ge=1,
        le=65536,
        description="Channels of the recurrent cell and of memory; left out, d_model.",
    )
    layers: int = Field(1, ge=1, le=1024, description="Layers of attention to earlier characters.")
    window: int = Field(
        1024,
        ge=16,
        le=1_048_576,
        description="Remembered characters. A tune has some 500, 95 % have fewer than 900.",
    )
    channels: int | None = Field(
        None,
        ge=1,
        le=65536,
        description="Channels of keys, and of values; left out, half of the width.",
    )
    heads: int | None = Field(
        None, ge=1, le=8192, description="Attention heads; left out, one for every 32 channels."
    )
    mlp: int | None = Field(
        None,
        ge=1,
        le=1_048_576,
        description="Inner channels of a layer's MLP; left out, twice the width.",
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout of the outputs of attention and MLP."
    )


class TeacherOptions(Options):
    """Options that distillation fills in from the teacher."""

    inner: str | None = Field(None, description="Name of the teacher's head.")
    inner_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the teacher's head."
    )
    width: int | None = Field(None, ge=1, le=65536, description="Width of the teacher.")


class ParallelOptions(Options):
    """No options: the head is one linear layer."""


def char_transformer_sizes(d_model: int, options: CharTransformerOptions) -> tuple[int, int]:
    """Return (width, heads). Raises `ConfigError` if heads do not divide width."""
    width = options.width or d_model
    heads = options.heads or max(1, width // 64)
    if width % heads:
        fitting = _fitting(heads, width)
        raise ConfigError(
            f"head.width={width} is not a multiple of head.heads={heads} "
            f"(head 'char-transformer', picogen-core {version('picogen-core')}). "
            f"Try --set head.width={-(-width // heads) * heads}, or --set head.heads={fitting}."
        )
    return width, heads


def _fitting(heads: int, channels: int) -> int:
    """Return the largest number of heads, up to `heads`, that divides the channels."""
    return next(n for n in range(min(heads, channels), 0, -1) if channels % n == 0)


def char_memory_sizes(d_model: int, options: CharMemoryOptions) -> tuple[int, int, int, int]:
    """Return (width, channels, heads, mlp).

    Raises:
        ConfigError: heads do not divide channels.
    """
    width = options.width or d_model
    channels = options.channels or max(1, width // 2)
    heads = options.heads or max(1, channels // 32)
    if channels % heads:
        fitting = _fitting(heads, channels)
        raise ConfigError(
            f"head.channels={channels} is not a multiple of head.heads={heads} "
            f"(head 'char-memory', picogen-core {version('picogen-core')}). "
            f"Try --set head.channels={-(-channels // heads) * heads}, "
            f"or --set head.heads={fitting}."
        )
    return width, channels, heads, options.mlp or 2 * width
