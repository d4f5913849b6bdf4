"""Modes and signatures, as the circle of fifths has them."""

import pytest
from picogen_core.abc.fields import MODE_WORDS, mode_name, signature_place


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("", ""),
        ("major", ""),
        ("Ionian", ""),
        ("m", "min"),
        ("Minor", "min"),
        ("aeolian", "min"),
        ("Mixolydian", "mix"),
        ("loc", "loc"),
        ("M", "min"),
        ("ma", None),
        ("clef", None),
    ],
)
def test_names_of_modes(word, name):
    assert mode_name(word) == name


def test_signatures_of_the_nine_modes_on_d():
    sharps = {word: signature_place("D", "", word) for word in MODE_WORDS}
    named = {"dor": 0, "phr": -2, "lyd": 3, "mix": 1, "loc": -3}
    assert sharps == {"maj": 2, "ion": 2, "min": -1, "aeo": -1, **named}


def test_signs_move_a_signature_by_seven_fifths():
    assert [signature_place("F", sign) for sign in ("", "#", "b")] == [-1, 6, -8]
    assert signature_place("B", "♭", "m") == -5
