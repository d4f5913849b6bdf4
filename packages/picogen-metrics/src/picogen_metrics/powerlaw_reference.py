"""The reference of `powerlaw`: numbers of a whole folder of real music, and its noise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from picogen_metrics import folder, noise, powerlaw
from picogen_metrics.means import resample
from picogen_metrics.powerlaw import Floats
from picogen_metrics.powerlaw_folder import Numbers, describe_folder, finite, psd_ends
from picogen_metrics.references import REFERENCES

WARN_PIECES, MIN_PIECES = 50, 20
"""At 20 pieces real music is 0.74 away from real music, at 4 pieces 2.06."""
MARKOV = 1.69
"""Distance of a second-order Markov chain of O'Neill's tunes to them."""

Known = Mapping[str, Any]
"""pieces, beta by band, psd [10] (None where empty), its 95 % interval psd_low and psd_high,
intervals [25], leap, rep; noise, see
`picogen_metrics.noise`; oddness: name -> [mean, standard deviation] over pieces."""


def condense(
    pieces: Sequence[folder.Voices], sizes: Sequence[int], rng: np.random.Generator
) -> dict[str, Any]:
    """Return `Known` of pieces, each with a usable voice."""
    own = describe_folder(pieces)
    sums = own.sums
    # With its own generator, so that the noise below does not depend on it.
    weights = resample(len(sums), noise.DRAWS, rng.spawn(1)[0])
    low, high = psd_ends(folder.mean_psd(sums, weights))
    found: dict[str, Any] = {
        "pieces": len(pieces),
        "beta": own.beta,
        "psd": [finite(power) for power in own.psd],
        "psd_low": low,
        "psd_high": high,
        "intervals": own.intervals.tolist(),
        "leap": finite(own.leap),
        "rep": finite(own.rep),
        "oddness": own.spread,
    }

    def drawn(weights: Floats) -> Numbers:
        return (
            folder.grid_beta(sums, weights, "beta"),
            folder.mean_psd(sums, weights),
            weights @ sums.intervals,
            folder.mean_rep(sums, weights),
        )

    def distances(folders: Floats, references: Floats) -> dict[str, Floats]:
        return compare(drawn(folders), drawn(references))

    noises = noise.table(distances, len(pieces), sizes, rng) if "beta" in found["beta"] else {}
    return {**found, "noise": noises}


def numbers(known: Known) -> Numbers:
    """Return a condensed reference as one folder, nan where it is undefined."""
    psd = [np.nan if power is None else power for power in known["psd"]]
    rep = np.nan if known["rep"] is None else known["rep"]
    beta = known["beta"].get("beta", np.nan)
    return np.array([beta]), np.array([psd]), np.array([known["intervals"]]), np.array([rep])


def compare(own: Numbers, known: Numbers) -> dict[str, Floats]:
    """Return psd_db, interval_js, powerlaw_distance [R] of R folders from R references, or one."""
    beta, psd, intervals, rep = own
    known_beta, known_psd, known_intervals, known_rep = known
    psd_db = powerlaw.psd_difference(psd, known_psd)
    pairs = zip(intervals, np.broadcast_to(known_intervals, intervals.shape), strict=True)
    js = np.array([powerlaw.interval_js(one, other) for one, other in pairs])
    total = powerlaw.distance(beta - known_beta, psd_db, js, rep - known_rep)
    return {"psd_db": psd_db, "interval_js": js, "powerlaw_distance": total}


def genre_notes(total: float, known: Known, own: Numbers) -> list[str]:
    """Return a warning if the distance suggests that the reference is of another genre."""
    notes = []
    rows = known["noise"].get("powerlaw_distance")
    usual = rows[0][1] + 3 * rows[0][2] if rows else 0.0
    if total <= usual:
        return []
    nearest = (
        min(
            (float(compare(own, numbers(other))["powerlaw_distance"][0]), name)
            for name, other in _shipped().items()
        )
        if _shipped()
        else (np.inf, "")
    )
    if nearest[0] < total / 2:
        notes.append(
            f"the reference may be of another genre: the pieces are {total:.2f} from it and "
            f"{nearest[0]:.2f} from the shipped {nearest[1]!r}"
        )
    elif total > MARKOV:
        notes.append(
            f"powerlaw_distance {total:.2f} is more than a Markov chain's {MARKOV}: this is not "
            "like the reference, or the reference is of another genre"
        )
    return notes


def size_notes(count: int, known: int) -> list[str]:
    """Return warnings about the distance if there are few pieces."""
    notes = []
    for pieces, what in ((count, "scores"), (known, "reference")):
        if pieces < MIN_PIECES:
            notes.append(
                f"powerlaw_distance is undefined: the {what} have {pieces} usable pieces, it needs "
                f"{MIN_PIECES}, better {WARN_PIECES}"
            )
        elif pieces < WARN_PIECES:
            notes.append(
                f"the {what} have {pieces} usable pieces: under {WARN_PIECES}, even real music is "
                "some 0.7 away from real music"
            )
    return notes


@cache
def _shipped() -> dict[str, Known]:
    files = {name: json.loads(file.read_text("utf-8")) for name, file in REFERENCES.items()}
    return {name: data["metrics"]["powerlaw"]["condensed"] for name, data in files.items()}
