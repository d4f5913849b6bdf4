"""The loop that generates pieces with any engine.

N slots in use  P = 16 characters per patch  V = 128 codes
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from picogen_core.abc.patches import PATCH_SIZE
from picogen_core.errors import ConfigError
from picogen_core.generation.decoding.draft_tokens import Drafter
from picogen_core.generation.decoding.piece import ANYTHING, CODEC, Draft, PieceWriter
from picogen_core.generation.decoding.rollover import Rollover
from picogen_core.generation.decoding.sampling import draw, nll
from picogen_core.generation.decoding.speculative import draw_speculatively
from picogen_core.generation.decoding.spelled import draw_spelled
from picogen_core.generation.engines import Engine, Spelling, Verifying
from picogen_core.generation.request.options import SamplingOptions

if TYPE_CHECKING:
    from picogen_core.generation.output import Score
    from picogen_core.model.student import GenericStudent

INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Limits:
    """Lengths of a piece.

    max_patches: prompt included.
    context:     patches after which the piece rolls over; None lets the engine read on.
    """

    max_patches: int
    context: int | None = None


class Written(NamedTuple):
    """A new patch of a piece: its text.

    number:    of the piece; from a session, the place of its job.
    draft:     the whole draft, with the last patch.
    candidate: which draft of the piece this is; a session sets it.
    score:     the finished piece, with the last draft; a session sets it.
    """

    number: int
    text: str
    draft: Draft | None = None
    candidate: int = 0
    score: Score | None = None


@dataclass(slots=True)
class _Slot:
    piece: PieceWriter
    rollover: Rollover | None
    read: int  # patches that the engine has in its state


def write(
    engine: Engine,
    pieces: Iterable[PieceWriter],
    sampling: SamplingOptions,
    limits: Limits,
    *,
    likelihood: bool = False,
    stop: Callable[[], bool] = bool,
) -> Iterator[Written]:
    """Yield each patch of every piece; a free slot of the engine takes the next piece.

    Piece k draws from a stream of uniforms of (seed, k) alone. A piece is complete when the model
    closed it. Otherwise `stopped` says why: its length, output that is not finite, or an
    interruption. `stop` is called between patches. Once it is true, the pieces in the slots end as
    they are and no other begins. With `likelihood` drafts have their `nll`.

    Raises:
        ConfigError: a prompt leaves no room for a patch.
    """
    waiting = iter(pieces)
    slots: dict[int, _Slot] = {}
    verifying, spelling = _kinds(engine)
    while True:
        if stop():
            yield from _break_off(slots)
            return
        _fill(engine, waiting, slots, limits, sampling.mask)
        if not slots:
            return
        numbers = sorted(slots)
        going = [slots[n].piece for n in numbers]
        if verifying and verifying.draft_tokens >= len(going):
            draw_speculatively(verifying, numbers, going, sampling, likelihood)
        elif spelling:
            draw_spelled(spelling, numbers, going, sampling, likelihood)
        else:
            draw_plain(engine, numbers, going, sampling, likelihood)
        for number in numbers:
            piece = slots[number].piece
            most = piece.max_patches or limits.max_patches
            if not piece.over and len(piece.rows) >= most:
                piece.stopped = f"it reached {most} patches"
        _read_on(engine, slots, [n for n in numbers if not slots[n].piece.over], limits)
        for number in numbers:
            piece = slots[number].piece
            draft = piece.draft() if piece.over else None
            if draft:
                del slots[number]
            yield Written(piece.number, piece.last_text(), draft)


def _kinds(engine: Engine) -> tuple[Verifying | None, Spelling | None]:
    """Return the engine under each protocol that it meets; checked once per class."""
    kind = type(engine)
    if kind not in _KINDS:
        _KINDS[kind] = isinstance(engine, Verifying), isinstance(engine, Spelling)
    verifies, spells = _KINDS[kind]
    return cast(Verifying, engine) if verifies else None, cast(Spelling, engine) if spells else None


_KINDS: dict[type, tuple[bool, bool]] = {}


def _break_off(slots: dict[int, _Slot]) -> Iterator[Written]:
    for slot in slots.values():
        slot.piece.stopped = INTERRUPTED
        yield Written(slot.piece.number, "", slot.piece.draft())


def _fill(
    engine: Engine,
    waiting: Iterator[PieceWriter],
    slots: dict[int, _Slot],
    limits: Limits,
    masked: bool,
) -> None:
    """Begin the next pieces in free slots; equal prompts are read once."""
    read: dict[bytes, int] = {}
    for number in range(engine.slots):
        if number in slots:
            continue
        piece = next(waiting, None)
        if piece is None:
            return
        piece.begin(masked, Drafter(engine.grams) if isinstance(engine, Verifying) else None)
        rollover = Rollover(limits.context) if limits.context else None
        own = Limits(piece.max_patches or limits.max_patches, limits.context)
        kept = check_room(piece.rows, own)
        key = b"".join(kept)
        if key in read:
            engine.copy(read[key], number)
        else:
            engine.read(number, _array(kept))
            read[key] = number
        slots[number] = _Slot(piece, rollover, len(kept))


def check_room(rows: list[bytes], limits: Limits) -> list[bytes]:
    """Return the patches of a prompt that the model reads.

    Raises:
        ConfigError: they leave no room for another.
    """
    if len(rows) >= limits.max_patches:
        raise ConfigError(
            f"the prompt fills {len(rows)} patches of --max-length {limits.max_patches}. Give more."
        )
    if not limits.context or len(rows) < limits.context:
        return rows
    kept = Rollover(limits.context).keep(rows)
    if not kept:
        raise ConfigError(
            f"the prompt's header fills {len(rows)} patches; the model reads {limits.context}."
        )
    return kept


def _read_on(engine: Engine, slots: dict[int, _Slot], going: list[int], limits: Limits) -> None:
    """Let the engine read the newest patches; a piece at the end of the context rolls over."""
    stepping = []
    rolling: dict[int, list[bytes]] = {}
    for number in going:
        slot = slots[number]
        if slot.rollover is None or slot.read < slot.rollover.context:
            stepping.append(number)
        elif kept := slot.rollover.keep(slot.piece.rows):
            rolling[number] = kept
        else:
            slot.piece.stopped = f"it filled {limits.context} patches without a line of music"
    if stepping:
        rows = _array([slots[n].piece.rows[-1] for n in stepping])
        engine.advance(np.array(stepping, np.int64), rows)
    for number in stepping:
        slots[number].read += 1
    for number, kept in rolling.items():
        engine.read(number, _array(kept))
        slots[number].read = len(kept)


def draw_plain(
    engine: Engine,
    slots: list[int],
    pieces: list[PieceWriter],
    sampling: SamplingOptions,
    likelihood: bool,
) -> None:
    """Draw one patch for every piece: characters until each has ended its patch."""
    uniforms = np.stack([piece.uniforms() for piece in pieces])
    rows = np.arange(len(pieces))
    numbers = np.array(slots, np.int64)
    codec = CODEC if sampling.mask else ANYTHING
    logits = engine.begin(numbers)
    for place in range(PATCH_SIZE):
        allowed = np.repeat(codec[place : place + 1], len(rows), 0)
        for i, row in enumerate(rows):
            pieces[row].limit(allowed[i])
        codes = draw(logits, allowed, uniforms[rows, place], sampling)
        if likelihood:
            for row, nats in zip(rows, nll(logits, codes).tolist(), strict=True):
                pieces[row].nll = (pieces[row].nll or 0.0) + nats
        going = []
        for i, row in enumerate(rows):
            if not pieces[row].put(int(codes[i])):
                going.append(i)
        if not going:
            return
        if len(going) < len(rows):
            rows, codes = rows[going], codes[going]
        logits = engine.step(numbers[rows], codes)


def _array(rows: list[bytes]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, PATCH_SIZE)


def generate(
    model: GenericStudent,
    prompt: str,
    *,
    seed: int,
    numbers: Sequence[int],
    max_patches: int,
    sampling: SamplingOptions,
) -> list[Draft]:
    """Return a continuation of `prompt` for each number, all in one batch of the torch engine.

    Raises:
        ConfigError: the prompt fills `max_patches`, or the backbone has fewer positions.
    """
    from picogen_core.generation.engines.torch import TorchEngine

    engine = TorchEngine(model, len(numbers), max_patches)
    pieces = [PieceWriter(number, prompt, seed) for number in numbers]
    written = write(engine, pieces, sampling, Limits(max_patches))
    drafts = {done.number: done.draft for done in written if done.draft}
    return [drafts[number] for number in numbers]
