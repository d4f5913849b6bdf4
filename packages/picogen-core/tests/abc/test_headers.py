"""What a person requests of a header, and what a checkpoint knows of headers."""

import json

import numpy as np
import pytest
from picogen_core.abc.grammar.fields import EVERYTHING, inline_fields
from picogen_core.abc.patches import encode
from picogen_core.data.headers import Headers, count_headers, known_headers
from picogen_core.data.prepared.store import Encoded, from_encoded
from picogen_core.errors import ConfigError
from picogen_core.generation.request.headers import (
    field_choices,
    header_doubts,
    requested_fields,
    requesting,
)
from picogen_core.generation.request.job import header_fields, place_request
from picogen_core.generation.request.options import PieceRequest
from picogen_core.generation.request.prompt import place_prompt

from .grammar_pieces import behind, characters, draw_blindly

TUNE = "L:1/8\nM:{meter}\nK:{key}\nV:1 treble\n[V:1]C2|]\n"
DUET = (
    'L:1/8\nQ:1/4=90\nM:4/4\nK:C\nV:1 treble nm="Violin"\nV:2 bass nm="Cello"\n[V:1]C8|[V:2]C8|]\n'
)
COUNTS = {
    "L": {"1/8": 999}, "Q": {}, "M": {"6/8": 600, "4/4": 399, "2/16": 1},
    "K": {"G": 700, "Dmin": 299, "F#": 1}, "voices": {"1": 1000}, "instruments": {},
}  # fmt: skip
TUNES = Headers(1000, COUNTS)


def dataset(texts):
    none = np.zeros((0, 4), np.int32)
    encoded = [Encoded(encode(text), none) for text in texts]
    return from_encoded([{} for _ in texts], encoded)


def test_headers_are_counted_in_the_music():
    texts = [TUNE.format(meter=m, key=k) for m, k in (("6/8", "G"), ("6/8", "D"), ("3/4", "G"))]
    found = count_headers(dataset([*texts, DUET]))
    assert found.pieces == 4
    assert found.counts["M"] == {"6/8": 2, "3/4": 1, "4/4": 1}
    assert found.counts["K"] == {"G": 2, "D": 1, "C": 1}
    assert found.counts["Q"] == {"1/4=90": 1}
    assert found.counts["voices"] == {"1": 3, "2": 1}
    assert found.counts["instruments"] == {"Violin": 1, "Cello": 1}
    assert known_headers({"headers": json.loads(json.dumps(found.as_json()))}) == found


def test_what_one_piece_in_a_thousand_has_is_not_known():
    assert TUNES.known("M") == ["6/8", "4/4"]
    assert Headers(400, {"M": {"6/8": 399, "2/16": 1}}).known("M") == ["6/8", "2/16"]


def test_a_run_knows_what_it_started_from_too():
    old = {"pieces": 10, "M": {"3/4": 10}}
    found = known_headers({"headers": {"pieces": 5, "M": {"4/4": 5}}, "init": {"headers": old}})
    assert found is not None
    assert (found.pieces, found.counts["M"]) == (15, {"3/4": 10, "4/4": 5})


@pytest.mark.parametrize(
    "stored",
    [None, 7, [], {"pieces": "many"}, {"pieces": -3}, {"pieces": 9, "M": [1]},
     {"pieces": 9, "M": {"4/4\nK:C": 3, "4/4": "x", "": 2, "é": 1, "9" * 99: 4}}],
)  # fmt: skip
def test_a_manifest_of_another_form_says_nothing(stored):
    found = known_headers({"headers": stored, "init": stored})
    assert found is None or not any(found.counts.values())
    assert field_choices(found).keys == EVERYTHING.keys


def test_a_model_writes_the_headers_that_it_knows():
    choices = field_choices(TUNES)
    assert (choices.meters, choices.keys, choices.tempos) == (("6/8", "4/4"), ("G", "Dmin"), ())
    assert characters(behind("L:1/8\n", choices=choices).codes()[1]) == {"M"}
    assert characters(behind("L:1/8\nM:", choices=choices).codes()[1]) == {"6", "4"}
    assert "3" in characters(behind("L:1/8\nM:").codes()[1])


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"meter": "6/8"}, {"M": "6/8"}),
        ({"meter": "C|", "key": "d minor"}, {"M": "2/2", "K": "Dmin"}),
        ({"key": "Bb", "tempo": "96"}, {"K": "Bb", "Q": "1/4=96"}),
        ({"key": "F#mix", "tempo": "3/8 = 60"}, {"K": "F#mix", "Q": "3/8=60"}),
        ({"meter": "none", "key": "none"}, {"M": "none", "K": "none"}),
        ({}, {}),
    ],
)
def test_fields_are_spelt_as_training_headers_spell_them(given, fields):
    assert header_fields(PieceRequest(**given)) == fields


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"meter": "fast"}, "--meter 'fast' cannot be read. Give 6/8."),
        ({"key": "H"}, "--key 'H' cannot be read. Give G or Dmin."),
        ({"key": "Gfoo"}, "--key 'Gfoo' cannot be read"),
        ({"key": ""}, "--key '' cannot be read"),
        ({"key": "G#"}, "--key 'G#' cannot be read"),  # eight sharps
        ({"tempo": "quick"}, "--tempo 'quick' cannot be read. Give 1/4=120."),
        ({"meter": "3/64"}, "--meter 3/64: a bar has to be a multiple of 1/32"),
        ({"meter": "40/4"}, "8 whole notes at most"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_one_line(given, message):
    with pytest.raises(ConfigError) as caught:
        header_fields(PieceRequest(**given))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "fields", "text"),
    [
        ("", {"M": "6/8"}, ""),  # the model writes what stands before it
        ("L:1/16", {"M": "6/8", "K": "G"}, "L:1/16\n"),
        ("M:6/8", {"Q": "1/4=90", "K": "G"}, "L:1/8\nQ:1/4=90\nM:6/8\n"),
        ("K:G", {"M": "6/8"}, "L:1/8\nM:6/8\nK:G\nV:1 treble\n"),
        (
            "L:1/8\nM:6/8\nK:G\nG3 A3|",
            {"Q": "1/4=90"},
            "L:1/8\nQ:1/4=90\nM:6/8\nK:G\nV:1 treble\n[r:0/15][V:1]G3 A3|\n",
        ),
    ],
)
def test_a_prompt_takes_what_stands_before_its_own_fields(prompt, fields, text):
    assert place_prompt(prompt, requested=fields).text == text


