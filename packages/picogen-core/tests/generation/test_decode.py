"""The loop that writes pieces, on an engine that returns a given text."""

from collections.abc import Sequence

import numpy as np
import pytest
from picogen_core import ConfigError
from picogen_core.abc.patches import EOS, encode, encode_prompt
from picogen_core.generation.decoding.decode import Limits, Written, write
from picogen_core.generation.decoding.piece import Draft, PieceWriter
from picogen_core.generation.decoding.rollover import Rollover
from picogen_core.generation.request.options import SamplingOptions

HEAD = "L:1/8\nM:4/4\nK:C\nV:1 treble\n"
GREEDY = SamplingOptions(temperature=0)


def tune(bars: int) -> str:
    return HEAD + "".join(f"[V:1]C{i % 7 + 2} z|\n" for i in range(bars))


class Scripted:
    """Says piece after piece of `texts`, one for each time a slot is begun anew at `prompt`."""

    def __init__(self, slots: int, texts: Sequence[str], prompt: str = HEAD) -> None:
        self.slots, self._texts = slots, list(texts)
        self._begun = len(encode_prompt(prompt).patches)
        self._script: dict[int, list[bytes]] = {}
        self._at: dict[int, tuple[int, int]] = {}
        self.log: list[tuple[str, tuple[int, ...]]] = []
        self.read_patches: list[np.ndarray] = []

    def read(self, slot: int, patches: np.ndarray) -> None:
        self.log.append(("read", (slot, len(patches))))
        self.read_patches.append(patches)
        if len(patches) == self._begun:
            self._start(slot)
        else:  # a piece that rolls over goes on
            self._at[slot] = (self._at[slot][0] + 1, 0)

    def copy(self, source: int, target: int) -> None:
        self.log.append(("copy", (source, target)))
        self._start(target)

    def _start(self, slot: int) -> None:
        rows = [row.tobytes() for row in encode(self._texts.pop(0))]
        self._script[slot], self._at[slot] = rows[self._begun :], (0, 0)

    def advance(self, slots: np.ndarray, patches: np.ndarray) -> None:
        self.log.append(("advance", tuple(slots)))
        for slot, patch in zip(slots, patches, strict=True):
            patch_number, _ = self._at[slot]
            assert patch.tobytes() == self._script[slot][patch_number]
            self._at[slot] = (patch_number + 1, 0)

    def begin(self, slots: np.ndarray) -> np.ndarray:
        return self._logits(slots)

    def step(self, slots: np.ndarray, chars: np.ndarray) -> np.ndarray:
        for slot in slots:
            patch_number, place = self._at[slot]
            self._at[slot] = (patch_number, place + 1)
        return self._logits(slots)

    def _logits(self, slots: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(slots), 128), np.float32)
        for i, slot in enumerate(slots):
            patch_number, place = self._at[slot]
            logits[i, self._script[slot][patch_number][place]] = 9
        return logits


def drafts(written: Sequence[Written]) -> dict[int, Draft]:
    return {one.number: one.draft for one in written if one.draft}


def body(text: str) -> str:
    from picogen_core.abc.counters import strip_counters

    return strip_counters(text)


def test_slots_are_refilled_as_pieces_end():
    texts = [tune(n) for n in (1, 5, 2, 2, 1)]
    engine = Scripted(2, texts)
    starts = [PieceWriter(k, HEAD) for k in range(1, 6)]
    written = list(write(engine, starts, GREEDY, Limits(200)))
    done = drafts(written)
    assert {k: body(draft.text) for k, draft in done.items()} == dict(enumerate(texts, 1))
    assert all(draft.complete and not draft.stopped for draft in done.values())
    # The two first share a prompt; each of the others is read when a slot becomes free.
    assert [what for what, _ in engine.log if what != "advance"] == ["read", "copy"] + 3 * ["read"]
    assert [one.number for one in written if one.draft] == [1, 3, 2, 4, 5]
    # What is streamed is what stands in the draft.
    for number, draft in done.items():
        assert HEAD + "".join(w.text for w in written if w.number == number) == draft.text
        assert draft.patches == len(draft.codes) + 5


def test_length_counts_the_prompt_and_is_told():
    engine = Scripted(1, [tune(30)])
    done = drafts(list(write(engine, [PieceWriter(1, HEAD)], GREEDY, Limits(9))))
    assert done[1].patches == 9 and not done[1].complete
    assert done[1].stopped == "it reached 9 patches"
    with pytest.raises(ConfigError, match="the prompt fills 5 patches of --max-length 5"):
        list(write(Scripted(1, [tune(3)]), [PieceWriter(1, HEAD)], GREEDY, Limits(5)))


