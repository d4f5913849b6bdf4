"""Headers: fields that a person requests, and values that a checkpoint was trained on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache

from picogen_core.abc.fields import mode_name
from picogen_core.abc.grammar.bar_state import can_be_kept
from picogen_core.abc.grammar.fields import EVERYTHING, ORDER, FieldChoices
from picogen_core.abc.pitch.keys import is_compound, key_signature, meter_length
from picogen_core.abc.reading.header import normal_key, normal_meter, normal_tempo
from picogen_core.abc.repair.header import field_is_legal
from picogen_core.data.headers import Headers
from picogen_core.errors import ConfigError

_NAMES = {"M": "meter", "K": "key", "Q": "tempo", "voices": "number of voices"}
_SHOWN = 4
_INSTRUMENT = re.compile(r'^V:.*nm="([^"]+)"', re.M)


def requested_fields(meter: str | None, key: str | None, tempo: str | None) -> dict[str, str]:
    """Return the values by the letter of their field, as training headers spell them.

    Raises:
        ConfigError: a value cannot be read.
    """
    if tempo and tempo.strip().isdecimal():
        tempo = f"1/4={tempo.strip()}"
    requested: dict[str, str] = {}
    for letter, value, normal, example in (
        ("Q", tempo, normal_tempo, "1/4=120"),
        ("M", meter, normal_meter, "6/8"),
        ("K", key, _key, "G or Dmin"),
    ):
        if value is None:
            continue
        spelt = normal(value)
        if spelt is None or not (spelt == "none" or field_is_legal(letter, spelt)):
            raise ConfigError(f"--{_NAMES[letter]} {value!r} cannot be read. Give {example}.")
        if letter == "M" and not can_be_kept(spelt):
            raise ConfigError(
                f"--meter {spelt}: a bar has to be a multiple of 1/32 and 8 whole notes at most. "
                f"Give another, such as {example}."
            )
        requested[letter] = spelt
    return requested


def _key(value: str) -> str | None:
    named = re.fullmatch(r"\s*[A-Ga-g][#b♯♭]?\s*[A-Za-z]*\s*", value)
    if not named:
        return "none" if value.strip().lower() == "none" else None
    value = value.strip()
    word = value[1:].lstrip("#b♯♭ ").lower()
    return None if mode_name(word) is None else normal_key(value[0].upper() + value[1:])


def field_choices(headers: Headers | None) -> FieldChoices:
    """Return the values that headers may have unless requested: frequent ones in training."""
    if headers is None:
        return EVERYTHING
    known = {
        letter: tuple(v for v in headers.known(letter) if v == "none" or field_is_legal(letter, v))
        for letter in "LQMK"
    }
    return FieldChoices(
        known["L"] or EVERYTHING.units,
        known["Q"],
        known["M"] or EVERYTHING.meters,
        known["K"] or EVERYTHING.keys,
    )


@lru_cache(maxsize=256)
def requesting(choices: FieldChoices, fields: tuple[tuple[str, str], ...]) -> FieldChoices:
    """Return the choices with these fields requested. Equal requests return the same object, since
    the grammar's tables depend on its identity."""
    return choices.requesting(dict(fields)) if fields else choices


def join_fields(
    requested: Mapping[str, str], values: Mapping[str, str], music: bool
) -> dict[str, str]:
    """Return the values of a prompt, and the requested values that stand before them in a header.

    The constraint forces the others when their turn comes.

    Raises:
        ConfigError: the prompt contradicts a requested value.
    """
    for letter, value in requested.items():
        if values.get(letter, value) != value:
            raise ConfigError(
                f"--{_NAMES[letter]} {value}: the prompt has {letter}:{values[letter]}. "
                "Leave one of them out."
            )
    last = len(ORDER) if music else max((ORDER.find(letter) for letter in values), default=-1)
    return {**values, **{k: v for k, v in requested.items() if ORDER.index(k) < last}}


def header_doubts(prompt: str, requested: Mapping[str, str], headers: Headers | None) -> list[str]:
    """Return a line per rare value of a piece's header, with the nearest frequent value."""
    if headers is None:
        return []
    header = re.split(r"^\[", prompt, maxsplit=1, flags=re.M)[0]
    fields = dict(re.findall(r"^([QMK]):(.*)", header, re.M)) | dict(requested)
    doubts = [_doubt(letter, fields[letter], headers) for letter in "MK" if letter in fields]
    doubts += [_doubt("instruments", name, headers) for name in _INSTRUMENT.findall(header)]
    voices = len(re.findall(r"^V:", header, re.M))
    most = max(map(int, filter(str.isdecimal, headers.known("voices"))), default=voices)
    if voices > most:
        doubts.append(
            f"{voices} voices: the checkpoint was trained on music of at most {most}, so the "
            "others will mostly rest."
        )
    return list(dict.fromkeys(filter(None, doubts)))


def _doubt(kind: str, value: str, headers: Headers) -> str:
    known = headers.known(kind)
    if not known or value.strip() in known:
        return ""
    count = headers.counts.get(kind, {}).get(value.strip(), 0)
    named = f"{kind}:{value.strip()}" if len(kind) == 1 else f"the instrument {value!r}"
    nearest = _nearest(kind, value.strip(), known)
    return (
        f"{named}: the checkpoint hardly knows it ({count} of {headers.pieces:,} training pieces). "
        f"Nearest known: {', '.join(nearest[:_SHOWN])}."
    )


def _nearest(kind: str, value: str, known: Sequence[str]) -> list[str]:
    """Return the most similar known values; of equally similar ones, the most frequent."""
    if kind == "instruments":
        return get_close_matches(value, known, n=1, cutoff=0.5) or list(known)
    far = _key_distance if kind == "K" else _meter_distance
    return sorted(known, key=lambda other: far(value, other))[:1]


def _key_distance(one: str, other: str) -> tuple[int, bool]:
    """Return the number of letters with other accidentals, then whether the mode differs."""
    a, b = key_signature(one) or {}, key_signature(other) or {}
    differ = sum(a.get(letter, 0) != b.get(letter, 0) for letter in "ABCDEFG")
    return differ, one[1:].lstrip("#b") != other[1:].lstrip("#b")


def _meter_distance(one: str, other: str) -> tuple[bool, Fraction]:
    a, b = meter_length(one) or Fraction(1), meter_length(other) or Fraction(1)
    return is_compound(one) != is_compound(other), max(a / b, b / a)
