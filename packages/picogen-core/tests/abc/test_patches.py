import json
from pathlib import Path

import numpy as np
import pytest
from picogen_core import BadInput
from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import (
    BOS_PATCH,
    EOS_PATCH,
    decode,
    encode,
    encode_prompt,
    split_bars,
)

CASE = json.loads((Path(__file__).parents[1] / "data/notagen/expected.json").read_text())["case"]


def test_encode_equals_notagen():
    assert encode(CASE["abc"]).tolist() == CASE["encode_train"]


@pytest.mark.parametrize("prompt", CASE["prompts"], ids=["header", "ends at a barline"])
def test_prompt_equals_notagen(prompt):
    begun = encode_prompt(prompt["text"])
    ids = begun.patches.tolist()
    if begun.tail:
        ids.append(list(begun.tail.encode()) + [0] * (16 - len(begun.tail)))
    assert ids == prompt["ids"]


def test_decode_undoes_encode():
    assert strip_counters(decode(encode(CASE["abc"]))) == CASE["abc"]


def test_frame():
    patches = encode(CASE["abc"])
    assert patches[0].tobytes() == BOS_PATCH
    assert patches[-1].tobytes() == EOS_PATCH


@pytest.mark.parametrize(
    ("line", "cuts"),
    [
        ("[V:1]C2|[V:2]z4|\n", ["[V:1]C2", "|[V:2]z4|\n"]),
        ("[V:1]|:D|\n", ["[V:1]", "|:D|\n"]),
        ("[V:1]A|B|c:|\n", ["[V:1]A", "|B", "|c:|\n"]),
        ("[V:1]A || | B|\n", ["[V:1]A ", "|| ", "| B|\n"]),
        ("[V:1]A:||B|\n", ["[V:1]A", ":||B|\n"]),
    ],
)
def test_split_bars(line, cuts):
    assert split_bars(line) == cuts
    assert "".join(cuts) == line


def test_odd_text_is_never_lost():
    rng = np.random.default_rng(0)
    pool = [*'abV:[]|\n r1/9"', "[V:1]", "[r:", "||", ":|"]
    for _ in range(300):
        text = "".join(rng.choice(pool, size=60))
        assert strip_counters(decode(encode(text))) == strip_counters(text)


def test_open_prompt_gets_no_counter():
    begun = encode_prompt("L:1/8\nK:C\nV:1 treble\n[V:1]CDEF GAB")
    assert "[r:" not in decode(begun.patches)
    assert decode(begun.patches[1:]) + begun.tail == "L:1/8\nK:C\nV:1 treble\n[V:1]CDEF GAB"


@pytest.mark.parametrize("bad", ["é", "\x01", "音"])
def test_characters_outside_the_vocabulary_are_named(bad):
    with pytest.raises(BadInput, match="line 2, column 3"):
        encode(f"K:C\nab{bad}c\n")
