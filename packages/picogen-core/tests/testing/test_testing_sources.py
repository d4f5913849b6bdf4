"""The kit passes right sources, and each check fails a source that is wrong in that way."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from picogen_core import BadInput, ConfigError, Options, SourceSpec
from picogen_core.data.types import SourcePiece
from picogen_core.testing import source_checks
from picogen_core.testing.kit import resolve
from picogen_core.testing.sources import BOOK, CHECKS, SourceSubject, sample_book, subject_of

TUNES = [f"X:1\nM:4/4\nL:1/4\nK:{key}\nCDEF|GABc|cBAG|FEDC|]\n" for key in "CGF"]
PIECES = [SourcePiece(f"tune-{i}", abc, "a test", "CC0") for i, abc in enumerate(TUNES)]


class NoOptions(Options):
    pass


def right(which):
    if which != "three":
        raise BadInput(f"{which!r}: there is one collection, three.")
    yield from PIECES


def spec(source, suffixes=()):
    return SourceSpec(
        name="sample",
        summary="A.",
        config=lambda: NoOptions,
        build=lambda options: source() if isinstance(source, type) else source,
        suffixes=suffixes,
    )


@source_checks(spec(right), which="three")
def test_right(check):
    check()


@source_checks("abc")
def test_the_source_of_abc_files(check):
    check()


@source_checks("music21", which="airds")
def test_the_corpora_of_music21(check):
    check()


def giving(*pieces):
    """A source that gives these and is right in all else."""

    def source(which):
        if which != "three":
            raise BadInput("there is one collection, three.")
        yield from pieces

    return source


def answering(function):
    """A right source but for what it lacks, where it does `function(which)`."""

    def source(which):
        return iter(PIECES) if which == "three" else function(which)

    return source


def failing(error):
    def fail(which):
        raise error

    return answering(fail)


class Shuffles:
    """Every source gives its pieces from another one on."""

    turns = itertools.count()

    def __call__(self, which):
        turn = next(Shuffles.turns) % 3
        return iter(PIECES[turn:] + PIECES[:turn])


class GoesOn:
    """One iterator for all requests: whole requests begin anew, others go on."""

    def __init__(self):
        self.rest = []

    def __call__(self, which):
        if not self.rest:
            self.rest = list(PIECES)
        while self.rest:
            yield self.rest.pop(0)


one = PIECES[0]
WRONG = [
    ("gives_pieces", giving(), (), "gave no piece"),
    ("gives_pieces", giving("X:1\nK:C\nC"), (), "gave a str, no SourcePiece"),
    ("gives_pieces", giving(replace(one, abc="")), (), "has no ABC, file or fault"),
    ("gives_pieces", giving(replace(one, abc="", file=Path("/nowhere.mid"))), (), "no file"),
    ("gives_pieces", giving(replace(one, file=sample_book())), (), "both a file and ABC"),
    ("gives_pieces", giving(replace(one, file="a.mid")), (), "is no Path"),
    ("gives_pieces", giving(replace(one, licence=None)), (), "licence of 'tune-0' is a NoneType"),
    ("names_are_unique", giving(one, one), (), "two pieces are called tune-0"),
    ("names_are_unique", giving(replace(one, name="a\nb")), (), "a piece is called"),
    ("names_origin_and_licence", giving(replace(one, provenance=" ")), (), "provenance of"),
    ("names_origin_and_licence", giving(replace(one, licence="")), (), "licence of"),
    ("gives_the_same_twice", Shuffles, (), "in another order"),
    ("can_be_left_early", GoesOn, (), "left early"),
    (
        "gives_music_that_can_be_prepared",
        giving(replace(one, abc="X:1\nK:C\nC D\n")),
        (),
        "tune-0: only 2 notes",
    ),
    ("gives_music_that_can_be_prepared", giving(), (), "there is none"),
    ("refuses_what_it_lacks", answering(lambda which: iter(())), (), "gave nothing"),
    ("refuses_what_it_lacks", answering(lambda which: iter(PIECES)), (), "gave the piece 'tune-0'"),
    ("refuses_what_it_lacks", failing(KeyError("none")), (), "raise BadInput"),
    ("refuses_what_it_lacks", failing(BadInput("two\nlines")), (), "the message is"),
    ("suffixes_are_plain", right, [".abc"], "not a tuple"),
    ("suffixes_are_plain", right, (".ABC",), "is no suffix"),
    ("suffixes_are_plain", right, ("abc",), "is no suffix"),
]


@pytest.mark.parametrize(("name", "wrong", "suffixes", "reason"), WRONG)
def test_wrong(name, wrong, suffixes, reason):
    entry = resolve("source", spec(wrong, suffixes))
    with pytest.raises(AssertionError, match=reason):
        next(check for check in CHECKS if check.__name__ == name)(
            SourceSubject(entry, {}, "three", "no-such-collection")
        )


def test_every_check_of_sources_is_proven():
    shared = {"config_round_trips", "config_forbids_unknown_keys"}  # see the backbones' tests
    assert {name for name, *_ in WRONG} | shared == {check.__name__ for check in CHECKS}


def test_a_source_of_other_things_needs_something_to_read():
    with pytest.raises(ConfigError, match="Give which= to source_checks"):
        subject_of(resolve("source", spec(right)), {}, None, "none")


def test_a_source_of_abc_files_has_a_book():
    made = subject_of(resolve("source", spec(right, (".abc",))), {}, None, "none")
    assert Path(made.which).read_text() == BOOK
