"""Under a plan of bars every bar keeps its meter, whatever a model would like to write."""

import pytest
from picogen_core.abc.counters import strip_counters
from picogen_core.abc.interleaved.rests import complete_line, rest_symbols
from picogen_core.abc.patches import split_body
from picogen_core.abc.reading.notes import read_tune

from .grammar_pieces import behind, characters, draw_blindly

VOICES = "V:1 treble\nV:2 treble\nV:3 bass\n"
ONE = "V:1 treble\n"
HEADER = "L:1/8\nM:6/8\nK:G\n"


def after(text, bars=8):
    """(characters wanted next, rare ones) behind a prompt."""
    _, wanted, rare = behind(text, bars=bars).codes()
    return characters(wanted), characters(rare)


def bars_of(text):
    """[[(length, meter)]] of every voice, with rests where a line leaves one out."""
    header, body = split_body(strip_counters(text))
    names = [line[2:].split()[0] for line in header.splitlines() if line.startswith("V:")]
    symbols = rest_symbols("", names)
    lines = [complete_line(line, symbols, 0) for line in body.splitlines()]
    found = read_tune(header + "\n".join(lines) + "\n")[1]
    return [[(bar.length, bar.meter) for bar in bars] for bars in found.values()]


def out_of_meter(bars):
    """Numbers of the bars that are longer than their meter, or shorter though they are neither
    first nor last nor make one bar with the next."""
    wrong, number = [], 0
    while number < len(bars):
        length, meter = bars[number]
        inner = 0 < number < len(bars) - 1
        if meter is None or length == meter or (length < meter and not inner):
            number += 1
        elif length < meter and length + bars[number + 1][0] == meter:
            number += 2
        else:
            wrong.append(number)
            number += 1
    return wrong


@pytest.mark.parametrize("meter", ["4/4", "6/8", "3/4", "9/8", "2/2", "5/4", "3/16", "2/1"])
@pytest.mark.parametrize("unit", ["1/8", "1/16", "1/4"])
@pytest.mark.parametrize("voices", [ONE, VOICES])
def test_blind_drawing_keeps_the_meter(meter, unit, voices):
    for seed, weight in ((1, 1), (2, 20)):
        draft = draw_blindly(seed, 2000, 8, f"L:{unit}\nM:{meter}\nK:G\n{voices}", weight)
        assert draft.complete
        assert draft.text.rstrip().endswith(("|]", ":|"))
        found = bars_of(draft.text)
        assert [len(bars) for bars in found] == [8] * len(found)
        assert [out_of_meter(bars) for bars in found] == [[] for _ in found]
        assert len({tuple(length for length, _ in bars) for bars in found}) == 1


@pytest.mark.parametrize(
    ("music", "wanted", "rare", "never"),
    [
        ("[r:1/6][V:1]G3 A2", "B:", "|", "2"),  # short: only around a repeat
        ("[r:1/6][V:1]G3 A3", "|:", "", "BG"),  # full
        ("[r:1/6][V:1]G3 A2|", "|:]", "", "\n1"),
        ("[r:1/6][V:1]G3 A3|", "\n|:]1", "", ""),
        ("[r:1/6][V:1]G3 A2:|\n[r:2/5][V:1]B", "|:", "", "cz2"),  # what was owed, and no more
        ("[r:1/6][V:1]G3 A2:|\n[r:2/5][V:1][K:D]", "Bz[", "", "|"),
        ("[r:1/6][V:1][M:9/8]G3 A3", "B", "", "4"),
        ("[r:1/6][V:1][M:9/8]G3 A3 B3", "|:", "", "B"),
    ],
)
def test_only_ends_and_what_lies_around_a_repeat_are_short(music, wanted, rare, never):
    found = after(f"{HEADER}{ONE}[r:0/7][V:1]G6|\n{music}")
    assert set(wanted) <= found[0]
    assert set(rare) <= found[1]
    assert not set(never) & (found[0] | found[1])


def test_the_last_bar_may_be_short_and_ends_the_piece():
    begun = f"{HEADER}{ONE}[r:0/1][V:1]G6|\n[r:1/0][V:1]G3 A2"
    assert {"B", "|", ":"} <= after(begun, 2)[0]
    assert after(begun + "|", 2) == ({"]"}, set())
    assert after(begun + "B:", 2) == ({"|"}, set())


def test_behind_a_pickup_comes_a_whole_bar():
    begun = f"{HEADER}{ONE}[r:0/7][V:1]G|\n[r:1/6][V:1]G3 A2"
    assert not {"|", ":"} & set.union(*after(begun))
    assert {"|", ":"} <= after(begun + "B")[0]


def test_a_change_of_meter_is_one_of_all_voices():
    begun = f"{HEADER}{VOICES}[r:0/7][V:1][M:3/4]G6|[V:2]"
    assert after(begun)[0] == {"["}
    assert "M" in after(begun + "[")[0]
    assert after(begun + "[M:")[0] == {"3"}
    assert "G" in after(begun + "[M:3/4]")[0]
    second = begun + "[M:3/4]G6|\n[r:1/6][V:3]"
    assert after(second)[0] == {"["}
    assert after(second + "[M:")[0] == {"3"}
    later = second + "[M:3/4]G6|\n[r:2/5][V:1]G"
    assert {"6", "5"} <= after(later)[0]
    assert "8" not in after(later)[0]  # that would be four quarters


def test_no_meter_is_kept_where_there_is_none():
    assert {"|", "A"} <= after("L:1/8\nM:none\nK:C\n[r:0/7][V:1]G|\n[r:1/6][V:1]G7")[0]
