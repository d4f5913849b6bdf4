"""A sample of studies/repair.py: real tunes and chorales, damaged in every way, end valid."""

import random
import sys
from pathlib import Path

import pytest
from picogen_core.abc.reading.notes import read_notes
from picogen_core.abc.repair import repair

STUDIES = Path(__file__).resolve().parents[1] / "studies"


@pytest.fixture(scope="module")
def study():
    sys.path.insert(0, str(STUDIES))
    try:
        import repair as study
    finally:
        sys.path.remove(str(STUDIES))
    return study


@pytest.fixture(scope="module")
def pieces(study):
    from repair_pieces import scores, tunes

    return {
        "tunes": list(tunes("airdsAirs", 100)),
        "bach": list(scores("bach", 60)),
        "quartets": [],
        "beethoven": [],
    }


def test_there_are_eighteen_kinds_and_each_damages(study, pieces):
    from repair_mutations import MUTATIONS, apply

    assert len(MUTATIONS) == 18
    piece = pieces["bach"][0]
    for kind, mutate in MUTATIONS.items():
        damaged = [apply(piece.text, mutate(piece.text, random.Random(n))) for n in range(5)]
        assert sum(text != piece.text for text in damaged) >= 3, kind
        again = apply(piece.text, mutate(piece.text, random.Random(0)))
        assert again == damaged[0]


def test_damaged_music_ends_valid_with_its_notes(study, pieces):
    """54 mutants, three of each kind. The study's own figures, from 2,000, are in docs/studies."""
    outcomes = [study.judge(job) for job in study.plan(pieces, 54, seed=3)]
    valid = [outcome for outcome in outcomes if not outcome.fault]
    assert len(valid) >= 53, [outcome for outcome in outcomes if outcome.fault]
    assert {outcome.kind for outcome in outcomes} == set(study.MUTATIONS)
    assert sum(o.polyphonic for o in outcomes) >= 15
    assert sum(o.kept for o in outcomes) >= 0.95 * sum(o.left for o in outcomes)


def test_clean_pieces_are_left_alone(study, pieces):
    """99 of 100; the rest have a sign that the converter misreads, such as `A>{g}B`."""
    from repair_pieces import tunes

    clean = [*pieces["bach"], *tunes("oneills1850", 10), *tunes("airdsAirs", 10)]
    changed = [piece.name for piece in clean if repair(piece.text).text != piece.text]
    assert len(clean) > 300
    assert len(changed) <= 3, changed


def test_the_count_of_kept_notes_sees_what_is_lost(study):
    text = "L:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]CDEF GABc|\n[V:1]c4 C4|\n"
    start = text.index("[V:1]CDEF")
    left = study.untouched(text, [(start + 6, start + 7, "")])
    assert [note.pitch for note in left["1"]] == [65, 67, 69, 71, 72, 72, 60]  # C D E stand beside
    assert study.count_kept(left, read_notes(text)) == 7
    assert study.count_kept(left, read_notes(text.replace("[V:1]c4 C4|\n", ""))) == 5
    assert study.count_kept(left, read_notes(text.replace("V:1]", "V:2]"))) == 0
    assert study.count_kept(left, read_notes(text.replace("L:1/8", "L:1/4"))) == 0
