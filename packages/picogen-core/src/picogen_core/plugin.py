"""What the core itself brings through the plugin door: heads, losses and sources."""

from collections.abc import Iterable, Iterator

from picogen_core.plugins.hookspecs import hookimpl
from picogen_core.plugins.specs import HeadSpec, LossSpec, SourceSpec


@hookimpl
def picogen_heads() -> Iterable[HeadSpec]:
    """Return the character models, and the teacher's."""
    from picogen_core.model.heads.plugin import head_specs

    return head_specs()


@hookimpl
def picogen_losses() -> Iterable[LossSpec]:
    """Return the losses of distillation."""
    from picogen_core.training.losses_plugin import loss_specs

    return loss_specs()


@hookimpl
def picogen_sources() -> Iterator[SourceSpec]:
    """Return files of every format that is read, and music21."""
    from picogen_core.data.sources import source_specs

    return source_specs()
