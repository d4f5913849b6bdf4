"""The order of rows depends on their content alone."""

import random

from picogen_core.plugins.protocols import NAME
from picogen_metrics.means import content, in_order
from picogen_metrics.powerlaw_metric import _in_order


def test_rows_are_in_the_order_of_their_contents() -> None:
    rng = random.Random(0)
    rows = [{"a": "x" * 300 * (i % 2) + str(rng.random()), NAME: str(i)} for i in range(40)]
    rows += [{**row, NAME: "copy"} for row in rows[:5]]
    ordered = [rows[i] for i in in_order(rows)]
    assert [content(row) for row in ordered] == sorted(map(content, rows))
    assert ordered == sorted(rows, key=content)


def test_series_are_in_the_order_of_their_pitches() -> None:
    rng = random.Random(0)
    pieces = [
        [[rng.choice((0, 60, 127)) for _ in range(rng.randint(1, 3))] for _ in range(2)]
        for _ in range(200)
    ]
    pieces += [piece[:1] for piece in pieces]
    assert sorted(pieces, key=_in_order) == sorted(pieces)
