"""Each value of `counterpoint` against a count by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from picogen_core import Undefined
from picogen_core.score.reading import piece_from_abc
from picogen_core.testing import metric_checks
from picogen_metrics.counterpoint import Counterpoint, count
from picogen_metrics.counterpoint_metric import CounterpointMetric, CounterpointOptions

METRIC = CounterpointMetric(CounterpointOptions())


@metric_checks("counterpoint")
def test_the_kit(check: Any) -> None:
    check()


def counted(*voices: str) -> Counterpoint:
    head = "M:4/4\nL:1/4\nK:C\n" + "".join(f"V:{i}\n" for i in range(1, len(voices) + 1))
    body = "".join(f"[V:{i}]{voice}|" for i, voice in enumerate(voices, 1))
    found = count(piece_from_abc("a", head + body + "\n"))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("voices", "expected"),
    [
        # C-G, D-A, E-B, F-c: three steps in parallel fifths.
        (("GABc", "CDEF"), {"changes": 3, "fifths": 3, "octaves": 0}),
        (("gabc'", "CDEF"), {"fifths": 3, "octaves": 0}),  # twelfths are fifths
        (("GGGG", "CCCC"), {"changes": 0, "fifths": 0}),  # a repeated chord moves nowhere
        (("GGAA", "CCDD"), {"changes": 1, "fifths": 1}),
        (("GFGA", "CDCD"), {"changes": 3, "fifths": 1}),  # fifth, third, fifth, fifth
        (("GdGA", "CG,CD"), {"fifths": 1}),  # contrary motion twice, then C-G to D-A
        (("EFg'a'", "A_BCD"), {"fifths": 1}),  # crossed, E-A and F-_B are fourths; then C-g', D-a'
        (("cBcd", "FFGA"), {"fifths": 0}),  # F-B is a tritone, G-c a fourth
        (("EFGz", "CDEF"), {"changes": 2, "fifths": 0}),  # a voice that rests does not move
        (("G2A2", "CDDD"), {"changes": 2, "fifths": 0}),  # C-G, D-G, D-A: not together
        # Fifth, octave, octave, tenth: octaves once.
        (("Gcdg", "CCDE"), {"octaves": 1, "fifths": 0}),
        # Two that double each other all along are one voice.
        (("cdef", "CDEF"), {"octaves": 0}),
        (("G4", "CDEF"), {"changes": 3, "dissonant": 1, "sonorities": 4}),  # F-G alone
        (("F4", "C4"), {"dissonant": 0, "sonorities": 1}),  # a fourth is none
        (("c^cdB", "C4"), {"dissonant": 3}),  # octave, then a ninth, a ninth and a seventh
        (("GFEF", "A,B,CD"), {"dissonant": 2}),  # A,-G is a seventh, B,-F a tritone
    ],
)
def test_what_is_counted(voices: tuple[str, ...], expected: Mapping[str, int]) -> None:
    found = counted(*voices)
    assert {name: getattr(found, name) for name in expected} == expected


def test_voices_cross_whatever_their_order_in_the_file() -> None:
    soprano, alto = "gfec", "efgG"  # the third alto lies above; the second is a unison
    for voices in ((soprano, alto, "C4"), (alto, "C4", soprano)):
        found = counted(*voices)
        assert (found.sonorities, found.crossed) == (4, 1)


def test_pairs_of_four_voices_are_counted_each() -> None:
    found = counted("cd2z", "GA2z", "EF2z", "CD2z")
    # One step: C-G to D-A between bass and alto, octaves between bass and soprano.
    assert (found.changes, found.fifths) == (1, 1)
    assert found.octaves == 0  # soprano and bass are in octaves in all that they sound


def test_a_folder_sums_over_its_pieces() -> None:
    head = "M:4/4\nL:1/4\nK:C\nV:1\nV:2\n"
    one = METRIC.measure(piece_from_abc("a", head + "[V:1]GABc|[V:2]CDEF|\n"))
    other = METRIC.measure(piece_from_abc("b", head + "[V:1]E4|[V:2]C4|\n"))
    third = METRIC.measure(piece_from_abc("c", head + "[V:1]EGEG|[V:2]C4|\n"))
    summary = METRIC.summarise([one, other, third], None, np.random.default_rng(0))
    value = summary.values["parallel_fifths"]
    assert (value.value, value.n, value.unit) == (50, 6, "per 100 changes")  # 3 of 6 changes
    assert summary.values["dissonant_sonorities"].value == 0
    assert summary.usual == "bach"


def test_one_voice_and_orchestras_have_no_counterpoint() -> None:
    with pytest.raises(Undefined, match="no two voices"):
        METRIC.measure(piece_from_abc("a", "M:4/4\nL:1/4\nK:C\nCDEF|\n"))
    many = "".join(f"[V:{i}]CDEF|" for i in range(1, 8))
    with pytest.raises(Undefined, match="over 6 voices"):
        METRIC.measure(piece_from_abc("a", f"M:4/4\nL:1/4\nK:C\n{many}\n"))
