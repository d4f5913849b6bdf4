"""Novelty: every copy that is planted is flagged, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from picogen_core import Condensed, Summary, Undefined
from picogen_core.abc.reading.notes import melody
from picogen_core.plugins.protocols import NAME
from picogen_core.score.reading import Piece, ScoreText, piece_from_abc, read_score
from picogen_core.testing import metric_checks
from picogen_core.testing.samples import sample_pieces, spell
from picogen_metrics import novelty_metric
from picogen_metrics.novelty import Index, Melody, fit
from picogen_metrics.novelty_metric import NoveltyMetric, NoveltyOptions

METRIC = NoveltyMetric(NoveltyOptions(bootstrap=50))
Tune = list[tuple[int, int]]
"""Chromatic pitches and lengths in eighths."""

SHARPS = ("C", "^C", "D", "^D", "E", "F", "^F", "G", "^G", "A", "^A", "B")


@metric_checks("novelty", pieces=sample_pieces(4))
def test_the_kit(check: Any) -> None:
    check()


def tune(seed: int, bars: int = 12) -> Tune:
    rng = random.Random(seed)
    pitch, notes = 67, []
    for _ in range(bars):
        for length in rng.choice([(1,) * 8, (2, 2, 2, 2), (3, 1, 2, 2), (4, 4), (2, 1, 1, 4)]):
            pitch = min(84, max(57, pitch + rng.choice((-5, -4, -3, -2, -1, 1, 2, 3, 4, 7))))
            notes.append((pitch, length))
    return notes


def piece(notes: Tune, name: str = "a") -> Piece:
    """As ABC in 4/4, a barline every eight eighths; `=` undoes what the bar carries."""
    text, time = "X:1\nM:4/4\nL:1/8\nK:C\n", 0
    for pitch, length in notes:
        *sharp, letter = SHARPS[pitch % 12]
        step = 7 * (pitch // 12 - 1) + "CDEFGAB".index(letter)
        text += ("^" if sharp else "=") + spell(step) + str(length)
        time += length
        if time % 8 == 0:
            text += "|"
    return piece_from_abc(name, text + "|]\n")


def xml(notes: Tune) -> Piece:
    inner = "".join(
        f"<note><pitch><step>{SHARPS[p % 12][-1]}</step><alter>{len(SHARPS[p % 12]) - 1}</alter>"
        f"<octave>{p // 12 - 1}</octave></pitch><duration>{length}</duration></note>"
        for p, length in notes
    )
    start = "<attributes><divisions>2</divisions></attributes>"
    data = (
        f'<score-partwise><part id="P1"><measure>{start}{inner}</measure></part></score-partwise>'
    )
    read = read_score(ScoreText("a.xml", data.encode()))
    assert isinstance(read, Piece)
    return read


def summarise(pieces: Sequence[Piece], reference: Sequence[Piece]) -> Summary:
    def rows(of: Sequence[Piece]) -> list[dict[str, Any]]:
        return [{**METRIC.measure(one), "name": one.name} for one in of]

    return METRIC.summarise(rows(pieces), rows(reference), np.random.default_rng(0))


@pytest.fixture(scope="module")
def known() -> list[Piece]:
    return [piece(tune(seed), f"known-{seed}") for seed in range(60)]


def moved(notes: Tune, by: int) -> Tune:
    return [(pitch + by, length) for pitch, length in notes]


def changed(notes: Tune) -> Tune:
    return [(p + 1, n) if i == len(notes) // 2 else (p, n) for i, (p, n) in enumerate(notes)]


COPIES: dict[str, Callable[[Tune], Piece]] = {
    "as it is": piece,
    "up a third": lambda t: piece(moved(t, 4)),
    "down a fifth": lambda t: piece(moved(t, -7)),
    "an octave up": lambda t: piece(moved(t, 12)),
    "twice as slow": lambda t: piece([(p + 2, 2 * n) for p, n in t]),
    "in another rhythm": lambda t: piece([(p, 1 + i % 3) for i, (p, _) in enumerate(t)]),
    "one note changed": lambda t: piece(moved(changed(t), 3)),
    "a passage of it": lambda t: piece(moved(t[13:50], 5)),
    "as MusicXML": lambda t: xml(moved(t, -2)),
    "one note more": lambda t: piece(moved([*t[:20], (70, 1), *t[20:]], 1)),
}


def test_every_transposed_copy_is_flagged_and_nothing_else(known: list[Piece]) -> None:
    fresh = [piece(tune(seed), f"fresh-{seed}") for seed in range(1000, 1030)]
    copies = [make(tune(7 + i)) for i, make in enumerate(COPIES.values())]
    summary = summarise([*fresh, *copies], known)
    found = [facts.values["similarity"] for facts in summary.pieces]
    assert max(found[:30]) < 0.7
    for i, (name, facts) in enumerate(
        zip(COPIES, [one.values for one in summary.pieces[30:]], strict=True)
    ):
        assert facts["similarity"] >= 0.95, name
        assert facts["nearest"] == f"known-{7 + i}", name
    copies_value = summary.values["copies"]
    assert copies_value.value == pytest.approx(100 * 10 / 40) and copies_value.n == 40
    assert copies_value.reference == 0 and copies_value.better == "lower"
    assert copies_value.p is not None and copies_value.p < 0.01


def test_the_longest_copied_run_is_told_in_bars(known: list[Piece]) -> None:
    own, stolen = tune(2000), tune(3)
    cut, count = 0, 0
    while count < 32:  # four bars of eight eighths
        count += stolen[cut][1]
        cut += 1
    assert count == 32
    summary = summarise([piece([*own, *moved(stolen[:cut], 2)]), piece(own)], known)
    assert summary.pieces[0].values["copied_notes"] >= cut
    assert summary.pieces[0].values["copied_bars"] == pytest.approx(4, abs=0.51)
    assert summary.values["longest_copied_run"].value == summary.pieces[0].values["copied_bars"]
    assert summary.pieces[1].values["copied_bars"] < 2
    slow = summarise([piece([(p, 2 * n) for p, n in stolen])], known).pieces[0].values
    assert slow["copied_notes"] == len(stolen)  # the rhythm is the same, only slower


def test_copies_within_the_folder_are_told_apart(known: list[Piece]) -> None:
    fresh = [piece(tune(seed), f"fresh-{seed}") for seed in range(500, 506)]
    twin = piece(moved(tune(502), 3), "twin")
    summary = summarise([*fresh, twin], known)
    assert summary.values["self_copies"].value == pytest.approx(100 * 2 / 7)
    assert summary.values["copies"].value == 0
    assert summary.pieces[2].values["nearest_own"] == "twin"
    assert summary.pieces[6].values["nearest_own"] == "fresh-502"


def test_order_and_names_do_not_matter(known: list[Piece]) -> None:
    pieces = [piece(tune(seed), f"p{seed}") for seed in (5, 900, 901)]
    one, other = summarise(pieces, known), summarise(pieces[::-1], known[::-1])
    assert one.values == other.values and list(one.pieces) == list(other.pieces)[::-1]


def edits(query: list[int], known: list[int]) -> int:
    """The plain recursion that `fit` vectorises."""
    row = [0] * (len(known) + 1)
    for i, a in enumerate(query, 1):
        new = [i]
        for j, b in enumerate(known, 1):
            new.append(min(row[j - 1] + (a != b), row[j] + 1, new[j - 1] + 1))
        row = new
    return min(row)


def test_fit_equals_its_plain_form() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        query = rng.integers(0, 4, rng.integers(1, 15))
        known = rng.integers(0, 4, rng.integers(0, 20))
        expected = max(0.0, 1 - edits(query.tolist(), known.tolist()) / len(query))
        assert fit(query, known) == pytest.approx(expected)


def test_several_voices_weigh_by_their_notes() -> None:
    def voices(*seeds: int) -> list[Melody]:
        found = []
        for seed in seeds:
            pitches, lengths = (np.array(column) for column in zip(*tune(seed, 8), strict=True))
            found.append(Melody(pitches, np.cumsum(lengths) * 5040, 40320))
        return found

    index = Index([voices(1, 2), voices(3, 4)])
    whole = index.nearest(voices(3, 4))
    assert (whole.piece, whole.similarity) == (1, 1.0)
    half = index.nearest(voices(3, 99))
    assert half.piece == 1 and 0.4 < half.similarity < 0.8
    assert index.nearest(voices(3, 4), but=1).similarity < 0.7


def test_what_is_too_short_or_has_no_scores_says_so(known: list[Piece]) -> None:
    with pytest.raises(Undefined, match="no voice of 16 notes"):
        METRIC.measure(piece(tune(1)[:15]))
    with pytest.raises(Undefined, match="3 pitches"):
        METRIC.measure(piece([(60, 1), (62, 1)] * 20))
    row = METRIC.measure(known[0])
    summary = METRIC.summarise([row], Condensed({}), np.random.default_rng(0))
    assert not summary.values and "give a folder" in summary.notes[0]


def test_notes_are_as_spelt() -> None:
    notes = tune(1)
    assert [melody(v) for v in piece(notes).voices.values()] == [[p for p, _ in notes]]
    assert [melody(v) for v in xml(notes).voices.values()] == [[p for p, _ in notes]]


def test_a_voice_is_compared_by_its_first_notes() -> None:
    bar = "CDEFGABc|"
    piece = piece_from_abc("a", "L:1/8\nM:4/4\nK:C\n" + (bar * 100 + "\n") * 25)
    row = METRIC.measure(piece)
    assert [len(voice["pitches"]) for voice in row["voices"]] == [16_384]
    assert [len(voice["onsets"]) for voice in row["voices"]] == [16_384]


def test_the_voices_of_an_orchestra_share_the_hits() -> None:
    same = Melody(np.tile([60, 62, 64, 65, 67, 69, 71], 10), np.arange(70), 8)
    index = Index([[same] * 32])
    hits = index._hits(same, -1, 1000)[0]
    assert 0 < len(hits) <= 1000 < len(index._hits(same, -1, 100_000)[0])
    assert index.nearest([same] * 64).similarity == 1


def test_a_piece_that_takes_too_long_to_compare_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(novelty_metric, "SECONDS", 0.2)
    short = {"pitches": [60, 62, 64, 65, 67] * 5, "onsets": list(range(25))}
    long = {"pitches": [60, 62, 64, 65, 67] * 2000, "onsets": list(range(10_000))}
    rows = [{"voices": [one], "bar": 8, NAME: name} for one, name in ((short, "a"), (long, "b"))]
    found = METRIC.summarise(rows, rows, np.random.default_rng(0))
    assert list(found.unused.values()) == [1] and found.values["copies"].n == 1
    short_one, long_one = (facts.values for facts in found.pieces)
    assert short_one["nearest"] in ("a", "b") and long_one == {}
