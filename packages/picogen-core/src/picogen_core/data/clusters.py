"""Near-duplicates: tunes that share melody are kept on one side of a split."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from itertools import pairwise

SHINGLE = 10
THRESHOLD = 0.5


def shingles(pitches: Sequence[int]) -> frozenset[tuple[int, ...]]:
    """Return all runs of 10 signed intervals, in any key the same; a short tune is one run."""
    steps = tuple(b - a for a, b in pairwise(pitches))
    if len(steps) <= SHINGLE:
        return frozenset({steps})
    return frozenset(steps[i : i + SHINGLE] for i in range(len(steps) - SHINGLE + 1))


def cluster(sets: Sequence[frozenset[Hashable]]) -> list[int]:
    """Return connected components of Jaccard similarity >= 0.5, numbered by first member."""
    parent = list(range(len(sets)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    holders: dict[Hashable, list[int]] = defaultdict(list)
    for i, shingle_set in enumerate(sets):
        shared: Counter[int] = Counter()
        for shingle in shingle_set:
            shared.update(holders[shingle])
            holders[shingle].append(i)
        for j, common in shared.items():
            if common >= THRESHOLD * (len(shingle_set) + len(sets[j]) - common):
                a, b = sorted((root(i), root(j)))
                parent[b] = a
    return [root(i) for i in range(len(sets))]


def split_clusters(clusters: Sequence[int], eval_ratio: float, seed: int) -> list[str]:
    """Return `train` or `eval` for each piece: random whole clusters, until the share is reached.

    With a share above 0 and two clusters, one is held out, whatever its size, and one is not.
    """
    members = Counter(clusters)
    order = sorted(members)
    random.Random(seed).shuffle(order)
    wanted = eval_ratio * len(clusters)
    chosen: set[int] = set()
    held = 0
    for name in order:
        if held + members[name] <= wanted + 0.5 and len(chosen) < len(order) - 1:
            chosen.add(name)
            held += members[name]
    if wanted and not chosen and len(order) > 1:
        chosen = {min(order, key=members.__getitem__)}
    return ["eval" if name in chosen else "train" for name in clusters]
