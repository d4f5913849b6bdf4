"""Histograms of a piece in fixed bins, and the similarity of two mean histograms.

Features after Yang & Lerch (2020, "On the evaluation of generative models in music"). A folder's
distribution is the mean of its pieces' histograms, each of sum 1, so that long pieces do not weigh
more. For one number per piece (note count, range), it is the histogram over pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from picogen_core import Row
from picogen_core.score.reading import Piece

from picogen_metrics.powerlaw import Floats
from picogen_metrics.sounds import TICKS, sounds, top_line

CLIP = 24
TIMES = TICKS // 24 * np.array([3, 4, 6, 8, 12, 16, 18, 24, 36, 48, 72, 96])
"""Upper ends of the bins of times, from a 32nd to a whole note; longer ones have a 13th bin."""
COUNTS = 2.0 ** np.arange(3, 15.5, 0.5)
"""Edges of the bins of note counts: half octaves from 8 to 16,384 notes."""
BINS = {
    "note_count": len(COUNTS) + 1,
    "pitch_class": 12,
    "pitch_class_transition": 144,
    "pitch_range": 30,
    "interval": 2 * CLIP + 1,
    "inter_onset_interval": len(TIMES) + 1,
    "note_length": len(TIMES) + 1,
}
"""Ranges are counted in threes of semitones, to 87; intervals −24 … 24, larger ones as ±24."""

_CLASSES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_STEPS = [f"{step:+d}" if step else "0" for step in range(-CLIP, CLIP + 1)]
_NOTES = ["1/32", "1/24", "1/16", "1/12", "1/8", "1/6", "3/16", "1/4", "3/8", "1/2", "3/4", "1"]
_TIMES = [*_NOTES, "longer"]
LABELS = {
    "note_count": ("notes, under", [*(f"{edge:.0f}" for edge in COUNTS), "more"]),
    "pitch_class": ("pitch class", list(_CLASSES)),
    "pitch_class_transition": ("from, to", [f"{a} {b}" for a in _CLASSES for b in _CLASSES]),
    "pitch_range": ("semitones", [f"{3 * n}" for n in range(BINS["pitch_range"])]),
    "interval": ("semitones", _STEPS),
    "inter_onset_interval": ("note value", _TIMES),
    "note_length": ("note value", _TIMES),
}
"""Names in a plot: of the axis, and of each bin."""

Sparse = list[list[float]]
"""Pairs [bin, share] of the bins that are not empty."""


def describe(piece: Piece) -> dict[str, Sparse]:
    """Return the histograms of a piece with notes.

    Transitions, intervals and inter-onset intervals are those of each voice's top line, summed. The
    other features are of all notes.
    """
    voices = [sounds(notes) for notes in piece.voices.values()]
    found = [sound for voice in voices for sound in voice]
    steps = [(a, b) for voice in voices for a, b in pairwise(top_line(voice))]
    pitches = np.array([sound.pitch for sound in found])
    lengths = np.array([sound.duration for sound in found])
    bins = {
        "note_count": np.digitize([len(found)], COUNTS),
        "pitch_class": pitches % 12,
        "pitch_class_transition": np.array([a.pitch % 12 * 12 + b.pitch % 12 for a, b in steps]),
        "pitch_range": np.array([min(29, int(np.ptp(pitches)) // 3)]),
        "interval": np.clip([b.pitch - a.pitch for a, b in steps], -CLIP, CLIP) + CLIP,
        "inter_onset_interval": np.searchsorted(TIMES, [b.onset - a.onset for a, b in steps]),
        "note_length": np.searchsorted(TIMES, lengths),
    }
    return {name: _sparse(np.asarray(places, dtype=np.int64)) for name, places in bins.items()}


def _sparse(places: np.ndarray) -> Sparse:
    if not len(places):
        return []
    found, counts = np.unique(places, return_counts=True)
    return [[int(b), float(c) / len(places)] for b, c in zip(found, counts, strict=True)]


def dense(rows: Sequence[Row], order: Sequence[int]) -> dict[str, Floats]:
    """Return [pieces, bins] by feature, with a row of zeros for a piece without the feature."""
    tables = {name: np.zeros((len(order), bins)) for name, bins in BINS.items()}
    for number, i in enumerate(order):
        row = rows[i]
        for name, table in tables.items():
            for place, share in row[name]:
                table[number, int(place)] = share
    return tables


def overlap(p: Floats, q: Floats) -> Floats:
    """Return the overlapping area Σ min(p, q) of distributions [..., bins]; 1 if equal."""
    result: Floats = np.minimum(p, q).sum(axis=-1)
    return result


def js_distance(p: Floats, q: Floats) -> Floats:
    """Return the Jensen–Shannon distance, the square root of the divergence to base 2.

    It is 0 for equal and 1 for disjoint distributions (Lin 1991; Endres & Schindelin 2003).
    """
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(x > 0, x * np.log2(x / m), 0.0).sum(axis=-1) for x in (p, q)]
    result: Floats = np.sqrt(np.maximum(0.0, (parts[0] + parts[1]) / 2))
    return result


def mean_histogram(table: Floats, weights: Floats) -> Floats:
    """Return mean histograms: weights [R, pieces] -> [R, bins], each of sum 1.

    Pieces without the feature do not count.
    """
    total = weights @ table
    result: Floats = total / np.maximum(total.sum(axis=-1, keepdims=True), 1e-300)
    return result
