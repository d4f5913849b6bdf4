"""MIDI read, sound made, pages drawn: values, not only that files come out."""

import io
import struct
import wave
from collections.abc import Iterator

import numpy as np
import pytest
from picogen_core.score.convert import convert_text
from picogen_core.score.helper import Converter
from picogen_core.score.limits import ConversionError
from picogen_core.score.midi import MidiNote, read_midi
from picogen_core.score.raster import plain_text
from picogen_core.score.synth import RATE, midi_to_wav

TUNE = "X:1\nT:A & B\nC:Nobody\nQ:1/4=120\nL:1/4\nM:4/4\nK:C\n|:A2 a z:|\n"


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    pytest.importorskip("verovio")
    with Converter() as converter:
        yield converter


def midi(*events: bytes, ticks: int = 100) -> bytes:
    track = b"".join(events) + b"\x00\xff\x2f\x00"
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, ticks)
    return head + b"MTrk" + struct.pack(">I", len(track)) + track


def test_notes_tempos_and_running_status():
    file = midi(
        b"\x00\xff\x51\x03\x0f\x42\x40",  # a quarter is 1 s
        b"\x00\xc0\x05",
        b"\x00\x90\x3c\x40",
        b"\x32\x40\x20",  # half a quarter later, running status
        b"\x32\xff\x51\x03\x07\xa1\x20",  # a quarter is 1/2 s from the second one on
        b"\x00\x90\x3c\x00",
        b"\x81\x48\x80\x40\x00",  # 200 ticks, in two bytes
    )
    assert read_midi(file) == [MidiNote(0.0, 1.0, 60, 64), MidiNote(0.5, 1.5, 64, 32)]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "no MIDI file"),
        (b"RIFF" + bytes(40), "no MIDI file"),
        (midi(b"\x00\x90\x3c\x40", ticks=0xE728), "no MIDI file in quarters"),
        (midi(b"\x00\x90\x3c\x40")[:-5], "cut off"),
    ],
)
def test_broken_midi_is_refused(data, fault):
    with pytest.raises(ConversionError, match=fault):
        read_midi(data)


def test_a_piece_without_notes_makes_no_sound():
    with pytest.raises(ConversionError, match="no note"):
        midi_to_wav(midi())
    long = midi(b"\x00\x90\x3c\x40", b"\xff\xff\x7f\x80\x3c\x00", ticks=100)
    with pytest.raises(ConversionError, match="at most 30"):
        midi_to_wav(long)


def samples(wav: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


def loudest(sound: np.ndarray) -> float:
    """Its strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(spectrum.argmax() * RATE / len(sound))


def test_a_tune_sounds_as_it_is_written(converter):
    """A at 440 Hz for a second, a at 880 Hz for half of one, half a second's rest; then again."""
    files = convert_text(TUNE, ["midi", "wav"], converter).files
    sounds = read_midi(files[".mid"])
    starts = [(s.pitch, round(s.start, 2), round(s.length, 1)) for s in sounds]
    assert starts == [(69, 0.0, 1.0), (81, 1.0, 0.5), (69, 2.0, 1.0), (81, 3.0, 0.5)]
    sound = samples(files[".wav"])
    assert len(sound) / RATE == pytest.approx(3.5 + 0.18, abs=0.05)
    assert loudest(sound[: int(0.9 * RATE)]) == pytest.approx(440, abs=2)
    assert loudest(sound[int(1.2 * RATE) : int(1.45 * RATE)]) == pytest.approx(880, abs=5)
    assert np.abs(sound).max() == pytest.approx(0.89 * 32767, abs=1)
    assert np.abs(sound[int(1.75 * RATE) : int(1.95 * RATE)]).max() < 20


def test_pictures_have_the_title_in_the_middle_and_the_composer(converter):
    image = pytest.importorskip("PIL.Image")
    files = convert_text(TUNE, ["svg", "png"], converter).files
    assert b'text-anchor="middle" font-size="607px">A &amp; B</text>' in files[".svg"]
    assert b'text-anchor="end" font-size="360px">Nobody</text>' in files[".svg"]
    picture = np.asarray(image.open(io.BytesIO(files[".png"])).convert("L"))
    assert picture.shape[1] == 1680
    dark = np.nonzero((picture[:60] < 128).any(axis=0))[0]
    assert (dark.min() + dark.max()) / 2 == pytest.approx(840, abs=40)
    assert (picture < 128).mean() > 0.01


def test_the_tempo_keeps_its_note_where_resvg_has_no_font():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg"><style>@font-face {x}</style><text>'
        '<tspan font-family="Leipzig" font-size="720px">\ueca5 \uecb7</tspan></text></svg>'
    )
    assert plain_text(svg) == (
        '<svg xmlns="http://www.w3.org/2000/svg"><text><tspan font-size="405px">♩.</tspan></text>'
        "</svg>"
    )


def test_drawn_together_or_alone_is_the_same(converter):
    together = convert_text(TUNE, ["svg", "midi"], converter).files
    assert together[".svg"] == convert_text(TUNE, ["svg"], converter).files[".svg"]
    assert together[".mid"] == convert_text(TUNE, ["midi"], converter).files[".mid"]
