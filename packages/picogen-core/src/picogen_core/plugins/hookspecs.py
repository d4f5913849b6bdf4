"""The five hooks that a plugin module may implement. Each takes no arguments and yields specs."""

from collections.abc import Iterable

import pluggy

from picogen_core.plugins.specs import BackboneSpec, HeadSpec, LossSpec, MetricSpec, SourceSpec

PROJECT = "picogen"  # pluggy's project name and the entry-point group

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def picogen_backbones() -> Iterable[BackboneSpec]:
    """Sequence mixers: hidden states of patches in, hidden states of patches out."""
    return ()


@hookspec
def picogen_heads() -> Iterable[HeadSpec]:
    """Character models: the hidden state of patch t to the characters of patch t + 1."""
    return ()


@hookspec
def picogen_losses() -> Iterable[LossSpec]:
    """Terms added to the next-character cross-entropy."""
    return ()


@hookspec
def picogen_metrics() -> Iterable[MetricSpec]:
    """Measures of a folder of scores."""
    return ()


@hookspec
def picogen_sources() -> Iterable[SourceSpec]:
    """Readers that turn a named collection or a path into ABC tunes with their provenance."""
    return ()
