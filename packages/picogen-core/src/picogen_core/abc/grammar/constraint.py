"""Which of the 128 codes may come next in a piece, one character after the other.

    constraint = Constraint(max_patches, grammar=True, bars=32)
    constraint.read(prompt.patches)
    while not constraint.done:
        code = draw(logits, constraint.allowed())
        constraint.push(code)

The patches are NotaGen's: 16 codes; EOS and padding behind a cut that is no multiple of 16; the
piece closes with BOS, fifteen EOS. Two sets are kept: what no ABC has at a place is never legal;
what the grammar wants is steered to, and gives way in `bias` to a model that insists.
"""

from __future__ import annotations

from picogen_core.abc.grammar.charsets import Allowed, Bias, bits, to_allowed, to_bias
from picogen_core.abc.grammar.line import CLOSED, FULL, INSIDE, TextGrammar
from picogen_core.abc.grammar.mask import TextMask
from picogen_core.abc.patches import BOS, EOS, PAD, PATCH_SIZE, Patches

PATCHES_A_VOICE = 8  # a line's limit; the longest of 31,000 bars of Beethoven's quartets has 31
_BAR_START = bits("|:[")
_BOS, _EOS, _PAD = 1 << BOS, 1 << EOS, 1 << PAD


class Constraint:
    """The state of one piece.

    max_patches: of the piece, prompt included; None for no limit.
    grammar:     steer to sound bars and voices of equal length; `bars` asks for so many and no
                 others, which takes the grammar.
    """

    def __init__(
        self, max_patches: int | None = None, *, grammar: bool = False, bars: int | None = None
    ) -> None:
        self.max_patches = max_patches
        self.mask = TextMask()
        self.text = TextGrammar(bars) if grammar or bars is not None else None
        self.bars = bars
        self.patches = 0
        self.place = 0  # in the patch
        self.done = False
        self._closed = False  # EOS has come in this patch
        self._where = FULL
        self._line_patches = 0
        self._allowance: int | None = None

    def copy(self) -> Constraint:
        """A snapshot that goes its own way."""
        new = object.__new__(Constraint)
        new.__dict__.update(self.__dict__)
        new.mask = self.mask.copy()
        new.text = self.text.copy() if self.text else None
        return new

    def read(self, patches: Patches) -> None:
        """Take whole patches as they are: a prompt's, with the BOS patch at its head."""
        for row in patches.tolist():
            if self.patches == 0 and self.place == 0 and row[0] == BOS:
                self.patches = 1
                continue
            for code in row:
                self.push(code)

    def allowed(self) -> Allowed:
        """[128]: the codes that may come next; never none. Not to be written to."""
        legal, wanted = self.codes()
        return to_allowed(legal & wanted or legal)

    def bias(self) -> Bias:
        """[128] nats for the logits: -inf for what is not legal, -`STEER` for what is not wanted.
        Not to be written to."""
        legal, wanted = self.codes()
        return to_bias(legal, wanted if legal & wanted else legal)

    def codes(self) -> tuple[int, int]:
        """(legal, wanted) codes as sets of bits."""
        if self.done:
            return (_EOS, _EOS) if self.place else (_BOS, _BOS)
        if self._closed:
            return _PAD, _PAD
        if self.place and self.mask.previous == ord("\n"):
            return _EOS, _EOS
        return self._legal(), self._wanted()

    def _legal(self) -> int:
        mask = self.mask
        legal = mask.legal()
        if self._where == CLOSED:
            return legal & _BAR_START
        if not self.place:
            return legal | (_BOS if mask.place == "line" else 0)
        return legal | (_EOS if mask.place == "music" and not mask.final else 0)

    def _wanted(self) -> int:
        text = self.text
        if text is None:
            return -1
        if text.ended:
            return _BOS
        if self._hurries():
            return bits(text.closing(self._where))
        return text.wanted(self._where) | (_EOS if self.place and text.may_cut() else 0)

    def push(self, code: int) -> None:
        """Take the next code of the patch, allowed or not."""
        if code == BOS and not self.place:
            self.done = True
        elif code == EOS or code == PAD:
            self._closed = True
        elif not self.done:
            self._push_text(code)
        self.place += 1
        if self.place == PATCH_SIZE:
            self.end_patch()

    def _push_text(self, code: int) -> None:
        if self._where != INSIDE:
            self.mask.cut()
        self.mask.push(code)
        if self.text is not None:
            self.text.push(chr(code), self._where)
        self._where = INSIDE
        if code == ord("\n"):
            self._line_patches, self._allowance = -1, None

    def end_patch(self) -> None:
        """The patch is over, though its padding may not have been pushed."""
        if not self.place or self.done:
            return
        self.patches += 1
        self._line_patches += 1
        in_line = self.mask.previous != ord("\n")
        self._where = CLOSED if self._closed and in_line else FULL
        self.place, self._closed = 0, False

    # Closing in time

    def _hurries(self) -> bool:
        """Whether the line, or the header, has to come to its end."""
        if self._allowance is None:
            self._allowance = self._allow()
        return self._line_patches >= self._allowance

    def _allow(self) -> int:
        """How many patches this line may have before it hurries, which takes two more."""
        text = self.text
        assert text is not None
        if text.place == "header":
            if self.max_patches is None or self.bars is None:
                return 1 << 30
            whole = self.max_patches - 2 - self._least() * self.bars
            return max(0, whole - self.patches)
        most = PATCHES_A_VOICE * (len(text.order) + 1)
        if self.max_patches is None or text.rest is None or self.bars is None:
            return most
        left = self.max_patches - self.patches - 1
        fair = 2 * left // (text.rest + 1)
        return min(most, max(0, min(fair, left - self._least() * text.rest) - 2))

    def _least(self) -> int:
        """Patches of the shortest line: counter, voice, a rest of three characters, its end."""
        assert self.bars is not None
        counter = len(f"[r:{self.bars}/{self.bars}][V:10]z15|\n")
        return -(-counter // PATCH_SIZE)
