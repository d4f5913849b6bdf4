"""`build` of the heads' specs: modules from their options."""

from __future__ import annotations

from picogen_core.errors import ConfigError
from picogen_core.model.heads.char_gru import CharGru
from picogen_core.model.heads.char_memory import CharMemory
from picogen_core.model.heads.char_transformer import CharTransformer
from picogen_core.model.heads.options import (
    CharGruOptions,
    CharMemoryOptions,
    CharTransformerOptions,
    ParallelOptions,
    TeacherOptions,
    char_memory_sizes,
    char_transformer_sizes,
)
from picogen_core.model.heads.parallel import Parallel
from picogen_core.model.heads.teacher import TeacherHead


def char_transformer(options: CharTransformerOptions, d_model: int) -> CharTransformer:
    width, heads = char_transformer_sizes(d_model, options)
    return CharTransformer(d_model, width, options.layers, heads, options.dropout)


def char_gru(options: CharGruOptions, d_model: int) -> CharGru:
    return CharGru(d_model, options.width or d_model)


def char_memory(options: CharMemoryOptions, d_model: int) -> CharMemory:
    width, channels, heads, mlp = char_memory_sizes(d_model, options)
    return CharMemory(
        d_model, width, options.layers, channels, heads, mlp, options.window, options.dropout
    )


def parallel(options: ParallelOptions, d_model: int) -> Parallel:
    return Parallel(d_model)


def teacher(options: TeacherOptions, d_model: int) -> TeacherHead:
    """Return the teacher's head. Raises `ConfigError` without a teacher."""
    if options.inner is None or options.width is None:
        raise ConfigError(
            "head 'teacher' is taken from a teacher. "
            "Use picogen distill --head teacher --teacher-ckpt FILE."
        )
    return TeacherHead(d_model, options.width, options.inner, options.inner_options)
