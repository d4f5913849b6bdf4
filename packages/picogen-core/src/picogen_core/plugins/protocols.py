"""The contracts behind the specs, as types. This module does not import torch at run time.

Glossary: B rows, S patches of a row, P = 16 characters of a patch, V = 128 character codes,
D width of the model, E width of the teacher, N valid target patches of a batch, M notes.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from picogen_core.data.types import SourcePiece
    from picogen_core.evaluation.summaries import HeatMap, Plot, Summary
    from picogen_core.score.reading import Piece

    Floats = NDArray[np.float32]
    Slots = NDArray[np.int64]
    Codes = NDArray[np.uint8]

State = TypeVar("State")
Memory = TypeVar("Memory")
"""A tree (dict, list or tuple) of tensors whose first axis is the batch."""


class Backbone(Protocol[State]):
    """A causal sequence mixer over patches."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return outputs: [B, S, D] -> [B, S, D].

        Output t depends on inputs up to t; rows are right-padded.
        """

    def initial_state(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """Return the empty state of `batch` rows of at most `max_patches` patches."""

    def prefill(self, x: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State]:
        """Return outputs at the last valid patch of each row, and the state.

        [B, S, D], [B] -> [B, D]. It starts from an empty state. Padding past a row's length never
        enters its state.
        """

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one more patch for every row: [B, D] -> [B, D]."""


@runtime_checkable
class Head(Protocol[State]):
    """From the hidden state of patch t to the characters of patch t + 1."""

    def __call__(self, hidden: Tensor, patch: Tensor) -> Tensor:
        """Return teacher-forced logits: [N, D], [N, P] -> [N, P, V]; j sees characters < j."""

    def begin(self, hidden: Tensor) -> tuple[Tensor, State]:
        """Return logits of the first character, [N, D] -> [N, V], and the state."""

    def step(self, chars: Tensor, state: State) -> tuple[Tensor, State]:
        """Return logits of the next character, [N] -> [N, V], and the state."""


