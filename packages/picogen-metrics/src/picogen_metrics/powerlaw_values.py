"""The values and plots of `powerlaw`, each with its interval and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from picogen_core import Value
from picogen_core.evaluation.summaries import Plot

from picogen_metrics import noise, powerlaw
from picogen_metrics.powerlaw import Floats
from picogen_metrics.powerlaw_folder import Statistics, finite, psd_ends
from picogen_metrics.powerlaw_reference import Known, compare, numbers


def own_values(found: Statistics, known: Known | None) -> dict[str, Value]:
    """Return the folder's own values, with the reference's as targets."""
    count = len(found.sums)
    better: Any = "closer" if known is not None else None
    values = {}
    for name, beta in found.beta.items():
        target = None if known is None else known["beta"].get(name)
        ends = _interval(found.resampled.get(name))
        values[name] = Value(beta, "1", count, *ends, better, target)
    if "beta" in found.beta:
        values["pink_gap"] = Value(abs(found.beta["beta"] - 1), "1", count)
    for number, power in enumerate(found.psd, 1):
        if np.isfinite(power):
            ends = _interval(_column(found.resampled.get("psd"), number - 1))
            target = None if known is None else known["psd"][number - 1]
            name = f"psd_{number:02d}"
            value = Value(float(power), "1", count, *ends, better, target)
            values[name] = replace(value, detail=True)
    rate = powerlaw.interval_lambda(found.leap)
    if rate is not None:
        rates = [powerlaw.interval_lambda(leap) for leap in found.resampled.get("leap", ())]
        ends = _interval(np.array([r for r in rates if r is not None]))
        target = None if known is None else _rate(known["leap"])
        values["lambda_int"] = Value(rate, "1", count, *ends, better, target)
    if np.isfinite(found.rep):
        defined = int((found.sums.rep[:, 1] > 0).sum())
        ends = _interval(found.resampled.get("rep"))
        target = None if known is None else known["rep"]
        values["rep"] = Value(found.rep, "1", defined, *ends, better, target)
    return values


def _rate(leap: float | None) -> float | None:
    return None if leap is None else powerlaw.interval_lambda(leap)


def compared_values(found: Statistics, known: Known) -> dict[str, Value]:
    """Return distances to the reference; only the folder is resampled."""
    count, drawn = len(found.sums), found.resampled
    units = {"psd_db": "dB", "interval_js": "mbit", "powerlaw_distance": "1"}
    target = numbers(known)
    distances = compare(found.numbers(), target)
    draws: Mapping[str, Floats] = {}
    if drawn and "beta" in drawn:
        resampled = drawn["beta"], drawn["psd"], drawn["intervals"], drawn["rep"]
        draws = compare(resampled, target)
    values = {}
    for name, unit in units.items():
        number = float(distances[name][0])
        if np.isfinite(number):
            ends = _centred(number, draws.get(name))
            value = Value(number, unit, count, *ends, "lower")
            values[name] = noise.with_noise(value, known["noise"].get(name), count)
    return values


def plots(found: Statistics, known: Known | None) -> dict[str, Plot]:
    """Return the spectrum and the intervals of the folder, with the reference's."""
    counts = found.intervals / max(1.0, found.intervals.sum())
    low, high = psd_ends(found.resampled["psd"]) if found.resampled else ([], [])
    edges = powerlaw.PSD_EDGES
    psd = Plot(
        title="Pitch spectrum",
        x_label="cycles per note",
        y_label="mean power",
        x=np.sqrt(edges[1:] * edges[:-1]).tolist(),
        y=[finite(power) for power in found.psd],
        low=low,
        high=high,
        log=True,
    )
    steps = [f"{step:+d}" if step else "0" for step in range(-powerlaw.CLIP, powerlaw.CLIP + 1)]
    intervals = Plot("Melodic intervals", "semitones", "share", steps, counts.tolist())
    if known is not None:
        shares = np.array(known["intervals"]) / max(1.0, sum(known["intervals"]))
        psd = replace(
            psd,
            reference=known["psd"],
            reference_low=known["psd_low"],
            reference_high=known["psd_high"],
        )
        intervals = replace(intervals, reference=shares.tolist())
    return {"psd": psd, "intervals": intervals}


Ends = tuple[float | None, float | None]


def _interval(draws: Floats | None) -> Ends:
    """Return the middle 95 % of resamples."""
    if draws is None or not np.isfinite(draws).any():
        return None, None
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(low), float(high)


def _centred(value: float, draws: Floats | None) -> Ends:
    """Return `_interval`, shifted by the bias of the median under resampling.

    A distance grows when its folder is resampled, so the plain percentiles may miss the value.
    """
    low, high = _interval(draws)
    if draws is None or low is None or high is None:
        return None, None
    shift = value - float(np.nanmedian(draws))
    return max(0.0, low + shift), high + shift


def _column(table: Floats | None, column: int) -> Floats | None:
    return None if table is None else table[:, column]
