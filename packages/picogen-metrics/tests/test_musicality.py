"""Each statistic of `musicality` against a value worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from picogen_core import Undefined
from picogen_core.score.reading import piece_from_abc
from picogen_core.testing import metric_checks
from picogen_metrics.musicality import describe, dissonance_share, entropy, key_clarity
from picogen_metrics.musicality_metric import MusicalityMetric, MusicalityOptions
from picogen_metrics.sounds import TICKS, Sound

HEAD = "X:1\nM:4/4\nL:1/4\nK:C\n"
METRIC = MusicalityMetric(MusicalityOptions())


@metric_checks("musicality")
def test_the_kit(check: Any) -> None:
    check()


def of(body: str) -> dict[str, float | None]:
    return describe(piece_from_abc("a", HEAD + body))


def test_entropies_range_and_density() -> None:
    found = of("CCEG|CCEG|c2 c2|")
    assert found["pitch_entropy"] == pytest.approx(entropy("ccegccegCC"))
    p = [0.6, 0.2, 0.2]  # C of both octaves, E, G
    assert found["pitch_class_entropy"] == pytest.approx(-sum(x * math.log2(x) for x in p))
    assert found["rhythm_entropy"] == pytest.approx(entropy([1] * 8 + [2] * 2))
    assert found["pitch_range"] == 12
    assert found["notes_per_quarter"] == pytest.approx(10 / 12)
    assert found["notes_per_bar"] == pytest.approx(10 / 3)


def test_tied_notes_are_one_and_rests_none() -> None:
    found = of("C4-|C2 z2|D4|E4|")
    assert found["notes_per_bar"] == 3 / 4
    assert found["rhythm_entropy"] == pytest.approx(entropy([6, 4, 4]))


def test_variety_counts_different_ngrams() -> None:
    found = of("CDCD|CDCD|CDEF|")
    assert found["distinct_1"] == 4 / 12
    assert found["distinct_2"] == 4 / 11  # CD DC DE EF
    assert found["distinct_bars_1"] == 2 / 3
    assert found["distinct_bars_2"] == 1
    assert found["distinct_bars_4"] is None


def test_self_similarity_is_the_overlap_of_bars_apart() -> None:
    found = of("CDEF|GABc|CDEF|GABG|")
    assert found["self_similarity_1"] == 0
    assert found["self_similarity_2"] == pytest.approx((1 + 3 / 5) / 2)
    assert found["self_similarity_8"] is None


def test_key_clarity_is_one_for_a_key_profile_itself() -> None:
    profile = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
    minor = [Sound(0, int(100 * v), 62 + i) for i, v in enumerate(profile)]  # D minor
    assert key_clarity(minor) == pytest.approx(1)
    assert key_clarity([Sound(0, 1, pitch) for pitch in range(60, 72)]) is None
    scale = key_clarity([Sound(0, 1, pitch) for pitch in (60, 62, 64, 65, 67, 69, 71)])
    assert scale is not None and scale > 0.7


def test_dissonance_is_weighed_by_the_time_it_sounds() -> None:
    third, second = [Sound(0, 3, 60), Sound(0, 3, 64)], [Sound(3, 1, 60), Sound(3, 1, 62)]
    assert dissonance_share(third) == 0
    assert dissonance_share(third + second) == pytest.approx(1 / 4)
    # One note held against two others in turn; fourths are consonant, sevenths are not.
    assert dissonance_share([Sound(0, 4, 60), Sound(0, 2, 65), Sound(2, 2, 70)]) == pytest.approx(
        1 / 2
    )
    assert dissonance_share([Sound(0, 1, 60), Sound(1, 1, 61)]) is None
    assert of("[V:1]C4|[V:2]D4|")["dissonance_share"] == 1


def test_ticks_divide_the_usual_notes() -> None:
    assert all(TICKS * 4 % n == 0 for n in (64, 96, 48, 80, 112))


def test_a_folder_leaves_out_what_a_piece_lacks() -> None:
    rows = [
        METRIC.measure(piece_from_abc(name, HEAD + body))
        for name, body in (("a", "[V:1]CDEF|[V:2]EFGA|"), ("b", "CDEF|GABc|"))
    ]
    values = METRIC.summarise(rows, None, np.random.default_rng(0)).values
    assert values["dissonance_share"].n == 1 and values["pitch_range"].n == 2
    assert values["pitch_range"].value == (9 + 12) / 2
    assert values["distinct_1"].unit == "%"
    with pytest.raises(Undefined, match="fewer than 8 notes"):
        METRIC.measure(piece_from_abc("c", HEAD + "CDEFGAB|"))


def test_the_matrix_of_a_piece_for_a_report() -> None:
    figures = METRIC.figures(piece_from_abc("a", HEAD + "CDEF|z4|CDEF|"))
    assert figures["self_similarity"].cells == [[1, 0, 1], [0, None, 0], [1, 0, 1]]
