"""A piece in several keys, each checked by pitch."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any

from picogen_core.abc.pitch.transpose import KEYS, Transposer
from picogen_core.abc.reading.notes import Note
from picogen_core.data.prepared.store import Encoded, encode_and_read
from picogen_core.errors import BadInput, ConfigError

ORIGINAL, ALL = "original", "all"


@dataclass(frozen=True)
class InKey:
    """A piece in one key: the K: of its header, semitones from the original, and its patches."""

    key: str
    semitones: int
    encoded: Encoded


def check_keys(keys: str) -> str:
    """Return `original`, `all`, or a number of keys from 1 to 15. Raises `ConfigError`."""
    number = keys.isdecimal() and 1 <= int(keys) <= len(KEYS)
    if keys not in (ORIGINAL, ALL) and not number:
        raise ConfigError(
            f"--keys {keys!r}: {ORIGINAL}, {ALL}, or a number from 1 to {len(KEYS)} (the original "
            "and others drawn by the seed)."
        )
    return keys


def in_keys(
    text: str,
    keys: str,
    seed: str,
    read: tuple[Encoded, dict[str, tuple[Note, ...]]] | None = None,
) -> tuple[list[InKey], dict[str, str]]:
    """Return the piece in its own key and then in others, and the reasons of left-out keys.

    read: the result of `encode_and_read` for the text, if it is known.

    Raises:
        BadInput: the piece itself cannot be encoded.
    """
    encoded, voices = read or encode_and_read(text)
    made = [InKey(key_field(text), 0, encoded)]
    if keys == ORIGINAL or keys == "1":
        return made, {}
    left_out: dict[str, str] = {}
    try:
        transposer = Transposer(text)
    except BadInput as error:
        return made, {key: str(error) for key in KEYS}
    others = [key for key in KEYS if key != transposer.key]
    if keys != ALL:
        chosen = set(random.Random(seed).sample(others, int(keys) - 1))
        others = [key for key in others if key in chosen]
    for key in others:
        try:
            moved, semitones = transposer.to(key)
            encoded, heard = encode_and_read(moved)
            check_moved(voices, heard, semitones, transposer.fixed)
        except BadInput as error:
            left_out[key] = str(error)
        else:
            made.append(InKey(key_field(moved), semitones, encoded))
    return made, left_out


def key_field(text: str) -> str:
    """Return the K: of a header; "" if it has none."""
    found = re.search(r"^K:[ \t]*(.*)$", text, re.M)
    return found.group(1) if found else ""


def check_moved(
    before: dict[str, tuple[Note, ...]],
    after: dict[str, tuple[Note, ...]],
    semitones: int,
    fixed: set[str],
) -> None:
    """Check that all notes keep their times and all pitches move by `semitones`, except `fixed`.

    Raises:
        BadInput: they do not.
    """

    def heard(voices: dict[str, tuple[Note, ...]], moved: int) -> dict[str, list[Any]]:
        made = {}
        for name, notes in voices.items():
            by = 0 if name.split("&")[0] in fixed else moved
            places = [note.step if note.pitch is None else note.pitch for note in notes]
            made[name] = [
                (note.onset, note.duration, place and place + by, note.cents)
                for note, place in zip(notes, places, strict=True)
            ]
        return made

    if heard(before, semitones) != heard(after, 0):
        raise BadInput("its notes did not all move by the same interval")
