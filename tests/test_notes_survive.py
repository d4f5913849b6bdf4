"""The study of notes that survive, on a sample, and that it would see a loss."""

import importlib.util
from pathlib import Path

import pytest
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.data.corpora import read_corpus

SCRIPT = Path(__file__).parent.parent / "studies" / "notes_survive.py"
TUNE = "X:1\nL:1/4\nM:2/4\nK:G\nV:1\nGA|Bc|\nV:2\nG,2|D2|\n"


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("notes_survive", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (("", ""), "same"),
        (("Bc|", "B|"), "differs"),
        (("Bc|", "BA|"), "differs"),
        (("Bc|", "B/c3/|"), "differs"),
        (("[V:2]D2|", ""), "differs"),
        (("K:G", "K:F#"), "differs"),
    ],
)
def test_a_loss_is_seen(study, change, verdict):
    assert study.compare(TUNE, interleave(TUNE).replace(*change)) == verdict


def test_a_bar_of_other_length_is_told_apart(study):
    tune = TUNE.replace("G,2|", "G,|")
    assert study.compare(tune, interleave(tune)) == "same by bar"


def test_a_sample_of_each_book(study):
    for which in study.BOOKS:
        chosen = list(read_corpus(which))[11::60]
        assert chosen, which
        for piece in chosen:
            assert study.compare(piece.abc, interleave(piece.abc)) == "same", piece.name


def test_the_way_over_musicxml_has_the_same_notes(study):
    assert study.detour("airds", 4, seed=3)["same"] == 4