def test_a_prompt_that_says_otherwise_is_refused():
    with pytest.raises(ConfigError, match=r"--meter 6/8: the prompt has M:3/4"):
        place_prompt("M:3/4\nK:G", requested={"M": "6/8"})


def test_a_score_that_is_continued_has_its_own_fields(tmp_path):
    with pytest.raises(ConfigError, match="the score of --continue has its own"):
        place_request(PieceRequest(continued=tmp_path / "a.abc", key="G"))


@pytest.mark.parametrize("how", [{"bars": 4}, {"bars": None, "grammar": False}])
def test_requested_fields_are_written_with_the_grammar_and_without(how):
    choices = requesting(EVERYTHING, (("Q", "1/4=77"), ("M", "5/4"), ("K", "Ebmin")))
    draft = draw_blindly(3, 60, how["bars"], choices=choices)
    fields = [line for line in draft.text.splitlines() if line[:2] in ("Q:", "M:", "K:")]
    assert fields == ["Q:1/4=77", "M:5/4", "K:Ebmin"]


def test_requested_fields_do_not_change_within_the_piece():
    begun = "L:1/8\nM:6/8\nK:G\nV:1 treble\n[r:0/3][V:1]["
    free = behind(begun, bars=4)
    assert {"M", "K", "Q"} <= characters(free.codes()[1])
    fields = (("Q", "1/4=90"), ("M", "6/8"))
    held = behind(begun, bars=4, choices=requesting(EVERYTHING, fields))
    assert not {"M", "Q"} & characters(held.codes()[1])
    assert "K" in characters(held.codes()[1])


def test_equal_requests_are_one_object_and_others_are_not():
    fields = (("M", "6/8"),)
    assert requesting(EVERYTHING, fields) is requesting(EVERYTHING, fields)
    assert requesting(EVERYTHING, fields) is not requesting(EVERYTHING, (("M", "3/4"),))
    assert requesting(EVERYTHING, ()) is EVERYTHING


@pytest.mark.parametrize(
    ("prompt", "fields", "doubts"),
    [
        ("L:1/8\nM:6/8\nK:G\n", {}, []),
        ("L:1/8\nM:9/8\nK:G\n", {}, ["M:9/8", "0 of 1,000", "Nearest known: 6/8"]),
        ("", {"K": "F#"}, ["K:F#", "1 of 1,000", "Nearest known: G"]),
        ("L:1/8\nM:4/4\nK:G\nV:1 treble\nV:2 bass\n[V:1]C|", {}, ["2 voices", "of at most 1"]),
        ('L:1/8\nM:4/4\nK:G\nV:1 treble nm=""\n', {}, []),
    ],
)
def test_what_a_checkpoint_hardly_knows_is_reported(prompt, fields, doubts):
    found = header_doubts(prompt, fields, TUNES)
    assert len(found) == bool(doubts)
    assert all(part in found[0] for part in doubts)
    assert header_doubts(prompt, fields, None) == []


def test_an_instrument_is_named_with_the_nearest():
    known = Headers(2, {**COUNTS, "M": {}, "K": {}, "instruments": {"Violin": 2, "Flute": 1}})
    (doubt,) = header_doubts('L:1/8\nM:4/4\nK:C\nV:1 treble nm="Violine"\n', {}, known)
    assert "the instrument 'Violine'" in doubt
    assert "Nearest known: Violin." in doubt


def test_requests_are_none_by_default():
    assert requested_fields(None, None, None) == {}


def test_no_percussion_staff_comes_where_a_key_is_requested() -> None:
    free, held = EVERYTHING, requesting(EVERYTHING, (("K", "G"),))
    assert "V:1 perc" in free.header_lines("LMK", 0, 4)
    assert "V:1 perc" not in held.header_lines("LMK", 0, 4)
    assert "V:1 alto" in held.header_lines("LMK", 0, 4)
    assert "K:perc" in inline_fields(free, False)
    assert "K:perc" not in inline_fields(held, False)
