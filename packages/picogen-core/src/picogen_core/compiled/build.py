"""The compiled steps of the heads from their options: `compiled_step` of their specs."""

from __future__ import annotations

from picogen_core.compiled import heads
from picogen_core.compiled.gru import CharGru
from picogen_core.compiled.memory import CharMemory
from picogen_core.compiled.weights import Weights
from picogen_core.model.heads.options import (
    CharGruOptions,
    CharMemoryOptions,
    CharTransformerOptions,
    ParallelOptions,
    char_memory_sizes,
    char_transformer_sizes,
)
from picogen_core.plugins.protocols import CompiledHead


def char_transformer(
    options: CharTransformerOptions, d_model: int, weights: Weights
) -> CompiledHead:
    width, count = char_transformer_sizes(d_model, options)
    return heads.CharTransformer(d_model, width, options.layers, count, weights)


def char_gru(options: CharGruOptions, d_model: int, weights: Weights) -> CompiledHead:
    return CharGru(d_model, options.width or d_model, weights)


def char_memory(options: CharMemoryOptions, d_model: int, weights: Weights) -> CompiledHead:
    width, channels, count, mlp = char_memory_sizes(d_model, options)
    return CharMemory(d_model, width, options.layers, channels, count, mlp, options.window, weights)


def parallel(options: ParallelOptions, d_model: int, weights: Weights) -> CompiledHead:
    return heads.Parallel(d_model, weights)
