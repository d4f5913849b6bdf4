"""The counter of a line: made, read and taken out."""

import numpy as np
import pytest
from picogen_core.abc.counters import (
    BODY_CODES,
    BODY_STARTS,
    is_body_line,
    make_counter,
    parse_counter,
    strip_counters,
    take_counters,
)
from picogen_core.abc.patches import encode, line_starts


def test_a_counter_is_made_and_read():
    assert make_counter(3, 20) == "[r:3/20]"
    assert parse_counter("[r:3/20][V:1]C4|\n") == (3, 20)


@pytest.mark.parametrize(
    "line", ["[V:1]C4|", "C[r:3/20]", "[r: a remark]", "[r:3/20", "[r:-1/2]", "[r:1234567/0]", ""]
)
def test_what_is_no_counter(line):
    assert parse_counter(line) is None


def test_counters_and_remarks_in_their_place_are_stripped():
    text = "K:C\n[r:0/1][V:1]C4|\n[r: a remark][V:1]D4|\n"
    assert strip_counters(text) == "K:C\n[V:1]C4|\n[V:1]D4|\n"


def test_one_that_a_model_left_open_is_taken_out_too():
    assert take_counters("[r:0/1[V:1]C4|\n[r:1/\n") == ("[V:1]C4|\n\n", ["[r:0/1", "[r:1/"])
    assert strip_counters("[r:0/1[V:1]C4|\n[r:1/\n") == "C4|\n[r:1/\n"


def test_lines_of_a_body():
    assert [is_body_line(line) for line in ("[r:0/1]C", "[V:2]C", "V:2", "CDEF|")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [codes.decode() for codes in BODY_CODES] == list(BODY_STARTS)


def test_patches_that_begin_lines():
    patches = encode("L:1/8\nK:C\nV:1\n[V:1]CDEF GABc|\n[V:1]C8|\n")
    heads = [patches[i].tobytes()[:7] for i in line_starts(patches)]
    assert heads == [b"[r:0/1]", b"[r:1/0]"] and line_starts(patches).dtype == np.int64
