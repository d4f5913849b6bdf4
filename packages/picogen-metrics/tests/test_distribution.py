"""Histograms, their distances, and what real music has against itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from picogen_core import Condensed, Undefined, Value
from picogen_core.score.reading import Piece, piece_from_abc
from picogen_core.testing import metric_checks
from picogen_core.testing.samples import sample_pieces
from picogen_metrics import noise
from picogen_metrics.distribution import BINS, dense, describe, js_distance, overlap
from picogen_metrics.distribution_metric import DistributionMetric, DistributionOptions

METRIC = DistributionMetric(DistributionOptions(bootstrap=50))


@metric_checks("distribution")
def test_the_kit(check: Any) -> None:
    check()


def test_histograms_of_a_piece() -> None:
    found = describe(piece_from_abc("a", "M:4/4\nL:1/4\nK:C\nCDCD|[CE]2z2|\n"))
    assert found["pitch_class"] == [[0, 3 / 6], [2, 2 / 6], [4, 1 / 6]]
    steps = {int(place) - 24: share for place, share in found["interval"]}
    assert steps == {2: 3 / 4, -2: 1 / 4}  # C D C D E, the top of the chord
    assert found["pitch_class_transition"] == [[2, 0.5], [24, 0.25], [28, 0.25]]
    assert found["pitch_range"] == [[1, 1]] and found["note_count"] == [[0, 1]]
    assert found["note_length"] == [[7, 4 / 6], [9, 2 / 6]]  # up to 1 and up to 2 quarters
    assert found["inter_onset_interval"] == [[7, 1]]
    tables = dense([{name: [] for name in BINS}, found], [1, 0])
    assert {name: table.shape for name, table in tables.items()} == {
        name: (2, bins) for name, bins in BINS.items()
    }
    assert all(table.sum(axis=1) == pytest.approx([1, 0]) for table in tables.values())


def test_distances_of_distributions() -> None:
    p, q = np.array([0.5, 0.5, 0]), np.array([0, 0.5, 0.5])
    assert overlap(p, q) == 0.5 and overlap(p, p) == 1
    assert js_distance(p, p) == 0 and js_distance(np.eye(2)[0], np.eye(2)[1]) == 1
    assert js_distance(p, q) == pytest.approx(np.sqrt(0.5))


def rows(pieces: tuple[Piece, ...]) -> list[Any]:
    return [METRIC.measure(piece) for piece in pieces]


def values(own: list[Any], reference: list[Any]) -> Any:
    return METRIC.summarise(own, reference, np.random.default_rng(0)).values


def test_pieces_of_one_kind_are_within_the_noise_and_others_are_not() -> None:
    known, fresh = rows(sample_pieces(60)), rows(sample_pieces(30, seed=1))
    near = values(fresh, known)["mean_js"]
    assert near.p > 0.01 and near.value == pytest.approx(near.reference, abs=0.05)
    high = [piece_from_abc("a", "L:1/8\nK:C\n" + "c'd'e'f' g'a'b'c''|" * n) for n in range(4, 34)]
    far = values(rows(tuple(high)), known)
    assert far["mean_js"].p < 1e-6 and far["mean_js"].value > 0.4
    assert far["interval_overlap"].unit == "%" and far["interval_overlap"].better == "higher"
    assert values(known, known)["mean_js"].value == pytest.approx(0)


def test_a_condensed_reference_compares_as_its_pieces_do() -> None:
    known, own = rows(sample_pieces(60)), rows(sample_pieces(32, seed=1))
    condensed = METRIC.condense(known, np.random.default_rng(0))
    shipped = values(own, Condensed(condensed))
    live = values(own, known)
    assert {name: value.value for name, value in shipped.items()} == pytest.approx(
        {name: value.value for name, value in live.items()}
    )
    assert shipped["mean_js"].reference == pytest.approx(live["mean_js"].reference, rel=0.1)


def test_noise_is_read_between_sizes() -> None:
    rows = [[20.0, 0.4, 0.1], [80.0, 0.2, 0.05]]
    value = noise.with_noise(Value(0.5, "1", 40), rows, 40)
    assert value.reference == pytest.approx(np.sqrt(0.08))
    assert value.p is not None and value.p < 0.01
    assert noise.with_noise(Value(0.4, "1", 5), rows, 5).p == pytest.approx(0.5)
    assert noise.with_noise(Value(0.2, "1", 500), rows, 500).reference == 0.2
    assert noise.with_noise(Value(0.2, "1", 5), None, 5).reference is None


def test_a_piece_without_notes_is_undefined() -> None:
    with pytest.raises(Undefined, match="no notes"):
        METRIC.measure(piece_from_abc("a", "K:C\nz4|"))
