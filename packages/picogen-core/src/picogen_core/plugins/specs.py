"""Specs: the frozen records that a plugin yields, one per part.

`config` returns the class of options and `build` makes the object. Both run only when the part is
requested. So heavy libraries such as torch are imported inside `build`, never at the top of the
module.
"""

import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from picogen_core.plugins.options import Options
from picogen_core.plugins.protocols import (
    Backbone,
    CompiledBackbone,
    CompiledHead,
    Feedback,
    Head,
    Loss,
    Metric,
    RememberingHead,
    Source,
)

if TYPE_CHECKING:
    from picogen_core.compiled.weights import Weights

Better = Literal["higher", "lower", "closer"]
TeacherOutput = Literal["teacher_logits", "teacher_hidden"]
TEACHER_OUTPUTS: frozenset[str] = frozenset(get_args(TeacherOutput))


Export = Callable[[Any, Any, Path], str]
"""(module, token table [T, D], folder) -> Python code that opens the files in the folder."""


@dataclass(frozen=True)
class ShippedWeights:
    """A trained model in a plugin: a checkpoint folder, with its card MODEL_CARD.md."""

    folder: Path
    summary: str


@dataclass(frozen=True)
class Script:
    """A part in JavaScript, for pages that compose.

    `source` defines the class `name`, constructed with (weights, sizes). `weights(prefix)(tensor)`
    is a Float32Array; `sizes` are these and `width`, d_model. A backbone has `reset()` and
    `step(x)`. A head has `reset()`, `begin(hidden)`, `step(code)`, `close(code)` with the last code
    of a patch, and `remembers`.
    """

    source: str
    name: str
    sizes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """A sequence mixer. `build(config, d_model)` returns a module that is a `Backbone`.

    `export` (optional): for each format (`"hf"`) a function that writes the module's weights into
    an empty folder, for another program and under its names. Programs that read tokens get the
    token table. The function returns a few lines of Python that open the files from within the
    folder; they become part of the folder's README.

    `compiled_step(config, d_model, weights)` (optional): returns a `CompiledBackbone`, which runs
    without torch, from its tensors as numpy arrays; numba compiles its kernels. A backbone without
    one steps in torch. `recurrent`: its state has the same size at every length, so that a piece
    may exceed the trained lengths.

    `script(config, d_model)` (optional): its step in JavaScript, for a page.

    `weights`: trained models with this backbone, by the name that `--weights-path NAME` takes.
    """

    name: str
    summary: str
    config: Callable[[], type[Options]]
    build: Callable[[Any, int], Backbone[Any]]
    export: Mapping[str, Export] = field(default_factory=dict)
    compiled_step: Callable[[Any, int, "Weights"], CompiledBackbone] | None = None
    script: Callable[[Any, int], Script] | None = None
    recurrent: bool = False
    weights: Mapping[str, ShippedWeights] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """A character model. `build(config, d_model)` returns a module that is a `Head`.

    `remembers`: the module is a `RememberingHead`, and its compiled step, if any, a
    `CompiledRememberingHead`.

    `reads_cut_patches`: its call also takes patches [N, J], cut to 2 ≤ J ≤ P characters, and
    returns [N, J, V], the first J logits of the whole patch. Then it is not run on padding.

    `compiled_step(config, d_model, weights)` (optional): returns a `CompiledHead`, which runs
    without torch, from its tensors as numpy arrays. A model whose head has none generates in torch.

    `script(config, d_model)` (optional): its step in JavaScript, for a page.
    """

    name: str
    summary: str
    config: Callable[[], type[Options]]
    build: Callable[[Any, int], Head[Any] | RememberingHead[Any, Any]]
    remembers: bool = False
    reads_cut_patches: bool = False
    compiled_step: Callable[[Any, int, "Weights"], CompiledHead] | None = None
    script: Callable[[Any, int], Script] | None = None


@dataclass(frozen=True, kw_only=True)
class LossSpec:
    """A training loss. `build(config)` returns a `Loss`; it is added times its weight.

    reads:          teacher outputs that the loss reads, if there is a teacher. Others may be None
                    in the batch. If no loss reads hidden states, there is no projector. If none
                    reads logits, the teacher's head, which is most of its cost, is not run.
                    `student_hidden` has the teacher's width if any loss reads `teacher_hidden`.
    needs_teacher:  a run without a teacher refuses this loss before the first step.
    scores_samples: the loss may be computed on text sampled from the student,
                    `LossBatch.sampled`, as in on-policy distillation. A loss that treats its input
                    as real music must not set this. `build` may return a `Feedback` instead, which
                    rewards such text.
    unit:           of its value.

    `needs_hidden` and `needs_logits` are names of 0.1 for `reads`, accepted with a warning.
    """

    name: str
    summary: str
    config: Callable[[], type[Options]]
    build: Callable[[Any], Loss | Feedback]
    reads: Collection[TeacherOutput] = frozenset()
    needs_teacher: bool = False
    scores_samples: bool = False
    unit: str = "nat/character"
    needs_hidden: InitVar[bool | None] = None
    needs_logits: InitVar[bool | None] = None

    def __post_init__(self, needs_hidden: bool | None, needs_logits: bool | None) -> None:
        old = needs_hidden is not None or needs_logits is not None
        if old or (self.needs_teacher and not self.reads):
            flags = {"teacher_hidden": needs_hidden, "teacher_logits": needs_logits}
            reads = {name for name, needed in flags.items() if needed is not False}
            warnings.warn(
                f"loss {self.name!r}: needs_hidden and needs_logits are reads={reads or '{}'} "
                "since 0.2; 0.3 removes the old names",
                FutureWarning,
                stacklevel=3,
            )
            object.__setattr__(self, "reads", frozenset(reads))


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A measure of a folder. `build(config)` returns a `Metric`.

    unit, better:     of its headline value.
    needs:            its requirements: a `"reference"`, or a `"checkpoint"`, whose path its options
                      then get as `checkpoint`.
    judges_faults:    `measure` also gets unreadable files, as a `Piece` without voices and with the
                      reason as its `fault`.
    references:       JSON files of numbers of real music, by name; for their format see
                      `picogen_core.evaluation.references`.
    reference_sample: number of pieces of a reference that a slow metric measures.
    """

    name: str
    summary: str
    config: Callable[[], type[Options]]
    build: Callable[[Any], Metric]
    unit: str
    better: Better
    needs: tuple[Literal["reference", "checkpoint"], ...] = ()
    judges_faults: bool = False
    references: Mapping[str, Path] = field(default_factory=dict)
    reference_sample: int | None = None


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """A place that music comes from. `build(config)` returns a `Source`.

    A source is requested as `NAME:WHICH` (`music21:oneills`), or it claims a path by its
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
