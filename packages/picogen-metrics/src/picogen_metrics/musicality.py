"""Statistics of one piece from the literature, each defined once.

Glossary: H the Shannon entropy −Σ p log2 p in bit. All are plug-in estimates, which are biased
downwards for short pieces, so compare pieces of similar length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations

import numpy as np
from picogen_core.score.reading import Piece

from picogen_metrics.sounds import TICKS, Sound, bar_of, bar_starts, sounds

LAGS = (1, 2, 4, 8)
GRAMS = (1, 2, 3, 4)

# Probe-tone ratings of C major and C minor (Krumhansl & Kessler 1982; Krumhansl 1990, table 2.1).
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_KEYS = np.array([np.roll(profile, tonic) for profile in (_MAJOR, _MINOR) for tonic in range(12)])
DISSONANT = frozenset({1, 2, 6})
"""Interval classes of seconds, sevenths and the tritone."""

BarContent = frozenset[tuple[int, int, int]]
"""Onsets in a bar: voice, ticks after its start, pitch."""


def entropy(tokens: Iterable[Hashable]) -> float:
    """Return H of the frequencies of tokens, in bit."""
    counts = np.array(list(Counter(tokens).values()), dtype=float)
    p = counts / counts.sum()
    return float(abs(-(p * np.log2(p)).sum()))


def distinct(series: Iterable[Sequence[Hashable]], n: int) -> float | None:
    """Return different n-grams ÷ n-grams, of all series together (Li et al. 2016, distinct-n)."""
    grams = [tuple(tokens[i : i + n]) for tokens in series for i in range(len(tokens) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None


def key_clarity(found: Iterable[Sound]) -> float | None:
    """Return the largest Pearson correlation of pitch classes with the 24 key profiles.

    Pitch classes are weighted by duration (Krumhansl 1990, ch. 4). None if all twelve last equally
    long.
    """
    heard = np.bincount(
        [s.pitch % 12 for s in found], weights=[s.duration for s in found], minlength=12
    )
    if np.ptp(heard) == 0:
        return None
    return float(np.corrcoef(heard, _KEYS)[0, 1:].max())


def dissonance_share(found: Iterable[Sound]) -> float | None:
    """Return the share of dissonant pairs among simultaneous notes, weighted by time.

    Dissonances are interval classes 1, 2 and 6, not the fourth. None without simultaneous notes.
    """
    changes = sorted(
        change
        for s in found
        for change in ((s.onset, 1, s.pitch), (s.onset + s.duration, 0, s.pitch))
    )
    active: Counter[int] = Counter()
    together = harsh = before = 0
    for time, begins, pitch in changes:
        if time > before and active.total() > 1:
            pairs = list(combinations(active.elements(), 2))
            dissonant = sum(min((a - b) % 12, (b - a) % 12) in DISSONANT for a, b in pairs)
            together += (time - before) * len(pairs)
            harsh += (time - before) * dissonant
        before = time
        active[pitch] += 1 if begins else -1
    return harsh / together if together else None


def bar_contents(piece: Piece) -> list[BarContent]:
    """Return the onsets of each bar; [] if the piece has no barlines."""
    starts = bar_starts(piece)
    if not starts:
        return []
    bars: list[set[tuple[int, int, int]]] = [set() for _ in starts]
    for voice, notes in enumerate(piece.voices.values()):
        for sound in sounds(notes):
            bar = bar_of(starts, sound.onset)
            bars[bar].add((voice, sound.onset - starts[bar], sound.pitch))
    return [frozenset(bar) for bar in bars]


def similarity(one: BarContent, other: BarContent) -> float | None:
    """Return the Jaccard index |A ∩ B| ÷ |A ∪ B| of two bars' onsets; None if both are empty."""
    union = len(one | other)
    return len(one & other) / union if union else None


def self_similarity(bars: Sequence[BarContent], lag: int) -> float | None:
    """Return the mean similarity of bars at distance `lag`: 1 if they return unchanged."""
    pairs = (similarity(a, b) for a, b in zip(bars, bars[lag:], strict=False))
    known = [value for value in pairs if value is not None]
    return sum(known) / len(known) if known else None


def describe(piece: Piece) -> dict[str, float | None]:
    """Return all statistics of a piece with notes; None for undefined ones."""
    voices = [sounds(notes) for notes in piece.voices.values()]
    found = [sound for voice in voices for sound in voice]
    pitches = [sound.pitch for sound in found]
    end = max(sound.onset + sound.duration for sound in found)
    bars = bar_contents(piece)
    melodies = [[(sound.pitch, sound.duration) for sound in voice] for voice in voices]
    return {
        "pitch_entropy": entropy(pitches),
        "pitch_class_entropy": entropy(pitch % 12 for pitch in pitches),
        "rhythm_entropy": entropy(sound.duration for sound in found),
        "pitch_range": float(max(pitches) - min(pitches)),
        "notes_per_quarter": len(found) * TICKS / end if end else None,
        "notes_per_bar": len(found) / len(bars) if bars else None,
        **{f"distinct_{n}": distinct(melodies, n) for n in GRAMS},
        **{f"distinct_bars_{n}": distinct([bars], n) for n in GRAMS},
        **{f"self_similarity_{lag}": self_similarity(bars, lag) for lag in LAGS},
        "key_clarity": key_clarity(found),
        "dissonance_share": dissonance_share(found),
    }