def test_past_the_context_the_header_and_half_of_the_lines_are_read_again():
    text = tune(60)
    engine = Scripted(1, [text])
    done = drafts(list(write(engine, [PieceWriter(1, HEAD)], GREEDY, Limits(500, context=40))))
    assert body(done[1].text) == text and done[1].complete
    rolled = engine.read_patches[1:]
    whole = encode(text)
    header = whole[:5]
    for patches in rolled:
        assert np.array_equal(patches[:5], header)
        assert patches[5].tobytes().startswith(b"[r:")
        assert len(patches) < 40
    # 36 patches of body are 18 lines when it first happens: 9 are kept, then and ever after.
    lines = [sum(b"\n" in row.tobytes() for row in patches[5:]) for patches in rolled]
    assert set(lines) == {9} and len(rolled) > 4
    reads = sum(len(patches) for patches in engine.read_patches)
    advanced = sum(what == "advance" for what, _ in engine.log)
    assert reads - 5 * (len(rolled) + 1) < advanced


def test_what_a_rollover_keeps():
    header = [b"\1" * 15 + b"\2", b"K:C\n\2" + bytes(11)]
    line = [b"[r:0/3][V:1]CDEF", b"G|\n\2" + bytes(12)]
    roll = Rollover(10)
    assert roll.keep([*header, *(4 * line)]) == [*header, *(2 * line)]
    assert roll.keep([*header, *(9 * line)]) == [*header, *(2 * line)]  # fixed at the first
    long = [b"[r:0/3][V:1]CDEF"] * 20 + [b"G|\n\2" + bytes(12)]
    kept = Rollover(10).keep([*header, *line, *long])
    assert kept[:2] == header and len(kept) < 10 and kept[-1] == long[-1]  # no line fits: its end
    assert Rollover(10).keep(header * 5) == []  # no music to go on from
    assert Rollover(4).keep([*header, *line]) == []  # a header that leaves no room


def test_a_header_without_end_stops():
    text = HEAD + "V:2 treble\n" * 50 + "[V:1]C8|\n"
    done = drafts(list(write(Scripted(1, [text]), [PieceWriter(1, HEAD)], GREEDY, Limits(500, 30))))
    assert done[1].stopped == "it filled 30 patches without a line of music"
    assert done[1].text.startswith(HEAD + "V:2 treble\n")


class Recorder:
    """A guide that makes every D an E, forbids the digit 2, and hears everything."""

    def __init__(self) -> None:
        self.heard = bytearray()

    def limit(self, place: int) -> int | bytes | None:
        if self.heard.endswith(b"[V:1]"):
            return ord("E")
        if self.heard.endswith(b"E"):
            return bytes(code not in b"23" for code in range(128))
        if self.heard.endswith(b"K:C\n"):
            return bytes(128)  # leaves nothing, so it is not obeyed
        return None

    def take(self, code: int) -> None:
        self.heard.append(code)


class Free(Scripted):
    """Does not mind that guides change what is said."""

    def advance(self, slots: np.ndarray, patches: np.ndarray) -> None:
        for slot in slots:
            self._at[slot] = (self._at[slot][0] + 1, 0)


def test_guides_force_forbid_and_hear_all():
    guide = Recorder()
    engine = Free(1, [tune(2)])
    start = PieceWriter(1, HEAD, guides=lambda: [guide])
    draft = drafts(list(write(engine, [start], GREEDY, Limits(100))))[1]
    assert "[V:1]C" not in draft.text and draft.text.count("[V:1]E") == 2
    assert "E2" not in draft.text and "E3" not in draft.text
    heard = bytes(code for code in guide.heard if code > EOS).decode()
    assert heard == draft.text
    assert guide.heard.count(EOS) >= 5


def test_the_first_counter_is_forced_to_bar_0():
    class Later(Free):
        def _logits(self, slots: np.ndarray) -> np.ndarray:
            logits = super()._logits(slots)
            place = self._at[int(slots[0])][1]
            if self._at[int(slots[0])][0] == 0 and place == 3:
                logits[0, ord("7")] = 99  # wants to begin at bar 7
            return logits

    draft = drafts(list(write(Later(1, [tune(3)]), [PieceWriter(1, HEAD)], GREEDY, Limits(100))))[1]
    assert draft.text.startswith(HEAD + "[r:0/2][V:1]C2 z|\n[r:1/1]")


def test_nothing_asked_nothing_written():
    assert list(write(Scripted(2, []), [], GREEDY, Limits(100))) == []
