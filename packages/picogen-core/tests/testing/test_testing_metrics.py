"""The kit passes a right metric, and each check fails a metric that is wrong in that way."""

import itertools

import pytest
from picogen_core import BadInput, MetricSpec, Options, Summary, Undefined, Value
from picogen_core.testing import metric_checks
from picogen_core.testing.kit import resolve
from picogen_core.testing.metrics import CHECKS, MetricSubject
from picogen_core.testing.samples import sample_pieces


class NoOptions(Options):
    pass


class Right:
    """Mean leap between neighbouring notes, in diatonic steps, with a bootstrap interval."""

    def measure(self, piece):
        leaps = [
            abs(second.step - first.step)
            for notes in piece.voices.values()
            for first, second in itertools.pairwise(notes)
            if first.pitch is not None and second.pitch is not None
        ]
        if not leaps:
            raise Undefined("fewer than two notes in a row")
        return {"leap": sum(leaps) / len(leaps), "n": len(leaps)}

    def summarise(self, rows, reference, rng):
        if not rows:
            return Summary({})
        leaps = sorted(row["leap"] for row in rows)
        means = sorted(rng.choice(leaps, len(leaps)).mean() for _ in range(50))
        mean = sum(leaps) / len(leaps)
        value = Value(mean, "step", len(leaps), means[1], means[-2], better="closer")
        return Summary({"leap": value}, headline="leap")


class Compares(Right):
    def summarise(self, rows, reference, rng):
        if not rows or not reference:
            raise BadInput("nothing to compare.")
        ours, theirs = (sum(r["leap"] for r in side) / len(side) for side in (rows, reference))
        return Summary({"gap": Value(ours - theirs, "step", len(rows))}, headline="gap")


def spec(metric, needs=()):
    return MetricSpec(
        name="sample",
        summary="A.",
        config=lambda: NoOptions,
        build=lambda config: metric(),
        unit="step",
        better="closer",
        needs=needs,
    )


@metric_checks(spec(Right))
def test_right(check):
    check()


@metric_checks(spec(Compares, needs=("reference",)), pieces=sample_pieces(3, seed=7))
def test_right_with_a_reference(check):
    check()


calls = itertools.count()


class TupleRow(Right):
    def measure(self, piece):
        return {**super().measure(piece), "pair": (1, 2)}


class DriftingRow(Right):
    def measure(self, piece):
        return {**super().measure(piece), "n": next(calls)}


class ZeroForNothing(Right):
    def measure(self, piece):
        return super().measure(piece) if piece.voices else {"leap": 0.0, "n": 0}


class NoReason(Right):
    def measure(self, piece):
        if not piece.voices:
            raise Undefined
        return super().measure(piece)


class Given(Right):
    """Its summary holds `value` under the headline `headline`."""

    value = Value(1.0, "step", 3)
    headline = "leap"

    def summarise(self, rows, reference, rng):
        return Summary({"leap": self.value}, headline=self.headline)


def given(value=Given.value, headline="leap"):
    return type("Sample", (Given,), {"value": value, "headline": headline})


class FirstRow(Right):
    def summarise(self, rows, reference, rng):
        return Summary({"leap": Value(rows[0]["leap"], "step", len(rows))}, headline="leap")


class OwnChance(Right):
    def summarise(self, rows, reference, rng):
        return Summary({"leap": Value(1.0 + next(calls), "step", 3)}, headline="leap")


class LikesTuples(Right):
    """Rows that have been through JSON lose what it counts."""

    def measure(self, piece):
        return {**super().measure(piece), "pair": (1, 2)}

    def summarise(self, rows, reference, rng):
        tuples = sum(isinstance(row["pair"], tuple) for row in rows)
        return Summary({"leap": Value(float(tuples), "step", 3)}, headline="leap")


class LosesItsUnit(Right):
    def summarise(self, rows, reference, rng):
        found = super().summarise(rows, reference, rng)
        return found if not reference else Summary({"leap": Value(1.0, "", 3)}, headline="leap")


WRONG = [
    ("measures_plain_rows", TupleRow, "sample-0.abc"),
    ("measures_the_same_twice", DriftingRow, "two different rows"),
    ("is_undefined_for_nothing", ZeroForNothing, "raise Undefined"),
    ("is_undefined_for_nothing", NoReason, "without a reason"),
    ("gives_numbers_with_units", given(Value(1.0, "", 3)), "has no unit"),
    ("gives_numbers_with_units", given(Value(1.0, "step", 0)), "has n = 0"),
    ("gives_numbers_with_units", given(Value(float("nan"), "step", 3)), "leap is nan"),
    ("gives_numbers_with_units", given(Value(1.0, "step", 3, low=0.5)), "half an interval"),
    ("gives_numbers_with_units", given(Value(1.0, "step", 3, 2.0, 1.0)), "has the interval"),
    ("gives_numbers_with_units", given(1.0), "is a float, not a Value"),
    ("takes_a_reference", LosesItsUnit, "has no unit"),
    ("headline_keeps_the_spec", given(headline="other"), "is none of leap"),
    ("headline_keeps_the_spec", given(Value(1.0, "semitone", 3)), "is in 'semitone'"),
    ("headline_keeps_the_spec", given(Value(1.0, "step", 3, better="higher")), "better higher"),
    ("ignores_the_order_of_rows", FirstRow, "leap is Value"),
    ("summarises_the_same_twice", OwnChance, "became"),
    ("summarises_cached_rows", LikesTuples, "cached rows change"),
    ("makes_nothing_of_nothing", Given, "no rows at all gave"),
]


def run(name, metric):
    subject = MetricSubject(resolve("metric", spec(metric)), {}, sample_pieces(4))
    next(check for check in CHECKS if check.__name__ == name)(subject)


@pytest.mark.parametrize(("name", "wrong", "reason"), WRONG)
def test_wrong(name, wrong, reason):
    with pytest.raises(AssertionError, match=reason):
        run(name, wrong)


def test_every_check_of_metrics_is_proven():
    shared = {"config_round_trips", "config_forbids_unknown_keys"}  # see the backbones' tests
    assert {name for name, *_ in WRONG} | shared == {check.__name__ for check in CHECKS}


def test_sample_pieces_are_as_their_notes_say():
    for piece in sample_pieces(3):
        assert set(piece.voices) == {"1", "2"}
        for notes in piece.voices.values():
            assert len(notes) == 128
            for note in notes:
                letter = piece.text[note.start]
                if note.pitch is None:
                    assert letter == "z"
                else:
                    assert letter.upper() == "CDEFGAB"[note.step % 7]
                    assert (piece.text[note.start + 1] in ",'") == note.octave
    assert sample_pieces(1)[0].text.count("|") == 32
