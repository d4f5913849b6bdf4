"""The metric over folders: its distances, intervals, counts and refusals."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from picogen_core import Summary, Undefined
from picogen_core.pieces import piece_from_abc
from picogen_core.testing import metric_checks, plugin_checks
from picogen_metrics import powerlaw
from picogen_metrics.powerlaw_metric import PowerlawMetric, PowerlawOptions

Melodies = list[list[int]]

METRIC = PowerlawMetric(PowerlawOptions(bootstrap=100))


@metric_checks("powerlaw")
def test_the_kit_on_powerlaw(check: Any) -> None:
    check()


@metric_checks("musicality")
def test_the_kit_on_musicality(check: Any) -> None:
    check()


@plugin_checks("picogen-metrics")
def test_the_kit_on_the_plugin(check: Any) -> None:
    check()


def rows(series: Melodies) -> list[dict[str, Any]]:
    return [{"series": [x], "rep": [powerlaw.self_repetition(x)]} for x in series]


def summarise(series: Melodies, reference: Melodies | None = None, seed: int = 0) -> Summary:
    known = None if reference is None else rows(reference)
    return METRIC.summarise(rows(series), known, np.random.default_rng(seed))


def shuffled(series: Melodies) -> Melodies:
    rng = random.Random(0)
    return [rng.sample(x, len(x)) for x in series]


def walks(series: Melodies) -> Melodies:
    """Random walks of the tunes' own steps and lengths."""
    rng = np.random.default_rng(0)
    steps = np.concatenate([np.diff(x) for x in series])
    return [(60 + np.cumsum(rng.choice(steps, len(x)))).tolist() for x in series]


def distance(summary: Summary) -> float:
    return summary.values["powerlaw_distance"].value


def test_real_tunes_are_near_real_tunes_and_noise_is_far(oneill: Melodies) -> None:
    known, tunes = oneill[:100], oneill[100:]
    assert distance(summarise(tunes, known)) == pytest.approx(0.36, abs=0.08)
    assert distance(summarise(walks(known), known)) == pytest.approx(2.7, abs=0.4)
    assert distance(summarise(shuffled(tunes), known)) == pytest.approx(13.6, abs=1)
    assert distance(summarise(known, known)) == 0


def test_values_carry_interval_count_unit_and_reference(oneill: Melodies) -> None:
    summary = summarise(oneill[100:], oneill[:100])
    beta, known = summary.values["beta"], summarise(oneill[:100]).values["beta"]
    assert beta.low is not None and beta.high is not None
    assert beta.low < beta.value < beta.high
    assert beta.high - beta.low == pytest.approx(0.13, abs=0.05)
    assert (beta.n, beta.better, beta.reference) == (100, "closer", known.value)
    assert known.better is None and known.reference is None
    far = summary.values["powerlaw_distance"]
    assert far.low is not None and far.high is not None
    assert far.low <= far.value <= far.high and far.better == "lower"
    units = {name: value.unit for name, value in summary.values.items()}
    assert (
        units["psd_db"] == "dB" and units["interval_js"] == "mbit" and units["n_short"] == "voices"
    )
    assert summary.headline == "powerlaw_distance" and not summary.notes
    assert summary.values["pink_gap"].value == pytest.approx(beta.value - 1)
    bands = [summary.values[name].value for name in ("beta_low", "beta", "beta_high")]
    assert bands == sorted(bands)
    assert [name for name in units if name.startswith("psd_")][:10] == [
        f"psd_{number:02d}" for number in range(1, 11)
    ]


def test_names_and_order_change_nothing_not_even_intervals(oneill: Melodies) -> None:
    series = oneill[:40]
    forwards = summarise(series, oneill[100:])
    backwards = summarise(series[::-1], oneill[:99:-1])
    assert forwards.values == backwards.values and forwards.plots == backwards.plots
    assert forwards.pieces == backwards.pieces[::-1]
    assert summarise(series).values["beta"].low != summarise(series, seed=1).values["beta"].low


def test_few_pieces_are_warned_of_and_fewer_are_refused(oneill: Melodies) -> None:
    reference = oneill[100:]
    warned = summarise(oneill[:30], reference)
    assert "the scores have 30 usable pieces: under 50" in warned.notes[0]
    assert "powerlaw_distance" in warned.values
    refused = summarise(oneill[:19], reference)
    assert "powerlaw_distance is undefined: the scores have 19 usable" in refused.notes[0]
    assert "powerlaw_distance" not in refused.values and "psd_db" in refused.values
    assert refused.headline == "beta"
    assert "the reference have 19" in summarise(reference, oneill[:19]).notes[0]


def test_short_and_constant_voices_are_counted(oneill: Melodies) -> None:
    short = [60, 62] * 15
    mixed = [
        *rows(oneill[:3]),
        {"series": [short, oneill[3]], "rep": [None, 0.1]},
        {"series": [[60] * 100], "rep": [None]},
    ]
    summary = METRIC.summarise(mixed, None, np.random.default_rng(0))
    assert (summary.values["n_short"].value, summary.values["n_short"].n) == (2, 6)
    assert summary.unused == {"no voice of 32 notes and more than one pitch": 1}
    assert summary.values["beta"].n == 4
    nothing = METRIC.summarise(rows([short]), None, np.random.default_rng(0))
    assert list(nothing.values) == ["n_short"] and nothing.headline is None and nothing.notes


def test_one_piece_has_values_and_no_intervals(oneill: Melodies) -> None:
    beta = summarise(oneill[:1]).values["beta"]
    assert beta.low is None and beta.high is None and beta.n == 1


def test_a_row_keeps_the_series_and_a_beta_of_its_own() -> None:
    scale = "CDEF GABc dcBA GFED|" * 4
    row = METRIC.measure(
        piece_from_abc("a", f"X:1\nL:1/8\nK:C\n[V:1]{scale}|\n[V:2]C4-|C4|z|[CE]|\n")
    )
    assert json.loads(json.dumps(row)) == row
    assert [len(x) for x in row["series"]] == [64, 2]
    assert row["series"][1] == [60, 64]
    assert row["beta"] is not None and row["beta_se"] == pytest.approx(0.18, abs=0.05)
    assert row["rep"][1] is None and row["rep"][0] > 0.3
    brief = METRIC.measure(piece_from_abc("a", "X:1\nL:1/8\nK:C\n" + "CDEF GABc|" * 5))
    assert brief["beta"] is None and brief["rep"][0] is not None
    with pytest.raises(Undefined, match="no notes"):
        METRIC.measure(piece_from_abc("a", "X:1\nK:C\nz4|"))
