"""What a plugin yields: one frozen record for each thing it brings.

`config` returns the class of options and `build` makes the object. Both run only when the thing is
asked for, so that torch and its like are imported inside `build`, never at the top of the module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from picogen_core.options import Options
from picogen_core.protocols import Backbone, Head, Loss, Metric, Source

Better = Literal["higher", "lower", "closer"]


@dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """A sequence mixer. `build(config, d_model)` returns a module that is a `Backbone`."""

    name: str
    summary: str
    config: Callable[[], type[Options]]
    build: Callable[[Any, int], Backbone[Any]]


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """A character model. `build(config, d_model)` returns a module that is a `Head`."""

    name: str
    summary: str
    config: Callable[[], type[Options]]
    build: Callable[[Any, int], Head[Any]]


@dataclass(frozen=True, kw_only=True)
class LossSpec:
    """A training loss. `build(config)` returns a `Loss`; it is added times its weight.

    `needs_teacher` says that the loss reads `teacher_logits` or `teacher_hidden` of the batch, so
    that a run without a teacher refuses it before the first step.
    """

    name: str
    summary: str
    config: Callable[[], type[Options]]
    build: Callable[[Any], Loss]
    needs_teacher: bool = False
    unit: str = "nat/character"


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A measure of a folder. `build(config)` returns a `Metric`; `unit` and `better` are of its
    headline value; `needs` names what it cannot do without: `"reference"` or nothing."""

    name: str
    summary: str
    config: Callable[[], type[Options]]
    build: Callable[[Any], Metric]
    unit: str
    better: Better
    needs: tuple[Literal["reference"], ...] = ()


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """A place that music comes from. `build(config)` returns a `Source`.

    A source is asked for as `NAME:WHICH` (`music21:oneills`), or it claims a path by its
    `suffixes` (`(".abc",)`).
    """

    name: str
    summary: str
    config: Callable[[], type[Options]]
    build: Callable[[Any], Source]
    suffixes: tuple[str, ...] = ()


Spec = BackboneSpec | HeadSpec | LossSpec | MetricSpec | SourceSpec

KINDS: dict[str, type[Spec]] = {
    "backbone": BackboneSpec,
    "head": HeadSpec,
    "loss": LossSpec,
    "metric": MetricSpec,
    "source": SourceSpec,
}
