"""A metric: how far the notes of a voice leap, on average."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from picogen_core import (
    Metric,
    MetricSpec,
    Options,
    Piece,
    ReferenceRows,
    Row,
    Summary,
    Undefined,
    Value,
    hookimpl,
)
from pydantic import Field

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 200


class MyOptions(Options):
    """What `picogen eval --set NAME.OPTION=VALUE` takes."""

    largest: int = Field(12, ge=1, description="Larger leaps count as so many semitones.")


class Leaps(Metric):
    """A mean over pieces, with a 95 % interval of a bootstrap over them."""

    def __init__(self, largest: int) -> None:
        self.largest = largest

    def measure(self, piece: Piece) -> Row:
        """One piece: plain JSON values, which are cached. A piece without a value raises."""
        leaps = [
            min(self.largest, abs(after.pitch - before.pitch))
            for notes in piece.voices.values()
            for before, after in pairwise(notes)
            if before.pitch is not None and after.pitch is not None  # None is a rest
        ]
        if not leaps:
            raise Undefined("it has no two notes in a row")
        return {"leap": sum(leaps) / len(leaps)}

    def summarise(
        self, rows: Sequence[Row], reference: ReferenceRows | None, rng: np.random.Generator
    ) -> Summary:
        """All pieces of a folder. Chance comes from `rng` alone."""
        import numpy as np

        if not rows:
            return Summary({})
        leaps = np.sort([row["leap"] for row in rows])
        drawn = rng.choice(leaps, (RESAMPLES, len(leaps))).mean(1)
        low, high = (float(bound) for bound in np.quantile(drawn, (0.025, 0.975)))
        value = Value(float(leaps.mean()), "semitone", len(leaps), low, high, better="closer")
        return Summary({"mean_leap": value}, headline="mean_leap")


def build(options: MyOptions) -> Metric:
    """Return the metric."""
    return Leaps(options.largest)


@hookimpl
def picogen_metrics() -> Iterator[MetricSpec]:
    """What PiCo-Gen finds."""
    yield MetricSpec(
        name="my-name",
        summary="Mean leap between neighbouring notes.",
        config=lambda: MyOptions,
        build=build,
        unit="semitone",
        better="closer",
    )
