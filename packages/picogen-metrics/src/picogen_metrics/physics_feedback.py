"""Physics by feedback: rewards that pull sampled music toward the training music.

Only here may the target be a value of the corpus. The statistic is that of whole sampled pieces, so
a perfect student has the corpus's value, and its reward has no direction.

Glossary: R pieces per step, K = 23 features phi: ln power in the 10 bins of `powerlaw.PSD_EDGES`,
and the shares of the absolute intervals 0 … 12 semitones (larger ones count as 12).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from picogen_core import ConfigError
from picogen_core.abc.reading.notes import melody, read_notes

from picogen_metrics.physics_options import PhysicsOptions
from picogen_metrics.powerlaw import (
    CLIP,
    PSD_EDGES,
    interval_counts,
    is_usable,
    periodogram,
    psd_profile,
)

Floats = NDArray[np.float64]

BINS = len(PSD_EDGES) - 1
FEATURES = BINS + CLIP + 1
POWER_FLOOR = 1e-6
SPREAD_FLOOR = 1e-3
MIN_PIECES = 20


class PhysicsFeedback:
    """The `Feedback` of mode `feedback`."""

    def __init__(self, options: PhysicsOptions) -> None:
        self.share, self.samples = options.share, options.samples
        self.target = self.spread = np.full(FEATURES, np.nan)

    def prepare(self, pieces: Iterable[str]) -> str:
        """Store mean and standard deviation of the training pieces' features; return a log line."""
        phi = np.array([features(text) for text in pieces]).reshape(-1, FEATURES)
        usable = phi[np.isfinite(phi).any(axis=1)]
        if len(usable) < MIN_PIECES:
            raise ConfigError(
                f"loss 'physics': mode 'feedback' needs {MIN_PIECES} training pieces with a voice "
                f"of 32 notes, and {len(usable)} of {len(phi)} have one. Use another mode."
            )
        self.target, self.spread = mean_and_spread(usable)
        return f"physics feedback: its target is {len(usable)} training pieces."

    def features(self, text: str) -> Floats:
        return features(text)

    def rewards(self, features: Floats) -> Floats:
        return rewards(features, self.target, self.spread)

    def parts(self, features: Floats) -> Mapping[str, float]:
        """Return `gap`: mean square of (mean of the step − target), in spreads of one piece."""
        if not np.isfinite(features).any():
            return {}
        usable = features[np.isfinite(features).any(axis=1)]
        there = np.isfinite(usable)
        means = np.where(there, usable, 0).sum(0) / np.maximum(there.sum(0), 1)
        gaps = ((means - self.target) / self.spread)[there.any(0) & np.isfinite(self.target)]
        return {"gap": float(np.mean(gaps**2))}


def features(text: str) -> Floats:
    """Return the features [K] of a piece, from voices of 32 notes and more than one pitch.

    Power by bin is a mean over voices; intervals are pooled. NaN without such a voice, or for an
    empty bin.
    """
    found = np.full(FEATURES, np.nan)
    voices = [series for series in map(melody, read_notes(text).values()) if is_usable(series)]
    if not voices:
        return found
    profiles = np.array([psd_profile(periodogram(series)) for series in voices])
    there = np.isfinite(profiles)
    filled = there.any(axis=0)
    power = np.where(there, profiles, 0).sum(axis=0)[filled] / there.sum(axis=0)[filled]
    found[:BINS][filled] = np.log(power + POWER_FLOOR)
    signed = np.sum([interval_counts(series) for series in voices], axis=0)
    sizes = signed[CLIP:].copy()
    sizes[1:] += signed[:CLIP][::-1]
    found[BINS:] = sizes / sizes.sum()
    return found


def mean_and_spread(phi: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation over pieces: [R, K] -> [K]; NaN for a missing feature."""
    there = np.isfinite(phi)
    count = np.where(there.any(axis=0), there.sum(axis=0), np.nan)
    mean = np.where(there, phi, 0).sum(axis=0) / count
    variance = np.where(there, (phi - mean) ** 2, 0).sum(axis=0) / count
    return mean, np.maximum(np.sqrt(variance), SPREAD_FLOOR)


def slope(mean: Floats, target: Floats, spread: Floats) -> Floats:
    """Return the gradient of ‖(mean − target)/spread‖² with respect to the mean."""
    return 2 * (mean - target) / spread**2


def rewards(phi: Floats, target: Floats, spread: Floats) -> Floats:
    """Return rewards [R, K] -> [R]: minus the slope at the mean of the *other* pieces, times phi.

    With the piece in the mean, its own square would be in its reward, and REINFORCE would reduce
    the variance of phi. Without it the expected gradient is that of ‖(E phi − target)/spread‖²,
    which is 0 for a perfect student. NaN for a piece without features.
    """
    there = np.isfinite(phi) & np.isfinite(target)
    values = np.where(there, phi, 0.0)
    others = there.sum(axis=0) - there
    mean = (values.sum(axis=0) - values) / np.maximum(others, 1)
    along = slope(mean, target, spread) * (values - target)
    reward = -np.where(there & (others > 0), along, 0.0).sum(axis=1)
    return np.where(there.any(axis=1), reward, np.nan)
