"""Real melodies for the tests: the tune books that music21 carries."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from picogen_core.abc.reading.notes import melody, read_notes, split_tunes

Melodies = list[list[int]]


@cache
def _first_200(name: str) -> Melodies:
    """Longest voices of 32 to 1,024 notes, the first 200, files sorted, tunes as they stand."""
    spec = find_spec("music21")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "corpus" / name
    found: Melodies = []
    for file in sorted(folder.glob("*.abc")):
        for tune in split_tunes(file.read_text("utf-8", "replace")):
            voices = [melody(notes) for notes in read_notes(tune).values()]
            longest = max(voices, key=len, default=[])
            if 32 <= len(longest) <= 1024:
                found.append(longest)
            if len(found) == 200:
                return found
    raise AssertionError(f"{name} has only {len(found)} tunes")


@pytest.fixture
def first_200() -> Callable[[str], Melodies]:
    return _first_200


@pytest.fixture
def oneill() -> Melodies:
    return _first_200("oneills1850")
