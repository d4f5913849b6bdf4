"""MIDI to WAV with a small additive synthesiser, without a soundfont.

A note is eight harmonics under an ADSR envelope: attack, decay, sustain, release. Upper harmonics
are weaker and fade sooner. One channel, 44.1 kHz, 16 bit.
"""

from __future__ import annotations

import io
import wave
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from picogen_core.score.limits import ConversionError
from picogen_core.score.midi import MidiNote, read_midi

RATE = 44_100
MAX_SECONDS = 1800
_ATTACK, _DECAY, _SUSTAIN, _RELEASE = 0.012, 0.12, 0.55, 0.18  # seconds, seconds, level, seconds
_HARMONICS = 8
_FADE = 1.6  # of the first harmonic, in 1/s
_PEAK = 0.89  # of full scale, -1 dB

Samples = NDArray[np.float32]


def midi_to_wav(midi: bytes) -> bytes:
    """Return a mono WAV file of a MIDI file.

    Raises:
        ConversionError: it is no MIDI file, has no notes, or lasts over half an hour.
    """
    sounds = read_midi(midi)
    end = max((sound.start + sound.length for sound in sounds), default=0.0)
    if not sounds:
        raise ConversionError("there is no note to hear in it")
    if end > MAX_SECONDS:
        raise ConversionError(
            f"it lasts {end / 60:.0f} min; at most {MAX_SECONDS // 60} are played"
        )
    samples = mix(sounds)
    samples *= _PEAK * 32767 / max(float(np.abs(samples).max()), 1e-9)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(np.rint(samples).astype("<i2").tobytes())
    return file.getvalue()


def mix(sounds: list[MidiNote]) -> Samples:
    """Return the sum of all notes, not yet scaled."""
    end = max(sound.start + sound.length for sound in sounds) + _RELEASE
    samples: Samples = np.zeros(round(end * RATE) + 2, dtype=np.float32)
    for sound in sounds:
        tone = _tone(sound.pitch, round(min(sound.length, 20.0) * RATE))
        start = round(sound.start * RATE)
        room = samples[start : start + len(tone)]
        room += tone[: len(room)] * np.float32((sound.velocity / 127) ** 1.5)
    return samples


@lru_cache(maxsize=256)
def _tone(pitch: int, held: int) -> Samples:
    """Return a note of `held` samples and its release; equal temperament, A4 (69) = 440 Hz."""
    frequency = 440.0 * 2.0 ** ((pitch - 69) / 12)
    size = held + round(_RELEASE * RATE)
    time = np.arange(size, dtype=np.float32) / RATE
    tone = np.zeros(size, dtype=np.float32)
    for k in range(1, _HARMONICS + 1):
        if k * frequency < RATE / 2.2:
            phase = np.mod(time * np.float64(k * frequency), 1.0).astype(np.float32)
            tone += np.sin(2 * np.pi * phase) * np.exp(-_FADE * k**0.7 * time) / np.float32(k**1.5)
    return tone * _envelope(held, size)


def _envelope(held: int, size: int) -> Samples:
    """Return the level at each sample; a note shorter than attack and decay is released early."""
    points = np.array([0, _ATTACK, _ATTACK + _DECAY]) * RATE
    levels = [0.0, 1.0, _SUSTAIN]
    curve = np.interp(np.arange(size), points, levels)
    fall = np.linspace(1, 0, size - held)
    curve[held:] = curve[held - 1] * fall if held else 0.0
    return curve.astype(np.float32)
