"""The contracts behind the specs, as types. Nothing here imports torch when it runs.

Glossary: B rows, S patches of a row, P = 16 characters of a patch, V = 128 character codes,
D width of the model, E width of the teacher, N valid target patches of a batch, M notes.
"""

from __future__ import annotations

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
    from picogen_core.evaluation.summaries import Summary
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
        """[B, S, D] -> [B, S, D]. Output t depends on inputs up to t; rows are right-padded."""

    def initial_state(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """The empty state of `batch` rows that will see at most `max_patches` patches."""

    def prefill(self, x: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State]:
        """[B, S, D], [B] -> outputs at the last valid patch of each row [B, D], and the state.

        Starts from an empty state. What lies past a row's length never enters its state.
        """

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """[B, D] -> [B, D]: one more patch for every row."""


@runtime_checkable
class Head(Protocol[State]):
    """From the hidden state of patch t to the characters of patch t + 1."""

    def __call__(self, hidden: Tensor, patch: Tensor) -> Tensor:
        """[N, D], [N, P] -> teacher-forced logits [N, P, V]; position j sees characters < j."""

    def begin(self, hidden: Tensor) -> tuple[Tensor, State]:
        """[N, D] -> logits of the first character [N, V], and the state."""

    def step(self, chars: Tensor, state: State) -> tuple[Tensor, State]:
        """[N] -> logits of the next character [N, V]."""


@runtime_checkable
class RememberingHead(Protocol[Memory, State]):
    """A head that also sees the characters of earlier patches of the same piece.

    Its spec has `remembers=True`. The memory holds what it has seen of the whole patches of each
    row; the state what it knows within one patch. No logits depend on a later character.
    """

    def __call__(self, hidden: Tensor, patch: Tensor, row: Tensor, index: Tensor) -> Tensor:
        """[N, D], [N, P], [N], [N] -> teacher-forced logits [N, P, V].

        Patches of one `row` stand together, in the order of `index`, their number in the row. A
        patch sees all patches before it in its row; padding behind its end means nothing.
        """

    def initial_memory(
        self, batch: int, max_patches: int, device: torch.device, dtype: torch.dtype
    ) -> Memory:
        """The empty memory of `batch` rows that will see at most `max_patches` patches."""

    def read(self, hidden: Tensor, patches: Tensor, lengths: Tensor, memory: Memory) -> Memory:
        """[B, S, D], [B, S, P], [B] -> the memory of rows whose first `lengths` patches these are.

        Starts from an empty memory. Hidden state s predicts patch s. Reading equals having written.
        """

    def begin(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, State]:
        """[B, D] -> logits of the first character of the next patch [B, V], and the state.

        The memory stays as it is.
        """

    def step(self, chars: Tensor, state: State) -> tuple[Tensor, State]:
        """[B] -> logits of the next character [B, V]. A row may be stepped on past its end."""

    def close(self, patch: Tensor, state: State) -> Memory:
        """[B, P] -> the memory after whole patches, each as it stands with its end and padding.

        `step` has read at least the characters before the last of each patch; what it has read
        behind an end is forgotten.
        """


class CompiledBackbone(Protocol):
    """A backbone without torch: it keeps the states of several pieces, each in a slot.

    A row's result has to depend, to the last bit, on what its own slot has read alone: not on the
    other rows of a call, nor on how the patches were dealt out to calls. Then a piece is the same
    alone and in a batch. `picogen_core.compiled` has what that takes. NaN stays in its slot, is
    not hidden, and is gone when the slot is cleared.

    Arrays are C-contiguous. Those given are left as they are; those returned are the caller's.
    What makes one takes every tensor of its part, by `Weights.take`, which tells what is missing.
    `picogen_core.testing` checks all that.
    """

    def allocate(self, slots: int, max_patches: int) -> None:
        """Empty states for `slots` pieces that are read `max_patches` patches long at most."""

    def clear(self, slot: int) -> None:
        """Forget the slot's piece."""

    def copy(self, source: int, target: int) -> None:
        """Let the target slot go on from where the source slot is."""

    def extend(self, x: Floats, slots: Slots) -> Floats:
        """[N, D], [N] -> [N, D]: row i is the next patch of slot i. A slot may come several times,
        its patches in their order, as when a prompt is read."""


class CompiledHead(Protocol):
    """A head without torch: it keeps what it knows of a patch, one in each slot.

    Bits, NaN, arrays and tensors are as with `CompiledBackbone`.
    """

    def allocate(self, slots: int) -> None:
        """Room for `slots` patches at once."""

    def begin(self, hidden: Floats, slots: Slots) -> Floats:
        """[N, D] -> logits [N, V] of the first characters of new patches in different slots."""

    def step(self, chars: Slots, slots: Slots) -> Floats:
        """[N] characters drawn in N different slots -> logits [N, V] of the next."""


@runtime_checkable
class CompiledRememberingHead(CompiledHead, Protocol):
    """A `RememberingHead` without torch: the memory of each slot's piece lies in the slot.

    `begin` and `step` are as with `CompiledHead`; `begin` and `close` of a patch take turns. How
    the patches of a piece were dealt out to `read` and `close` changes no bit.
    """

    def clear(self, slot: int) -> None:
        """Forget the slot's piece."""

    def copy(self, source: int, target: int) -> None:
        """Let the target slot go on from where the source slot is."""

    def read(self, hidden: Floats, patches: Codes, slot: int) -> None:
        """[S, D], [S, P]: the next S patches of a slot's piece, as if it had written them."""

    def close(self, patches: Codes, slots: Slots) -> None:
        """[N, P]: the patches of N different slots are whole; `step` had all but the last code."""


BEGINNING = -1
"""In place of a character: a patch begins."""


@runtime_checkable
class VerifyingHead(CompiledHead, Protocol):
    """A compiled head that reads several characters of a patch at once, to verify guesses."""

    guesses: int
    """So many rows beside one take little more time than it alone; 0 where guessing cannot pay."""

    def extend(self, hidden: Floats | None, chars: Slots, slots: Slots) -> Floats:
        """Rows [R], those of a slot one behind the other -> logits [R, V] of what follows each.

        A row is a character or `BEGINNING`; `hidden` [B, D] are those of the B beginnings, in
        their order, None where there are none. A row's bits do not depend on the other rows.
        """

    def forget(self, slots: Slots, counts: Slots) -> None:
        """Take back the last `counts` characters of N different slots."""


@dataclass(frozen=True)
class NoteIndex:
    """Where the notes of a batch stand, in the order of the text.

    position: [M] flat index n·P + j of the note's letter among the N·P characters.
    row:      [M] row of the batch, 0 … B − 1.
    voice:    [M] voice number within its row.
    step:     [M] diatonic step as notated, 7 · octave + letter, C = 0 (middle C is 28).
    octave:   [M] True if octave marks (`,` or `'`) follow the letter.
    """

    position: Tensor
    row: Tensor
    voice: Tensor
    step: Tensor
    octave: Tensor


@dataclass(frozen=True)
class LossBatch:
    """What a loss sees of a batch; only valid target patches, the N axis, are in it.

    `student_hidden` has been projected to the teacher's width when there is `teacher_hidden`; row n
    is the hidden state that predicts patch n. `valid` marks the M characters that count: no
    padding, and nothing behind the EOS of a patch of text. The first patch of a row, BOS, is no
    target; the closing one is. Logits where not valid mean nothing. Teacher logits are
    log-probabilities as its cache keeps them, 0 where not valid.

    `sampled`: the student itself wrote this, behind a header of the data, which is no target. Then
    nothing here is music to be learnt from. Only losses whose spec says so are asked of it.
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
        """[M, V] fp32 at the valid characters, in order; computed once for all losses."""
        return self.student_logits[self.valid].float().log_softmax(-1)


@dataclass(frozen=True)
class LossValue:
    """A differentiable scalar, and its parts for the log.

    `value` is a mean over the valid characters of the batch (or over its patches or notes). A step
    may see several batches, in several processes: its loss is the mean of their values, each
    weighed by its count of valid characters. For a mean over characters that is the mean over all
    characters of the step, however they were dealt out. `parts` are averaged alike for the log.
    """

    value: Tensor
    parts: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Loss(Protocol):
    """One term of the training loss, in nats per character unless its spec says otherwise."""

    def __call__(self, batch: LossBatch) -> LossValue: ...


@runtime_checkable
class Feedback(Protocol):
    """In place of a `Loss`: rewards for whole pieces that the student writes, by REINFORCE.

    In a `share` of the steps, 0 … 1, the student writes `samples` pieces for every row of data, and
    −advantage × log-probability is added to the loss, nats per character that it drew; advantages
    are the step's rewards at mean 0 and variance 1.
    """

    share: float
    samples: int

    def prepare(self, pieces: Iterable[str]) -> str:
        """Before the first step, the training pieces, interleaved, at most 512 that are spread over
        the data. Returns what there is to say of them. Raises `ConfigError` if they do not do."""

    def features(self, text: str) -> NDArray[np.float64]:
        """[K] of a piece as it was written, NaN where it has none."""

    def rewards(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """[R, K] of all pieces of a step, in all processes -> [R], NaN for one without."""

    def parts(self, features: NDArray[np.float64]) -> Mapping[str, float]:
        """The same -> what to log of them."""


Row = Mapping[str, Any]
"""What a metric keeps of one piece: plain JSON values, so that it can be cached. Scoring adds the
piece's name under `NAME` before it asks for a summary."""

NAME, CONDENSED = "name", "condensed"
"""Keys of a row that scoring sets: the piece's name; a whole reference as `condense` gave it."""


class Metric(Protocol):
    """First one row a piece, then one summary a folder.

    Two more methods are looked for and may be left out. `condense(rows, rng) -> Mapping` makes
    plain numbers of a reference, which can be shipped without its pieces: `summarise` then gets
    `[{CONDENSED: numbers}]` as its reference. `figures(piece) -> Mapping[str, Plot | HeatMap]`
    draws one piece for a report.
    """

    def measure(self, piece: Piece) -> Row:
        """One piece, cacheable. Raises `Undefined`; never returns 0.0 for nothing."""

    def summarise(
        self, rows: Sequence[Row], reference: Sequence[Row] | None, rng: np.random.Generator
    ) -> Summary:
        """All rows of a folder, against the rows of a reference if there is one."""


class Source(Protocol):
    """Music by name or by path."""

    def __call__(self, which: str) -> Iterator[SourcePiece]:
        """Every tune of collection or path `which`, in a fixed order. Raises `BadInput`."""
