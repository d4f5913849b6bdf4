"""The metric over folders: its distances, intervals, counts and refusals."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picogen_core import Condensed, Summary, Undefined
from picogen_core.evaluation.scoring import ScoreRequest, score_folder
from picogen_core.score.reading import piece_from_abc
from picogen_core.testing import metric_checks, plugin_checks
from picogen_core.testing.samples import spell
from picogen_metrics import powerlaw
from picogen_metrics.powerlaw_metric import PowerlawMetric, PowerlawOptions
from picogen_metrics.references import REFERENCES

Melodies = list[list[int]]

METRIC = PowerlawMetric(PowerlawOptions(bootstrap=100))


@metric_checks("powerlaw")
def test_the_kit_on_powerlaw(check: Any) -> None:
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


def as_abc(pitches: np.ndarray) -> str:
    """Quarters in C, four a bar; every accidental written."""
    spelt = []
    for pitch in pitches.tolist():
        name = ("C", "^C", "D", "^D", "E", "F", "^F", "G", "^G", "A", "^A", "B")[pitch % 12]
        step = 7 * (pitch // 12 - 1) + "CDEFGAB".index(name[-1])
        spelt.append(("^" if len(name) > 1 else "=") + spell(step))
    bars = ["".join(spelt[i : i + 4]) for i in range(0, len(spelt), 4)]
    return "X:1\nM:4/4\nL:1/4\nK:C\n" + "|\n".join(bars) + "|]\n"


def as_xml(pitches: np.ndarray) -> str:
    names = ("C0", "C1", "D0", "D1", "E0", "F0", "F1", "G0", "G1", "A0", "A1", "B0")
    notes = "".join(
        f"<note><pitch><step>{names[p % 12][0]}</step><alter>{names[p % 12][1]}</alter>"
        f"<octave>{p // 12 - 1}</octave></pitch><duration>1</duration></note>"
        for p in pitches.tolist()
    )
    return f'<score-partwise><part id="P1"><measure>{notes}</measure></part></score-partwise>'


@pytest.mark.parametrize("planted", [0.0, 0.5, 1.0, 1.5])
def test_planted_exponents_come_back_from_files(planted: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(int(10 * planted))
    count = 1024
    for number in range(12):
        spectrum = rng.normal(size=count // 2 + 1) + 1j * rng.normal(size=count // 2 + 1)
        spectrum *= np.maximum(1, np.arange(count // 2 + 1)) ** (-planted / 2)
        spectrum[0] = 0
        x = np.fft.irfft(spectrum, count)
        pitches = np.clip(np.round(64 + 11 * x / x.std()), 21, 108).astype(int)
        xml = number % 2 == 1
        text = as_xml(pitches) if xml else as_abc(pitches)
        (tmp_path / f"{rng.integers(10**6)}.{'musicxml' if xml else 'abc'}").write_text(text)
    report = score_folder(tmp_path, ScoreRequest(["powerlaw"]))
    beta = report.metrics["powerlaw"].values["beta"]
    assert beta.n == 12 and beta.value == pytest.approx(planted, abs=0.05)


def markov(series: Melodies, order: int) -> Melodies:
    """Chains of the tunes' own pitches, of the tunes' lengths and beginnings."""
    rng = random.Random(1)
    after: dict[tuple[int, ...], list[int]] = {}
    for x in series:
        for i in range(len(x) - order):
            after.setdefault(tuple(x[i : i + order]), []).append(x[i + order])
    found = []
    for x in series:
        chain = x[:order]
        while len(chain) < len(x):
            known = after.get(tuple(chain[-order:])) or rng.choice(list(after.values()))
            chain.append(rng.choice(known))
        found.append(chain)
    return found


def test_a_markov_chain_is_between_real_music_and_noise(oneill: Melodies) -> None:
    known = oneill[:100]
    chain = summarise(markov(known, 2), known)
    real = summarise(oneill[100:], known)
    assert distance(chain) == pytest.approx(1.69, abs=0.45)
    assert distance(real) < 0.5 < distance(chain)
    noise = real.values["powerlaw_distance"]
    assert noise.reference is not None and noise.p is not None
    assert 0.15 < noise.reference < 0.5 and noise.p > 0.01
    far = chain.values["powerlaw_distance"].p
    assert far is not None and far < 1e-6


def test_another_genre_is_warned_of(oneill: Melodies) -> None:
    bach = json.loads(REFERENCES["bach"].read_text())["metrics"]["powerlaw"]["condensed"]
    own = rows(oneill[:60])
    warned = METRIC.summarise(own, Condensed(bach), np.random.default_rng(0))
    assert any("another genre" in note and "oneills" in note for note in warned.notes)
    same = METRIC.summarise(own, rows(oneill[100:]), np.random.default_rng(0))
    assert not any("genre" in note for note in same.notes)


def test_pieces_are_told_apart_by_how_odd_they_are(oneill: Melodies) -> None:
    shuffle = shuffled(oneill[:1])
    summary = summarise([*shuffle, *oneill[1:20]], oneill[100:])
    odd = [facts.rank for facts in summary.pieces]
    assert len(odd) == 20 and odd[0] == max(odd) and 0.3 < np.median(odd) < 1.5
    psd, intervals = summary.plots["psd"], summary.plots["intervals"]
    assert len(psd.x) == len(psd.y) == len(psd.reference) == 10
    assert sum(intervals.y) == pytest.approx(1) and len(intervals.x) == 25
    bands = zip(psd.reference_low, psd.reference, psd.reference_high, strict=True)
    assert all(low <= power <= high for low, power, high in bands)
