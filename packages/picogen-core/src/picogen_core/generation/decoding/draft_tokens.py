"""Draft characters of a piece, which a `Verifying` engine verifies in one pass.

Speculative decoding (Leviathan et al. 2023, arXiv:2211.17192) with n-grams of the generated text as
the draft model. A guess is kept only if the piece's own uniform draws that very character from the
model's logits. So a piece is the same, to the last character, as without draft tokens.
"""

from __future__ import annotations

from picogen_core.abc.counters import make_counter, parse_counter
from picogen_core.abc.patches import BOS, EOS

ORDER = 4  # most characters that a guess depends on
LEAST = 0.25  # probability below which verifying a guess costs more than it saves
MEMORY = 40_000  # contexts, some 14 MB; a thousand tunes have 20,000


class NGrams:
    """Counts of the characters behind the last 1 … ORDER characters, over all pieces."""

    def __init__(self) -> None:
        self._counts: dict[bytes, dict[int, int]] = {}

    def add(self, before: bytes, code: int) -> None:
        for order in range(1, len(before) + 1):
            counts = self._counts.setdefault(before[-order:], {})
            counts[code] = counts.get(code, 0) + 1
        if len(self._counts) > MEMORY:
            self._counts.clear()

    def most_probable(self, before: bytes) -> tuple[int, float]:
        """Return the most probable character and its probability; 0 for an unseen context."""
        for order in range(len(before), 0, -1):
            counts = self._counts.get(before[-order:])
            if counts:
                code = max(counts, key=counts.__getitem__)
                return code, counts[code] / (sum(counts.values()) + 0.5)
        return EOS, 0.0


class Drafter:
    """Drafts the next characters of one piece, whose characters it reads from the prompt on."""

    def __init__(self, grams: NGrams) -> None:
        self._grams = grams
        self._last = b""  # ORDER characters
        self._line = bytearray()  # without EOS
        self._counter = b""  # of this line, as those before it have it

    def take(self, code: int) -> None:
        """Read the next character: text, or EOS or BOS."""
        self._grams.add(self._last, code)
        self._last = (self._last + bytes([code]))[-ORDER:]
        if code == ord("\n"):
            self._counter = _following(bytes(self._line))
            self._line.clear()
        elif code != EOS:
            self._line.append(code)

    def draft(self, most: int) -> bytes:
        """Return at most `most` draft characters, none behind the patch's end."""
        drafted = bytearray()
        if self._counter.startswith(self._line) and not self._last.endswith(b"\n"):
            drafted += self._counter[len(self._line) :][:most]
        last = (self._last + drafted)[-ORDER:]
        chance = 1.0
        while len(drafted) < most:
            code, likely = self._grams.most_probable(last)
            chance *= likely
            if chance < LEAST or code in (BOS, EOS):
                break
            drafted.append(code)
            last = (last + bytes([code]))[-ORDER:]
        return bytes(drafted)


def _following(line: bytes) -> bytes:
    """Return `[r:3/20]` for a line that begins with `[r:2/21]`; nothing for the last line."""
    done, to_come = parse_counter(line.decode("ascii", "replace")) or (0, 0)
    return make_counter(done + 1, to_come - 1).encode() if to_come else b""
