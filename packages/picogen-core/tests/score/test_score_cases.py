"""Scores that once came out wrong: every command reads their notes, which were worked out by hand
from the ABC standard 2.1 and MusicXML 4.0, and no command reads others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from picogen_core.score.files.reader import FileReader
from picogen_core.score.helper import Converter

from ..score_notes import by_continue, by_convert, by_data, by_eval

SCORES = Path(__file__).parents[1] / "data" / "scores"
RIGHT: dict[str, list[str]] = json.loads((SCORES / "right.json").read_text())


@pytest.fixture(scope="module")
def reader() -> Iterator[FileReader]:
    with FileReader() as made:
        yield made


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    with Converter() as made:
        yield made


def test_each_case_has_its_notes() -> None:
    assert len(RIGHT) == 32
    assert {path.name for path in SCORES.iterdir()} == {*RIGHT, "right.json"}


@pytest.mark.parametrize("name", RIGHT)
def test_every_command_reads_the_right_notes(name, reader, converter) -> None:
    path, right = SCORES / name, RIGHT[name]
    assert by_eval(path) == right
    assert by_data(path, reader) == right
    assert by_convert(path, converter) == right
    assert by_continue(path, reader) == right[0]
