"""The logits processor of the decode loop: a mask of the 128 codes, character by character.

The patches are NotaGen's: 16 codes; EOS and padding after a cut that is no multiple of 16; BOS
closes the piece. There are three sets:

- illegal: codes that no ABC has at a place;
- wanted: of the legal codes, those of a sound piece, if the grammar is on. If none is wanted, as
  after a prompt that it cannot read, all legal ones are allowed;
- rare: codes that are not wanted but occur in music. They come only if the model is sure.
"""

from __future__ import annotations

from picogen_core.abc.counters import make_counter
from picogen_core.abc.grammar.charsets import bits, freedom
from picogen_core.abc.grammar.fields import EVERYTHING, FieldChoices
from picogen_core.abc.grammar.line import CLOSED, FULL, INSIDE, TextGrammar
from picogen_core.abc.grammar.mask import TextMask
from picogen_core.abc.patches import BOS, EOS, PATCH_SIZE

PATCHES_A_VOICE = 8  # a line's limit; the longest of 31,000 bars of Beethoven's quartets has 31
HURRY = 4  # largest number of patches to end a line
_BAR_START = bits("|:[")
_BOS, _EOS = 1 << BOS, 1 << EOS


class Constraint:
    """The state of one piece.

    max_patches: limit of the piece, prompt included; None for no limit.
    grammar:     sound bars, and voices of a line of equal length.
    bars:        exact number of lines, one bar each; this needs the grammar.
    choices:     values of fields. If some are requested, the header is steered without the grammar
                 too.
    """

    def __init__(
        self,
        max_patches: int | None = None,
        *,
        grammar: bool = False,
        bars: int | None = None,
        choices: FieldChoices = EVERYTHING,
    ) -> None:
        self.max_patches = max_patches
        self.mask = TextMask()
        self._body = grammar or bars is not None
        self.text = TextGrammar(bars, choices) if self._body or choices.requested else None
        self.bars = bars
        self.patches = 0
        self.place = 0  # in the patch
        self.done = False
        self.opening = False  # in the patch of BOS that begins a piece
        self.where = FULL
        self.line_patches = 0
        self._allowance: int | None = None

    def limit(self, place: int) -> int | bytes:
        """Return the degree of each code as character `place` of a patch, or the only code."""
        return freedom(*self.codes())

    def codes(self) -> tuple[int, int, int]:
        """Return (legal, wanted, rare) codes as sets of bits."""
        if self.done or (self.place and self.mask.previous == ord("\n")):
            return _EOS, _EOS, 0
        if self.text is None:
            return self._legal(), -1, 0
        return self._legal(), *self._steered(self.text)

    def _legal(self) -> int:
        mask = self.mask
        legal = mask.legal()
        if self.where == CLOSED:
            return legal & _BAR_START
        if not self.place:
            return legal | (_BOS if mask.place == "line" else 0)
        return legal | (_EOS if mask.place == "music" and not mask.final else 0)

    def _steered(self, text: TextGrammar) -> tuple[int, int]:
        """Return (wanted, rare)."""
        rest = text.rest
        if rest is not None and rest < 0:
            return _BOS, 0
        if self.hurries(text.place):
            return text.closing(self.where, chr(self.mask.previous)), 0
        wanted = text.wanted(self.where)
        if text.place == "total":
            return self._fitting(text, wanted), 0
        rare = text.rare(self.where)
        if self.place and text.may_cut():
            wanted |= _EOS
        elif self.place and text.may_rarely_cut():
            rare |= _EOS
        return wanted, rare

    def take(self, code: int) -> None:
        """Advance by the next code, allowed or not: text, EOS or BOS, but not padding."""
        if code == BOS and not self.place:
            self.opening = not self.patches
            self.done = not self.opening
        elif code != EOS and not self.done and not self.opening:
            self._push_text(code)
        self.place += 1
        if code == EOS or self.place == PATCH_SIZE:
            self._end_patch(code == EOS)

    def _push_text(self, code: int) -> None:
        if self.where != INSIDE:
            self.mask.cut()
        self.mask.push(code)
        if self.text is not None:
            self.text.push(chr(code), self.where)
            if not self._body and self.text.place != "header":
                self.text = None
        self.where = INSIDE
        if code == ord("\n"):
            self.line_patches, self._allowance = -1, None

    def _end_patch(self, closed: bool) -> None:
        self.place = 0
        self.patches += 1
        self.line_patches += 1
        if self.opening:
            self.opening, self.line_patches = False, 0
        else:
            in_line = self.mask.previous != ord("\n")
            self.where = CLOSED if closed and in_line else FULL

    # Closing in time

    def hurries(self, place: str) -> bool:
        """Return whether the line, or the header, has to end soon."""
        if place == "header":
            if self.max_patches is None or self.bars is None:
                return False
            return self.patches >= self.max_patches - HURRY - least_patches(self.bars)
        if self._allowance is None:
            self._allowance = self._allow()
        return self.line_patches >= self._allowance

    def _allow(self) -> int:
        """Return the patches of this line before it hurries, which takes at most four more."""
        text = self.text
        assert text is not None
        most = PATCHES_A_VOICE * (len(text.order) + 1)
        if self.max_patches is None or text.rest is None:
            return most
        left = self.max_patches - self.patches - 1
        fair = 2 * left // (text.rest + 1)
        spare = left - text.rest * _least(text.index + text.rest)
        return min(most, fair - 2, spare - HURRY)

    def _fitting(self, text: TextGrammar, wanted: int) -> int:
        """Return the next digits of the first counter that leave a patch or two for each line."""
        if self.max_patches is None:
            return wanted
        left = self.max_patches - self.patches - 1
        for digit in "0123456789":
            lines = int(text.spelt + digit) + 1
            if lines * _least(lines) > left:
                wanted &= ~bits(digit)
        return wanted


def least_patches(bars: int) -> int:
    """Return the least number of patches of so many bars and the closing patch."""
    return bars * _least(bars) + 1


def _least(lines: int) -> int:
    """Return the patches of shortest lines: counter, a voice, a rest of three characters, end."""
    return -(-len(f"{make_counter(lines, lines)}[V:10]z15|\n") // PATCH_SIZE)
