"""Specs of picogen-core's heads. Their modules load torch, so they are imported when built."""

from __future__ import annotations

from collections.abc import Iterator

from picogen_core.model.heads.options import (
    CharGruOptions,
    CharMemoryOptions,
    CharTransformerOptions,
    ParallelOptions,
    TeacherOptions,
)
from picogen_core.plugins.lazy import lazy
from picogen_core.plugins.specs import HeadSpec

_BUILD = "picogen_core.model.heads.build"
_COMPILED = "picogen_core.compiled.build"
_SCRIPTS = "picogen_core.html.head_scripts"


def head_specs() -> Iterator[HeadSpec]:
    """Yield the heads of this package, in the order of lists."""
    yield HeadSpec(
        name="char-memory",
        summary="a GRU, and attention to all earlier characters: music repeats itself",
        config=lambda: CharMemoryOptions,
        build=lazy(f"{_BUILD}:char_memory"),
        remembers=True,
        compiled_step=lazy(f"{_COMPILED}:char_memory"),
        script=lazy(f"{_SCRIPTS}:char_memory"),
    )
    yield HeadSpec(
        name="char-transformer",
        summary="NotaGen's: a small GPT-2 over the 16 characters of a patch",
        config=lambda: CharTransformerOptions,
        build=lazy(f"{_BUILD}:char_transformer"),
        reads_cut_patches=True,
        compiled_step=lazy(f"{_COMPILED}:char_transformer"),
    )
    yield HeadSpec(
        name="char-gru",
        summary="a GRU cell over the characters: cheap, a few times faster to draw from",
        config=lambda: CharGruOptions,
        build=lazy(f"{_BUILD}:char_gru"),
        reads_cut_patches=True,
        compiled_step=lazy(f"{_COMPILED}:char_gru"),
        script=lazy(f"{_SCRIPTS}:char_gru"),
    )
    yield HeadSpec(
        name="parallel",
        summary="16 independent predictions: blind to its own characters, a baseline",
        config=lambda: ParallelOptions,
        build=lazy(f"{_BUILD}:parallel"),
        compiled_step=lazy(f"{_COMPILED}:parallel"),
    )
    yield HeadSpec(
        name="teacher",
        summary="the teacher's own head, frozen, behind a projector to the teacher's width",
        config=lambda: TeacherOptions,
        build=lazy(f"{_BUILD}:teacher"),
        remembers=True,
    )
