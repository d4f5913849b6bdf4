"""The heads of picogen-core as specs. Their modules load torch, so they are imported when built."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic import Field

from picogen_core.errors import ConfigError
from picogen_core.options import Options
from picogen_core.specs import HeadSpec, Script

if TYPE_CHECKING:
    from picogen_core.compiled.weights import Weights
    from picogen_core.model.heads.char_gru import CharGru
    from picogen_core.model.heads.char_memory import CharMemory
    from picogen_core.model.heads.char_transformer import CharTransformer
    from picogen_core.model.heads.parallel import Parallel
    from picogen_core.model.heads.teacher import TeacherHead
    from picogen_core.protocols import CompiledHead


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
        description="Characters that it remembers. A tune has some 500, 95 % have fewer than 900.",
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
        0.0, ge=0, lt=1, description="Dropout of what attention and MLP add to the state."
    )


class TeacherOptions(Options):
    """Distilling fills these in from the teacher."""

    inner: str | None = Field(None, description="Name of the teacher's head.")
    inner_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the teacher's head."
    )
    width: int | None = Field(None, ge=1, le=65536, description="Width of the teacher.")


class ParallelOptions(Options):
    """None: one linear layer has nothing to choose."""


def char_transformer_sizes(d_model: int, options: CharTransformerOptions) -> tuple[int, int]:
    """(width, heads) as they will be built. Raises `ConfigError` if heads do not divide width."""
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
    """The most heads, at most so many, that divide the channels."""
    return next(n for n in range(min(heads, channels), 0, -1) if channels % n == 0)


def _char_transformer(options: CharTransformerOptions, d_model: int) -> CharTransformer:
    from picogen_core.model.heads.char_transformer import CharTransformer

    width, heads = char_transformer_sizes(d_model, options)
    return CharTransformer(d_model, width, options.layers, heads, options.dropout)


def _char_gru(options: CharGruOptions, d_model: int) -> CharGru:
    from picogen_core.model.heads.char_gru import CharGru

    return CharGru(d_model, options.width or d_model)


def char_memory_sizes(d_model: int, options: CharMemoryOptions) -> tuple[int, int, int, int]:
    """(width, channels, heads, mlp) as they will be built.

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


def _char_memory(options: CharMemoryOptions, d_model: int) -> CharMemory:
    from picogen_core.model.heads.char_memory import CharMemory

    width, channels, heads, mlp = char_memory_sizes(d_model, options)
    return CharMemory(
        d_model, width, options.layers, channels, heads, mlp, options.window, options.dropout
    )


def _parallel(options: ParallelOptions, d_model: int) -> Parallel:
    from picogen_core.model.heads.parallel import Parallel

    return Parallel(d_model)


def _teacher(options: TeacherOptions, d_model: int) -> TeacherHead:
    from picogen_core.model.heads.teacher import TeacherHead

    if options.inner is None or options.width is None:
        raise ConfigError(
            "head 'teacher' is taken from a teacher. "
            "Use picogen distill --head teacher --teacher-ckpt FILE."
        )
    return TeacherHead(d_model, options.width, options.inner, options.inner_options)


def _compiled_char_transformer(
    options: CharTransformerOptions, d_model: int, weights: Weights
) -> CompiledHead:
    from picogen_core.compiled.heads import CharTransformer

    width, heads = char_transformer_sizes(d_model, options)
    return CharTransformer(d_model, width, options.layers, heads, weights)


def _compiled_char_gru(options: CharGruOptions, d_model: int, weights: Weights) -> CompiledHead:
    from picogen_core.compiled.gru import CharGru

    return CharGru(d_model, options.width or d_model, weights)


def _compiled_char_memory(
    options: CharMemoryOptions, d_model: int, weights: Weights
) -> CompiledHead:
    from picogen_core.compiled.memory import CharMemory

    width, channels, heads, mlp = char_memory_sizes(d_model, options)
    return CharMemory(d_model, width, options.layers, channels, heads, mlp, options.window, weights)


def _compiled_parallel(options: ParallelOptions, d_model: int, weights: Weights) -> CompiledHead:
    from picogen_core.compiled.heads import Parallel

    return Parallel(d_model, weights)


def _script_char_gru(options: CharGruOptions, d_model: int) -> Script:
    from picogen_core.html.scripts import read_script

    return Script(read_script("char_gru.js"), "CharGru", {"cell": options.width or d_model})


def _script_char_memory(options: CharMemoryOptions, d_model: int) -> Script:
    from picogen_core.html.scripts import read_script

    width, channels, heads, mlp = char_memory_sizes(d_model, options)
    sizes = {"cell": width, "channels": channels, "heads": heads, "mlp": mlp,
             "layers": options.layers, "window": options.window}  # fmt: skip
    source = read_script("char_gru.js") + read_script("char_memory.js")
    return Script(source, "CharMemory", sizes)


def head_specs() -> Iterator[HeadSpec]:
    """Those of this package, in the order in which they are shown."""
    yield HeadSpec(
        name="char-memory",
        summary="a GRU, and attention to all earlier characters: repeats itself as music does",
        config=lambda: CharMemoryOptions,
        build=_char_memory,
        remembers=True,
        compiled_step=_compiled_char_memory,
        script=_script_char_memory,
    )
    yield HeadSpec(
        name="char-transformer",
        summary="NotaGen's: a small GPT-2 over the 16 characters of a patch",
        config=lambda: CharTransformerOptions,
        build=_char_transformer,
        reads_cut_patches=True,
        compiled_step=_compiled_char_transformer,
    )
    yield HeadSpec(
        name="char-gru",
        summary="a GRU cell over the characters: cheap, a few times faster to draw from",
        config=lambda: CharGruOptions,
        build=_char_gru,
        reads_cut_patches=True,
        compiled_step=_compiled_char_gru,
        script=_script_char_gru,
    )
    yield HeadSpec(
        name="parallel",
        summary="16 independent guesses: blind to its own characters, a baseline to beat",
        config=lambda: ParallelOptions,
        build=_parallel,
        compiled_step=_compiled_parallel,
    )
    yield HeadSpec(
        name="teacher",
        summary="the teacher's own head, frozen, behind a projector to the teacher's width",
        config=lambda: TeacherOptions,
        build=_teacher,
        remembers=True,
    )
