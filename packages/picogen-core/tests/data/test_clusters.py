"""Near-duplicates, beside a plain count of common shingles."""

import random
import tracemalloc
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
from picogen_core.data.clusters import SHINGLE, cluster, shingles


def plain_shingles(pitches: list[int]) -> frozenset[tuple[int, ...]]:
    steps = tuple(b - a for a, b in pairwise(pitches))
    if len(steps) <= SHINGLE:
        return frozenset({steps})
    return frozenset(steps[i : i + SHINGLE] for i in range(len(steps) - SHINGLE + 1))


def plain_cluster(sets: list[frozenset[tuple[int, ...]]]) -> list[int]:
    """Components of Jaccard similarity >= 0.5, every pair counted."""
    parent = list(range(len(sets)))

    def root(i: int) -> int:
        return i if parent[i] == i else root(parent[i])

    holders = defaultdict(list)
    for i, mine in enumerate(sets):
        shared = Counter(j for shingle in mine for j in holders[shingle])
        for shingle in mine:
            holders[shingle].append(i)
        for j, common in shared.items():
            if 2 * common >= len(mine) + len(sets[j]) - common:
                a, b = sorted((root(i), root(j)))
                parent[b] = a
    return [root(i) for i in range(len(sets))]


def melodies(rng: random.Random, count: int) -> list[list[int]]:
    """Melodies of 1 to 59 notes; most are changed copies of others, some cut."""
    made: list[list[int]] = []
    for _ in range(count):
        if made and rng.random() < 0.6:
            melody = list(rng.choice(made))
            for _ in range(rng.randrange(4)):
                melody[rng.randrange(len(melody))] += rng.choice((-1, 1))
            if rng.random() < 0.3:
                melody = melody[: max(2, len(melody) * 3 // 4)]
        else:
            top = 62 + 4 * rng.randrange(3)
            melody = [rng.randint(60, top) for _ in range(rng.randrange(1, 60))]
        made.append(melody)
    return made


def test_shingles_are_runs_of_intervals_in_any_key():
    scale = [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 81]
    assert len(shingles(scale)) == 3
    assert np.array_equal(shingles(scale), shingles([pitch - 7 for pitch in scale]))
    assert len(shingles(scale[:11])) == 1
    assert len(np.intersect1d(shingles(scale[:5]), shingles(scale[:6]))) == 0
    assert shingles([60]).size == 1


def test_clusters_are_those_of_a_plain_count():
    rng = random.Random(0)
    sizes = set()
    for _ in range(40):
        made = melodies(rng, rng.randrange(120))
        expected = plain_cluster([plain_shingles(melody) for melody in made])
        assert cluster([shingles(melody) for melody in made]) == expected
        sizes |= set(Counter(expected).values())
    assert max(sizes) > 10 and 1 in sizes


def test_a_crowd_that_shares_a_phrase_is_found_in_several_waves():
    rng = random.Random(1)
    phrase = [rng.randint(50, 80) for _ in range(40)]
    made = []
    for _ in range(400):
        own = [rng.randint(50, 80) for _ in range(rng.choice((20, 45)))]
        made.append(phrase + own)
    expected = plain_cluster([plain_shingles(melody) for melody in made])
    assert cluster([shingles(melody) for melody in made]) == expected


def test_no_piece_and_pieces_without_anything_in_common():
    assert cluster([]) == []
    assert cluster([shingles([60, 62]), shingles([60, 64])]) == [0, 1]


def test_a_piece_of_90_notes_takes_a_kilobyte():
    rng = np.random.default_rng(2)
    sets = [shingles(rng.integers(50, 80, 90)) for _ in range(4000)]
    tracemalloc.start()
    cluster(sets)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most / len(sets) + sets[0].nbytes < 1500
