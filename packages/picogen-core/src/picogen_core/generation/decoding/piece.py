"""One piece while it is generated: its patches, forced characters, and guides.

P = 16 characters per patch  V = 128 codes
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.counters import FIRST, START
from picogen_core.abc.grammar import QuickConstraint
from picogen_core.abc.grammar.charsets import FREELY, NEVER
from picogen_core.abc.grammar.nodes import Node
from picogen_core.abc.patches import (
    BOS,
    EOS,
    EOS_PATCH,
    PAD,
    PATCH_SIZE,
    VOCABULARY,
    Patches,
    decode,
    encode_prompt,
    patch_text,
)
from picogen_core.generation.decoding.draft_tokens import Drafter
from picogen_core.generation.decoding.sampling import NOT_FINITE

_START = START.encode()

# Everywhere in a piece, padding stands only behind EOS, no patch is empty, and BOS only begins
# the patch that closes a piece.
CODEC = np.full((PATCH_SIZE, VOCABULARY), FREELY, np.uint8)
CODEC[:, PAD] = CODEC[0, EOS] = CODEC[1:, BOS] = NEVER
ANYTHING = np.full_like(CODEC, FREELY)


class Guide(Protocol):
    """A constraint on one piece (a logits processor), which reads all characters of the piece."""

    def limit(self, place: int) -> int | bytes | None:
        """Return what character `place` of a patch may be: the one possible code, None for any
        code, or V bytes, one per code (`charsets.NEVER`, `FREELY`, `RARELY`).

        A limit that leaves no code is ignored.
        """

    def take(self, code: int) -> None:
        """Read the next character: text, or EOS or BOS, but no padding."""


@dataclass(frozen=True)
class Draft:
    """A finished piece as the model generated it. `text` includes the counters `[r:i/n]`.

    patches:    patches of the piece, those of the prompt included.
    stopped:    why the piece is not complete.
    codes:      [S, P], generated after the prompt.
    nll:        nats of the `characters` that the model drew, at temperature 1 and without
                restrictions; None if likelihood was not requested.
    """

    number: int
    text: str
    patches: int
    complete: bool = False
    stopped: str = ""
    codes: Patches | None = None
    nll: float | None = None
    characters: int = 0
    seconds: float = 0.0


class PieceWriter:
    """A piece to generate, and its draft so far. `rows` are all its patches, each 16 codes.

    number:      names the piece in what `write` yields.
    prompt:      as `place_prompt` returns it.
    stream:      its uniforms come from (seed, *stream), without a stream from (seed, number).
    guides:      called when the piece begins.
    max_patches: prompt included; None takes the limit of the run.
    """

    def __init__(
        self,
        number: int,
        prompt: str = "",
        seed: int = 0,
        guides: Callable[[], Sequence[Guide]] = tuple,
        stream: tuple[int, ...] = (),
        max_patches: int | None = None,
    ) -> None:
        self.number, self.prompt, self.max_patches = number, prompt, max_patches
        self._make_guides, self._seeds = guides, [seed, *(stream or [number])]
        self.rows: list[bytes] = []

    def begin(self, masked: bool = True, drafter: Drafter | None = None) -> PieceWriter:
        """Read the prompt, and forget what was generated before."""
        begun = encode_prompt(self.prompt)
        self.complete, self.stopped = False, ""
        self.nll: float | None = None
        self.characters = 0
        self.rows = [row.tobytes() for row in begun.patches]
        self._texts = [decode(begun.patches)]  # and of each patch since
        self._started = time.monotonic()
        self._begun, self._masked = len(self.rows), masked
        self._forced = list(begun.tail.encode("ascii"))
        if begun.tail.endswith("\n"):  # a line is complete: nothing but EOS follows in its patch
            self._forced.append(EOS)
        self._in_body = START in self.prompt
        self._random = np.random.default_rng(self._seeds)
        self._patch = bytearray()
        self._guides, self._drafter = list(self._make_guides()), drafter
        self._walker = _only_walker(self._guides) if masked and not drafter else None
        for row in self.rows:
            self._pass_on(row[: row.find(EOS) + 1] if EOS in row else row)
        return self

    @property
    def over(self) -> bool:
        return self.complete or bool(self.stopped)

    def uniforms(self) -> NDArray[np.float64]:
        """Return [P] for the next patch: the same number for every patch, wherever it ends."""
        return self._random.random(PATCH_SIZE)

    def draft_tokens(self, most: int) -> bytes:
        """Return at most `most` characters that may come next in this patch, without its end."""
        return self._drafter.draft(most) if self._drafter else b""

    def limit(self, allowed: NDArray[np.uint8]) -> None:
        """Narrow in place what the codec allows here, [V]."""
        place = len(self._patch)
        if self._forced:
            return _only(allowed, self._forced.pop(0))
        if not self._in_body and self._patch == _START:
            self._forced = list(FIRST.encode())  # a body begins at its first bar
            return _only(allowed, self._forced.pop(0))
        for guide in self._guides:
            limit = guide.limit(place)
            if isinstance(limit, int):
                return _only(allowed, limit)
            if limit is not None:
                allowed.data[:] = _narrowed(allowed.tobytes(), limit)
        return None

    def put(self, code: int) -> bool:
        """Append a drawn character. Return whether it ends the patch or the piece."""
        if code == NOT_FINITE:
            self.stopped = (
                f"the model's output is not finite at patch {len(self.rows)}, "
                f"character {len(self._patch)}: the checkpoint is damaged or diverged in training"
            )
            return True
        self._patch.append(code)
        self.characters += 1
        self._pass_on((code,))
        if self._masked:
            self.complete = code == BOS  # nothing but EOS may follow it
        else:
            self.complete = self._patch == EOS_PATCH[:2]
        if not (self.complete or code == EOS or len(self._patch) == PATCH_SIZE):
            return False
        self._end_patch()
        return True

    def _end_patch(self) -> None:
        patch = bytes(EOS_PATCH[:2] if self.complete else self._patch).ljust(PATCH_SIZE, b"\0")
        self._in_body = self._in_body or patch.startswith(_START)
        self.rows.append(patch)
        self._texts.append(patch_text(patch))
        self._patch.clear()

    # For a head that draws whole patches, under the one automaton that guides the piece.

    @property
    def opening(self) -> bool:
        """Whether the characters after a counter's `[r:` would be forced."""
        return not self._in_body

    def stand(self) -> Node | None:
        """Return the automaton's node; None where this piece has to draw the next character."""
        given = self._forced or (self.opening and self._patch == _START)
        return None if given or self._walker is None else self._walker.stand()

    def counted(self) -> bytes:
        """Return the counter of the line."""
        assert self._walker is not None
        return self._walker.counted()

    def caller(self) -> Node | None:
        """Return the node before the string or counter in which the automaton stands."""
        assert self._walker is not None
        return self._walker.caller

    def walked(self, codes: list[int], node: Node, caller: Node | None, ended: bool) -> bool:
        """Append characters that led the automaton to `node`. Return whether the patch ended."""
        assert self._walker is not None
        self._patch += bytes(codes)
        self.characters += len(codes)
        if codes:
            self._walker.walked(bytes(codes), node, caller, ended)
        if ended:
            self._end_patch()
        return ended

    def draft(self) -> Draft:
        """Return the draft so far, without an unfinished patch."""
        codes = np.frombuffer(b"".join(self.rows), np.uint8).reshape(-1, PATCH_SIZE)
        return Draft(
            self.number,
            "".join(self._texts),
            len(codes),
            self.complete,
            self.stopped,
            codes[self._begun :],
            self.nll,
            self.characters,
            time.monotonic() - self._started,
        )

    def last_text(self) -> str:
        """Return the text of the newest patch."""
        return self._texts[-1]

    def _pass_on(self, codes: Iterable[int]) -> None:
        for code in codes:
            for guide in self._guides:
                guide.take(code)
            if self._drafter:
                self._drafter.take(code)


def _only_walker(guides: Sequence[Guide]) -> QuickConstraint | None:
    """Return the only guide if it is an automaton with a table."""
    found = [guide for guide in guides if isinstance(guide, QuickConstraint)]
    return found[0] if len(found) == len(guides) == 1 else None


def _only(allowed: NDArray[np.uint8], code: int) -> None:
    allowed.data[:] = _ONLY[code]  # a tenth of the time that arrays take


_ONLY = [bytes(row) for row in np.eye(VOCABULARY, dtype=np.uint8) * FREELY]


@lru_cache(maxsize=8192)
def _narrowed(allowed: bytes, limit: bytes) -> bytes:
    both = bytes(max(a, b) if a and b else NEVER for a, b in zip(allowed, limit, strict=True))
    return both if any(both) else allowed
