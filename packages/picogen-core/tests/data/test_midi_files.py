# ruff: noqa: E501 (a file and its notes on one line)
"""MIDI: every note on the stated grid, as long as it lasts, and counted where it is lost."""

from __future__ import annotations

from fractions import Fraction

import pytest
from picogen_core.errors import BadInput
from picogen_core.score.files.midi import midi_to_abc, on_grid

from ..score_notes import heard


def number(value: int) -> bytes:
    made = [value & 0x7F]
    while value := value >> 7:
        made.append(0x80 | value & 0x7F)
    return bytes(reversed(made))


def track(events: list[tuple[int, bytes]]) -> bytes:
    data, now = b"", 0
    for time, event in sorted(events, key=lambda e: e[0]):
        data += number(time - now) + event
        now = time
    data += b"\x00\xff\x2f\x00"
    return b"MTrk" + len(data).to_bytes(4, "big") + data


def midi(*tracks: list[tuple[int, bytes]], division: int = 480) -> bytes:
    head = b"MThd" + (6).to_bytes(4, "big") + bytes([0, 1, 0, len(tracks)])
    return head + division.to_bytes(2, "big") + b"".join(map(track, tracks))


def play(*notes: tuple[int, int, int], channel: int = 0) -> list[tuple[int, bytes]]:
    """Notes (start, end, pitch)."""
    made = [(end, bytes([0x80 + channel, pitch, 0])) for _, end, pitch in notes]
    return made + [(start, bytes([0x90 + channel, pitch, 80])) for start, _, pitch in notes]


@pytest.mark.parametrize(
    ("data", "right", "counts"),
    [
        (midi(play((0, 1920, 60), (480, 960, 64))), "0:60:4 1:64:1", (2, 0, 0)),
        # system messages have no place in a file, and their data may look like events
        (midi([(0, b"\xf1\x7f"), (0, b"\xf2\x10\x20"), (0, b"\xf3\x01"), (0, b"\xf8"), *play((0, 480, 60))]), "0:60:1", (1, 0, 0)),
        (midi(play((0, 2880, 60))), "0:60:6", (1, 0, 0)),
        (midi(play((0, 40, 60), (40, 80, 62), (80, 120, 64))), "0:60:1/8 1/12:62:1/8 1/6:64:1/8", (3, 3, 0)),
        (midi(play((0, 60, 60), (60, 120, 62))), "0:60:1/8 1/8:62:1/8", (2, 0, 0)),
        (midi(play((0, 480, 60), (10, 300, 60))), "0:60:1", (2, 1, 1)),
        (midi(play((0, 480, 60)), play((0, 480, 60))), "0:60:1 0:60:1", (2, 0, 0)),
        (midi(play((0, 480, 60)) + play((0, 480, 36), channel=9)), "0:60:1", (1, 0, 0)),
        (midi([(0, b"\xff\x58\x04\x03\x02\x18\x08"), *play((0, 1440, 60), (1440, 2880, 62))]), "0:60:3 3:62:3", (2, 0, 0)),
    ],
)  # fmt: skip
def test_notes_and_counts(data: bytes, right: str, counts: tuple[int, int, int]) -> None:
    made = midi_to_abc(data)
    assert heard(made.abc) == right
    assert (made.notes, made.moved, made.lost) == counts


def test_nothing_is_invented() -> None:
    abc = midi_to_abc(midi(play((0, 480, 60)))).abc
    assert abc == "X:1\nL:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]C2 z6|]\n"


def test_names_meters_keys_and_tempo_come_from_the_file() -> None:
    meta = [
        (0, b"\xff\x03\x05Piano"), (0, b"\xff\x51\x03\x07\xa1\x20"),
        (0, b"\xff\x58\x04\x02\x02\x18\x08"), (0, b"\xff\x59\x02\xfd\x00"),
        (960, b"\xff\x58\x04\x03\x03\x18\x08"),
    ]  # fmt: skip
    abc = midi_to_abc(midi([*meta, *play((0, 960, 63), (960, 1680, 66))])).abc
    assert abc.splitlines()[1:] == [
        "L:1/8", "Q:1/4=120", "M:2/4", "K:Eb", 'V:1 treble nm="Piano"', "[V:1]E4|",
        "[V:1][M:3/8]_G3|]",
    ]  # fmt: skip


def test_what_overlaps_goes_to_another_voice_and_percussion_is_told() -> None:
    made = midi_to_abc(
        midi(play((0, 1920, 48), (0, 960, 72), (960, 1920, 74)) + play((0, 9, 40), channel=9))
    )
    assert [line for line in made.abc.splitlines() if line[:2] == "[V"] == [
        "[V:1]c4 d4|][V:2]C,8|]"
    ]
    assert made.remarks() == ("1 notes of percussion are left out",)


def test_frames_of_a_second_are_read_as_quarters_of_half_a_second() -> None:
    data = midi(play((0, 500, 60)), division=(256 - 25) << 8 | 40)
    assert heard(midi_to_abc(data).abc) == "0:60:1"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (midi(play((0, 480, 36), channel=9)), "no notes but drums"),
        (b"MThd" + b"\x00" * 20, "no MIDI file"),
        (midi(play((0, 480, 60)))[:-6], "cut off"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        midi_to_abc(data)


def test_the_grid_is_32nds_and_their_triplets() -> None:
    q = Fraction
    notes = [(q("0.04"), q("0.3"), 60), (q("0.07"), q("0.2"), 62), (q("0.99"), q(2), 64)]
    assert on_grid(notes)[0] == [(0, q(1, 3), 60), (q(1, 12), q(1, 8), 62), (1, 1, 64)]


def test_tones_of_a_chord_have_letters_of_their_own() -> None:
    data = midi(play((0, 1920, 70), (0, 1920, 71), (0, 1920, 60), (0, 1920, 61), (0, 1920, 62)))
    abc = midi_to_abc(data).abc
    assert heard(abc) == "0:60:4 0:61:4 0:62:4 0:70:4 0:71:4"
    assert "[_c_B__E_DC]8" in abc
