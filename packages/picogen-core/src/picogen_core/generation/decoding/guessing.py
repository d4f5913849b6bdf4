"""Guesses at the next characters of a piece, which a `Verifying` engine reads all at once.

Speculative decoding (Leviathan et al. 2023, arXiv:2211.17192) with n-grams of what was written so
far as the draft: a guess is kept only where the piece's own uniform draws that very character from
the model's own logits. So a piece is the same, to the last character, as without guesses.
"""

from __future__ import annotations

from picogen_core.abc.counters import make_counter, parse_counter
from picogen_core.abc.patches import BOS, EOS

ORDER = 4  # characters that a guess depends on, at most
LEAST = 0.25  # chance below which reading a guess is dearer than what it saves
MEMORY = 40_000  # contexts, some 14 MB; a thousand tunes have 20,000


class NGrams:
    """How often which character came behind the last 1 … ORDER characters, in all pieces."""

    def __init__(self) -> None:
        self._counts: dict[bytes, dict[int, int]] = {}

    def add(self, before: bytes, code: int) -> None:
        for order in range(1, len(before) + 1):
            counts = self._counts.setdefault(before[-order:], {})
            counts[code] = counts.get(code, 0) + 1
        if len(self._counts) > MEMORY:
            self._counts.clear()

    def guess(self, before: bytes) -> tuple[int, float]:
        """The likeliest character, and its chance: 0 where nothing like it was seen."""
        for order in range(len(before), 0, -1):
            counts = self._counts.get(before[-order:])
            if counts:
                code = max(counts, key=counts.__getitem__)
                return code, counts[code] / (sum(counts.values()) + 0.5)
        return EOS, 0.0


class Guesser:
    """One piece: it is told every character, from the prompt on."""

    def __init__(self, grams: NGrams) -> None:
        self._grams = grams
        self._last = b""  # ORDER characters
        self._line = bytearray()  # without EOS
        self._counter = b""  # of this line, as those before it have it

    def take(self, code: int) -> None:
        """This character came: text, or EOS or BOS."""
        self._grams.add(self._last, code)
        self._last = (self._last + bytes([code]))[-ORDER:]
        if code == ord("\n"):
            self._counter = _following(bytes(self._line))
            self._line.clear()
        elif code != EOS:
            self._line.append(code)

    def guess(self, most: int) -> bytes:
        """At most `most` characters to come, none behind the patch's end."""
        guessed = bytearray()
        if self._counter.startswith(self._line) and not self._last.endswith(b"\n"):
            guessed += self._counter[len(self._line) :][:most]
        last = (self._last + guessed)[-ORDER:]
        chance = 1.0
        while len(guessed) < most:
            code, likely = self._grams.guess(last)
            chance *= likely
            if chance < LEAST or code in (BOS, EOS):
                break
            guessed.append(code)
            last = (last + bytes([code]))[-ORDER:]
        return bytes(guessed)


def _following(line: bytes) -> bytes:
    """`[r:3/20]` behind a line that begins with `[r:2/21]`; nothing behind the last."""
    done, to_come = parse_counter(line.decode("ascii", "replace")) or (0, 0)
    return make_counter(done + 1, to_come - 1).encode() if to_come else b""
