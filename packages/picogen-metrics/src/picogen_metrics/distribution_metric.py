"""The metric `distribution`: the folder's distribution of each feature beside the reference's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from picogen_core import Condensed, Metric, Options, ReferenceRows, Row, Summary, Undefined, Value
from picogen_core.evaluation.summaries import Plot
from picogen_core.score.reading import Piece
from pydantic import Field

from picogen_metrics import noise
from picogen_metrics.distribution import (
    LABELS,
    dense,
    describe,
    js_distance,
    mean_histogram,
    overlap,
)
from picogen_metrics.means import in_order, resample
from picogen_metrics.powerlaw import Floats

_JS = "{}_js"
_HEADLINE = "mean_js"


class DistributionOptions(Options):
    bootstrap: int = Field(200, ge=20, description="Resamples of the pieces behind an interval.")


class DistributionMetric(Metric):
    """Similarity of the mean histograms of `picogen_metrics.distribution` to the reference's.

    `_overlap` is the overlapping area (higher is better), `_js` the Jensen–Shannon distance (lower
    is better), `mean_js` the mean distance. `reference` has the values of folders of as many pieces
    drawn from the reference. Only distances are tested against it, since both agree. `plots` has
    the histograms.
    """

    def __init__(self, options: DistributionOptions) -> None:
        self.options = options

    def measure(self, piece: Piece) -> Row:
        """Return the histograms. Raises `Undefined` for a piece without notes."""
        if not any(note.pitch is not None for notes in piece.voices.values() for note in notes):
            raise Undefined("no notes")
        return describe(piece)

    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        """Return values with 95 % bootstrap intervals over pieces, corrected for their bias."""
        if not rows or not reference:
            return Summary({}, notes=["no piece to compare"])
        if isinstance(reference, Condensed):
            known = reference.numbers
        else:
            known = self._condense(reference, rng, (len(rows),))
        tables = dense(rows, in_order(rows))
        weights = resample(len(rows), self.options.bootstrap, rng)
        one = np.ones((1, len(rows)))
        values: dict[str, Value] = {}
        whole: list[float] = []
        drawn: list[Floats] = []
        plots: dict[str, Plot] = {}
        for name, table in tables.items():
            count = int((table.sum(axis=1) > 0).sum())
            target = np.array(known["histograms"][name])
            if not count or not target.any():
                continue
            mean, draws = mean_histogram(table, one), mean_histogram(table, weights)
            plots[name] = Plot(
                title=name.replace("_", " ").capitalize(),
                x_label=LABELS[name][0],
                y_label="share",
                x=LABELS[name][1],
                y=mean[0].tolist(),
                reference=target.tolist(),
            )
            whole.append(float(js_distance(mean, target)[0]))
            drawn.append(js_distance(draws, target))
            area = float(overlap(mean, target)[0])
            low, high = _ends(area, overlap(draws, target), len(rows))
            values[f"{name}_overlap"] = Value(100 * area, "%", count, low, high, "higher")
            values[_JS.format(name)] = self._distance(
                whole[-1], drawn[-1], count, known["noise"].get(name)
            )
        if not whole:
            return Summary({}, notes=["the reference has none of the features"])
        average = np.mean(drawn, axis=0)
        mean_js = self._distance(
            float(np.mean(whole)), average, len(rows), known["noise"].get(_HEADLINE)
        )
        return Summary({_HEADLINE: mean_js, **values}, headline=_HEADLINE, plots=plots)

    def condense(self, rows: Sequence[Row], rng: np.random.Generator) -> Mapping[str, Any]:
        """Return mean histograms, and the distances of folders drawn from them."""
        return self._condense(rows, rng, noise.SIZES)

    def _condense(
        self, rows: Sequence[Row], rng: np.random.Generator, sizes: Sequence[int]
    ) -> dict[str, Any]:
        tables = dense(rows, in_order(rows))
        one = np.ones((1, len(rows)))
        means = {name: mean_histogram(table, one)[0] for name, table in tables.items()}

        def distances(folders: Floats, references: Floats) -> dict[str, Floats]:
            found = {
                name: js_distance(mean_histogram(table, folders), mean_histogram(table, references))
                for name, table in tables.items()
                if means[name].any()
            }
            return {**found, _HEADLINE: np.mean(list(found.values()), axis=0)}

        return {
            "histograms": {name: mean.tolist() for name, mean in means.items()},
            "noise": noise.table(distances, len(rows), sizes, rng),
        }

    def _distance(
        self, value: float, draws: Floats, count: int, rows: list[list[float]] | None
    ) -> Value:
        low, high = _ends(value, draws, count)
        found = Value(value, "1", count, better="lower")
        if low is not None and high is not None:
            found = replace(found, low=low / 100, high=high / 100)
        return noise.with_noise(found, rows, count)


def _ends(value: float, draws: Floats, count: int) -> tuple[float | None, float | None]:
    """Return the middle 95 % of resamples in percent, shifted so that their median is the value.

    A distance grows when its folder is resampled.
    """
    if count < 2:
        return None, None
    low, high = np.percentile(draws + value - np.median(draws), [2.5, 97.5])
    return 100 * max(0.0, float(low)), 100 * float(high)
