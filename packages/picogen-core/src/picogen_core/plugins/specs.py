"""What a plugin yields: one frozen record for each thing it brings.

`config` returns the class of options and `build` makes the object. Both run only when the thing is
asked for, so that torch and its like are imported inside `build`, never at the top of the module.
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
"""(module, token table [T, D], folder) -> Python that opens what was written into the folder."""


@dataclass(frozen=True)
class ShippedWeights:
    """A trained model that a plugin brings: a checkpoint folder, with its card MODEL_CARD.md."""

    folder: Path
    summary: str


@dataclass(frozen=True)
class Script:
    """A part in JavaScript, for pages that compose. `source` defines the class `name`, which is
    made with (weights, sizes): `weights(prefix)(tensor)` is a Float32Array, `sizes` are these and
    `width`, d_model. A backbone has `reset()` and `step(x)`, a head `reset()`, `begin(hidden)`,
    `step(code)`, `close(code)` with the last code of a patch, and `remembers`."""

    source: str
    name: str
    sizes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """A sequence mixer. `build(config, d_model)` returns a module that is a `Backbone`.

    `export`, where its architecture is at home elsewhere: for each format (`"hf"`) a function that
    writes the module's weights into an empty folder as that program reads them, under its names.
    Programs that read tokens get the token table. The function returns a few lines of Python that
    open the files from within the folder; they become part of the folder's README.

    `compiled_step(config, d_model, weights)`, where it can run without torch: a `CompiledBackbone`
    from its tensors as numpy arrays, its work done by kernels that numba compiles. A backbone
    without one steps in torch. `recurrent` says that its state has the same size at every length,
    so that a piece may run on past the lengths it was trained on.

    `script(config, d_model)`, where a page can run it: its step in JavaScript.

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

    `remembers` says that the module is a `RememberingHead`, and its compiled step, if there is one,
    a `CompiledRememberingHead`.

    `reads_cut_patches` says that its call also takes patches [N, J], 2 ≤ J ≤ P characters of each,
    and gives [N, J, V], the first J logits of the whole patch; it is then spared the padding.

    `compiled_step(config, d_model, weights)`, where it can run without torch: a `CompiledHead`
    from its tensors as numpy arrays. A model whose head has none is generated from in torch.

    `script(config, d_model)`, where a page can run it: its step in JavaScript.
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

    reads:          what it reads of the teacher where there is one. The rest may be None in the
                    batch, and a run that keeps none of it has no projector, or never runs the
                    teacher's head, which is most of its work. `student_hidden` is at the teacher's
                    width if any loss reads `teacher_hidden`.
    needs_teacher:  a run without a teacher refuses this loss before the first step.
    scores_samples: it may be computed on text that the student wrote, `LossBatch.sampled`, as in
                    on-policy distillation. A loss that takes characters for music may not. `build`
                    may return a `Feedback` instead, which rewards such text.
    unit:           of its value.

    `needs_hidden` and `needs_logits` are 0.1's words for `reads`, accepted with a warning.
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
                "since 0.2; 0.3 will not know them",
                FutureWarning,
                stacklevel=3,
            )
            object.__setattr__(self, "reads", frozenset(reads))


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A measure of a folder. `build(config)` returns a `Metric`; `unit` and `better` are of its
    headline value; `needs` names what it cannot do without: a `"reference"`, or a `"checkpoint"`,
    whose path its options then get as `checkpoint`.

    `judges_faults`: `measure` is also given files that cannot be read, as a `Piece` without voices
    whose `fault` says why. `references`: JSON files of real music in numbers, by name, as
    `picogen_core.evaluation.references` describes them. `reference_sample`: so many pieces of a
    reference are enough, for what takes long.
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