@runtime_checkable
class RememberingHead(Protocol[Memory, State]):
    """A head that also sees the characters of earlier patches of the same piece.

    Its spec has `remembers=True`. The memory covers the finished patches of each row, the state
    the current patch. No logits depend on a later character.
    """

    def __call__(self, hidden: Tensor, patch: Tensor, row: Tensor, index: Tensor) -> Tensor:
        """Return teacher-forced logits: [N, D], [N, P], [N], [N] -> [N, P, V].

        Patches of one `row` are adjacent, in the order of `index`, their number in the row. A
        patch sees all patches before it in its row; padding after its end has no effect.
        """

    def initial_memory(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> Memory:
        """Return the empty memory of `batch` rows of at most `max_patches` patches."""

    def read(self, hidden: Tensor, patches: Tensor, lengths: Tensor, memory: Memory) -> Memory:
        """Return the memory after the first `lengths` patches: [B, S, D], [B, S, P], [B].

        It starts from an empty memory. Hidden state s predicts patch s. The result equals that of
        writing the patches.
        """

    def begin(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, State]:
        """Return logits of the first character of the next patch, [B, D] -> [B, V], and the state.

        The memory is not changed.
        """

    def step(self, chars: Tensor, state: State) -> tuple[Tensor, State]:
        """Return logits of the next character, [B] -> [B, V]. Rows may pass their end."""

    def close(self, patch: Tensor, state: State) -> Memory:
        """Return the memory after finished patches [B, P], each with its end and padding.

        `step` has read at least the characters before the last of each patch; characters that it
        read after an end are dropped.
        """


class CompiledBackbone(Protocol):
    """A backbone without torch: it keeps the states of several pieces, each in a slot.

    A row's result depends, to the last bit, only on the patches that its slot has read: not on the
    other rows of a call, nor on the division into calls. So a piece is the same alone and in a
    batch. `picogen_core.compiled` has the kernels for that. NaN stays in its slot, is not hidden,
    and is gone when the slot is cleared.

    Arrays are C-contiguous. Arguments are not changed; returned arrays belong to the caller. A
    `compiled_step` takes every tensor of its part by `Weights.take`, which raises for a missing
    one. `picogen_core.testing` checks all of this.
    """

    def allocate(self, slots: int, max_patches: int) -> None:
        """Allocate empty states for `slots` pieces of at most `max_patches` patches."""

    def clear(self, slot: int) -> None:
        """Forget the slot's piece."""

    def copy(self, source: int, target: int) -> None:
        """Let the target slot go on from where the source slot is."""

    def extend(self, x: Floats, slots: Slots) -> Floats:
        """Read patches: [N, D], [N] -> [N, D]; row i is the next patch of its slot.

        A slot may occur several times, its patches in order, as for a prompt.
        """


class CompiledHead(Protocol):
    """A head without torch: it keeps the states of several patches, each in a slot.

    Bits, NaN, arrays and tensors are as with `CompiledBackbone`.
    """

    def allocate(self, slots: int) -> None:
        """Allocate `slots` slots, of one patch each."""

    def begin(self, hidden: Floats, slots: Slots) -> Floats:
        """Begin patches in different slots; return first logits: [N, D], [N] -> [N, V]."""

    def step(self, chars: Slots, slots: Slots) -> Floats:
        """Read one character in each of N slots; return the next logits: [N], [N] -> [N, V]."""


@runtime_checkable
class CompiledRememberingHead(CompiledHead, Protocol):
    """A `RememberingHead` without torch: each slot holds the memory of its piece.

    `begin` and `step` are as with `CompiledHead`; `begin` and `close` of a patch alternate. The
    division of a piece's patches into `read` and `close` changes no bit.
    """

    def clear(self, slot: int) -> None:
        """Forget the slot's piece."""

    def copy(self, source: int, target: int) -> None:
        """Let the target slot go on from where the source slot is."""

    def read(self, hidden: Floats, patches: Codes, slot: int) -> None:
        """Read the next S patches of a slot's piece, [S, D], [S, P], as if it had written them."""

    def close(self, patches: Codes, slots: Slots) -> None:
        """Finish the patches [N, P] of N different slots; `step` has read all but the last code."""


BEGINNING = -1
"""Marks the beginning of a patch, in place of a character."""


@runtime_checkable
class VerifyingHead(CompiledHead, Protocol):
    """A compiled head that reads several characters of a patch at once, to verify draft tokens."""

    draft_tokens: int
    """Number of draft tokens that cost little time beside one row; 0 if drafting cannot pay."""

    def extend(self, hidden: Floats | None, chars: Slots, slots: Slots) -> Floats:
        """Read rows [R], those of a slot in order; return the logits [R, V] after each.

        A row is a character or `BEGINNING`; `hidden` [B, D] are those of the B beginnings, in
        order, or None without any. A row's bits do not depend on the other rows.
        """

    def roll_back(self, slots: Slots, counts: Slots) -> None:
        """Drop the last `counts` characters of N different slots (cache rollback)."""


@dataclass(frozen=True)
class NoteIndex:
    """Positions of the notes of a batch, in the order of the text.

    position: [K] flat index n·P + j of the note's letter among the N·P characters.
    row:      [K] row of the batch, 0 … B − 1.
    voice:    [K] voice number within its row.
    step:     [K] diatonic step as notated, 7 · octave + letter, C = 0 (middle C is 28).
    octave:   [K] True if octave marks (`,` or `'`) follow the letter.

    K is the number of notes; a batch may have none.
    """

    position: Tensor
    row: Tensor
    voice: Tensor
    step: Tensor
    octave: Tensor


@dataclass(frozen=True)
class LossBatch:
    """Input of a loss: the valid target patches of a batch, along the N axis.

    `student_hidden` is projected to the teacher's width if there is `teacher_hidden`; row n is the
    hidden state that predicts patch n. `valid` marks the M characters that count: no padding, and
    no character after the EOS of a patch of text. The first patch of a row, BOS, is no target; the
    closing one is. Logits where not valid are arbitrary. Teacher logits are log-probabilities in
    the precision of the teacher cache, 0 where not valid.

    `sampled`: the text was sampled from the student, after a header of the data, which is no
    target. Such text is not music to learn from. Only losses with `scores_samples=True` are
    computed on it.
    """

    student_logits: Tensor  # N P V
    student_hidden: Tensor  # N D, or N E with `teacher_hidden`
    characters: Tensor  # N P
    valid: Tensor  # N P, bool
    row: Tensor  # N
    patch: Tensor  # N, index of the patch within its row
    notes: NoteIndex
    teacher_logits: Tensor | None = None  # N P V
    teacher_hidden: Tensor | None = None  # N E
    sampled: bool = False

    @cached_property
    def student_log_probabilities(self) -> Tensor:
        """Log-probabilities [M, V] in fp32 at the valid characters, in order; computed once."""
        return self.student_logits[self.valid].float().log_softmax(-1)


@dataclass(frozen=True)
class LossValue:
    """A differentiable scalar, and its parts for the log.

    `value` is a mean over the valid characters of the batch (or over its patches or notes). A step
    may have several batches, in several processes. Its loss is the mean of their values, weighted
    by their counts of valid characters. For a mean over characters this equals the mean over all
    characters of the step. `parts` are averaged the same way for the log.
    """

    value: Tensor
    parts: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Loss(Protocol):
    """One term of the training loss, in nats per character unless its spec has another unit."""

    def __call__(self, batch: LossBatch) -> LossValue: ...


@runtime_checkable
class Feedback(Protocol):
    """Rewards for whole sampled pieces, by REINFORCE, in place of a `Loss`.

    In a `share` of the steps, 0 … 1, the student samples `samples` pieces per row of data. Then
    −advantage × log-probability is added to the loss, in nats per sampled character. Advantages
    are the step's rewards at mean 0 and variance 1.
    """

    share: float
    samples: int

    def prepare(self, pieces: Iterable[str]) -> str:
        """Return one line for the log. Raises `ConfigError` if the pieces cannot be used.

        It is called before the first step, with at most 512 interleaved training pieces that are
        spread over the data.
        """

    def features(self, text: str) -> NDArray[np.float64]:
        """Return the features [K] of a sampled piece, NaN for missing ones."""

    def rewards(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rewards of a step's pieces in all processes: [R, K] -> [R], NaN for none."""

    def parts(self, features: NDArray[np.float64]) -> Mapping[str, float]:
        """Return values to log, from the same features."""


Row = Mapping[str, Any]
"""Measurement of one piece: plain JSON values, so that it can be cached. Scoring adds the piece's
name under `NAME` before it summarises."""

NAME = "name"
"""Key of a row that scoring sets: the piece's name."""

CONDENSED = "condensed"
"""Key of 0.1, where a condensed reference was `[{CONDENSED: numbers}]`; now it is `Condensed`."""


@dataclass(frozen=True)
class Condensed:
    """A whole reference in plain numbers, as `Metric.condense` made it of its rows."""

    numbers: Mapping[str, Any]

    def __getitem__(self, place: int) -> Row:
        """Return a row as in 0.1, where a condensed reference was a list of one row."""
        warnings.warn(
            "a condensed reference is a picogen_core.Condensed: read `reference.numbers` in place "
            "of `reference[0][CONDENSED]`, which ends with 0.3",
            FutureWarning,
            stacklevel=2,
        )
        return [{CONDENSED: self.numbers}][place]


ReferenceRows = Sequence[Row] | Condensed
"""A reference as a metric gets it: rows, or the numbers condensed from them."""


class Metric(ABC):
    """Base class of metrics: one row per piece, then one summary per folder."""

    @abstractmethod
    def measure(self, piece: Piece) -> Row:
        """Return the row of one piece, which is cached. Raise `Undefined` if a value is missing."""

    @abstractmethod
    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        """Return the summary of a folder's rows, compared with a reference if there is one.
        `Condensed` comes only if `condense` returns numbers."""

    def condense(self, rows: Sequence[Row], rng: np.random.Generator) -> Mapping[str, Any] | None:
        """Return plain numbers with which a reference can be shipped without its pieces; None if
        the metric needs the pieces."""
        return None

    def figures(self, piece: Piece) -> Mapping[str, Plot | HeatMap]:
        """Return what a report draws of one piece, by name."""
        return {}


class Source(Protocol):
    """Music by name or by path."""

    def __call__(self, which: str) -> Iterator[SourcePiece]:
        """Yield the tunes of collection or path `which` in a fixed order. Raises `BadInput`."""
