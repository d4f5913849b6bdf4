"""Lines that leave out resting voices, and how long a bar is."""

from fractions import Fraction

import pytest
from picogen_core.abc.interleaved.rests import (
    common_length,
    complete_line,
    cut_bars,
    rest_symbols,
    split_line,
)
from picogen_core.abc.reading.lexer import lex
from picogen_core.abc.reading.timing import Tuplet, bar_length, read_tuplet


def test_a_line_is_split_at_its_voices():
    assert split_line("[r:0/1][V:1]C2|[V:12]z2|") == [("1", "C2|"), ("12", "z2|")]
    assert split_line("C2|") == []
    assert complete_line("C2|", {"1": "z"}, Fraction(4)) == "C2|"


def test_voices_after_the_first_of_a_group_rest_unseen():
    symbols = rest_symbols("{ ( 1 2 ) | 3 }", ["1", "2", "3"])
    assert symbols == {"1": "z", "2": "x", "3": "z"}


@pytest.mark.parametrize(
    ("bar", "length"),
    [
        ("C2 D E/ F/", 4),
        ("(3CDE F2", 4),
        ("(3:2:2C2E F", 3),
        ("C>D E<<F", 4),
        ("[CE]2 [G2B2]/", 3),
        ("{g}A2 {/ab}c z", 4),
        ('"C2"!f!C2 x2', 4),
        ("C/4 D3/4 E//", Fraction(5, 4)),
        ("", 0),
    ],
)
def test_the_length_of_a_bar(bar, length):
    assert bar_length(bar) == length


@pytest.mark.parametrize("bar", ["Z", "C0", "(1C", "C/0"])
def test_a_bar_that_has_no_length(bar):
    assert bar_length(bar) is None


def test_tuplets_that_leave_things_out():
    assert read_tuplet("(3") == Tuplet(3, 2, 3)
    assert read_tuplet("(2") == Tuplet(2, 3, 2)
    assert read_tuplet("(5:4") == Tuplet(5, 4, 5)
    assert read_tuplet("(3::2") == Tuplet(3, 2, 2)


def test_the_first_voice_decides_a_tie():
    three, four = Fraction(3), Fraction(4)
    assert common_length([three, four, None]) == three
    assert common_length([three, four, four]) == four
    assert common_length([None]) is None


def bars(text):
    left, found = cut_bars(list(lex(text)))
    texts = ["".join(t.text for t in part) for bar in found for part in bar]
    return "".join(t.text for t in left), texts


def test_fields_alone_make_no_bar():
    assert bars("|:C2| D2 :|") == ("|:", ["C2", "| ", "D2 ", ":|"])
    assert bars("[K:G]|:C2|D") == ("", ["[K:G]|:C2", "|", "D", ""])


def test_absent_voices_get_the_most_frequent_length():
    symbols = {"1": "z", "2": "x", "3": "z"}
    line = complete_line("[V:1]|:C4|[V:3]C,2 D,2|", symbols, Fraction(8))
    assert line == "[V:1]|:C4|[V:2]|:x4|[V:3]C,2 D,2|"
    both = complete_line("[V:3]C4|D2:|", symbols, Fraction(8))
    assert both == "[V:1]z4|z2:|[V:2]x4|x2:|[V:3]C4|D2:|"


def test_a_line_without_a_length_takes_the_default():
    assert complete_line("[V:1]Z|", {"1": "z", "2": "z"}, Fraction(6)) == "[V:1]Z|[V:2]z6|"


def test_absent_voices_change_their_meter_with_the_others():
    line = complete_line("[V:1][M:3/4]C6|", {"1": "z", "2": "z"}, Fraction(8))
    assert line == "[V:1][M:3/4]C6|[V:2][M:3/4]z6|"
    kept = complete_line("[V:1][K:G]C6|", {"1": "z", "2": "z"}, Fraction(8))
    assert kept == "[V:1][K:G]C6|[V:2]z6|"
