"""Near-duplicates: tunes that share melody are kept on one side of a split.

A change of this split raises `data.FORMAT`, so that cached data are split anew.

A melody is a sorted array of 32-bit hashes, 4 bytes per note. Two melodies of 200 notes share a
hash by chance once in 100,000 pairs, and their similarity then changes by 0.003.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

SHINGLE = 10
_MULTIPLIERS = np.random.default_rng(10).integers(1, 1 << 63, SHINGLE + 1, np.uint64) * 2 + 1
_MIX = _MULTIPLIERS[-1:]
_PIECES = 512  # whose shingles are numbered together
_CANDIDATES = 1024  # whose shingles are compared together
_WAVES = (64, 4096)  # candidates that are compared before commoner shingles yield more

Shingles = NDArray[np.uint32]


def shingles(pitches: Sequence[int] | NDArray[np.integer]) -> Shingles:
    """Return hashes of all runs of 10 signed intervals, in any key the same, sorted, each once.

    A shorter tune is one run.
    """
    steps = np.diff(np.asarray(pitches, np.int64)).astype(np.uint64)
    runs = steps[None] if len(steps) <= SHINGLE else sliding_window_view(steps, SHINGLE)
    width = runs.shape[1]
    sums = runs @ _MULTIPLIERS[:width] + width * _MIX
    mixed = (sums ^ (sums >> 29)) * _MIX
    return np.unique((mixed >> 32).astype(np.uint32))


def cluster(sets: Sequence[Shingles]) -> list[int]:
    """Return connected components of Jaccard similarity >= 0.5, numbered by first member.

    Similar sets share one of the rarest shingles of each. So only the rarer half of a set finds
    candidates, and those that already are in its component are passed over (prefix filtering:
    Bayardo, Ma and Srikant 2007). Memory: 12 bytes per shingle.
    """
    sizes = np.array([len(one) for one in sets], np.int64)
    ids, starts, count = _shared(sets, sizes)
    components = _Components(len(sets))
    holders = _Holders(ids, starts, _prefixes(sizes, starts), count)
    marked = np.zeros(count, bool)
    latest = np.zeros(len(sets), np.int64)
    for piece in range(len(sets)):
        mine = ids[starts[piece] : starts[piece + 1]]
        marked[mine] = True
        for found in holders.waves(piece):
            found = found[components.of[found] != components.of[piece]]
            found = found[(sizes[found] <= 2 * sizes[piece]) & (sizes[piece] <= 2 * sizes[found])]
            latest[found] = order = np.arange(len(found))
            found = found[latest[found] == order]  # each once
            for begin in range(0, len(found), _CANDIDATES):
                others = found[begin : begin + _CANDIDATES]
                lengths = starts[others + 1] - starts[others]
                held = marked[ids[_places(starts[others], lengths)]]
                common = np.add.reduceat(held, np.cumsum(lengths) - lengths, dtype=np.int64)
                for other in others[3 * common >= sizes[piece] + sizes[others]]:
                    components.join(piece, int(other))
        marked[mine] = False
        holders.add(piece)
    return components.firsts()


def _shared(
    sets: Sequence[Shingles], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], int]:
    """Return the shingles that several sets have, numbered from the rarest on.

    Returns (numbers of all sets, in each ascending; where each set begins; how many there are).
    """
    ordered = np.sort(np.concatenate([np.zeros(0, np.uint32), *sets]))
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    del ordered
    values, counts = np.unique(repeated, return_counts=True)
    del repeated
    rank = np.empty(len(values), np.int32)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(values), dtype=np.int32)
    blocks = [np.zeros(0, np.int32)]
    kept = np.zeros(len(sets) + 1, np.int64)
    for begin in range(0, len(sets) if len(values) else 0, _PIECES):
        some = np.concatenate(sets[begin : begin + _PIECES])
        lengths = sizes[begin : begin + _PIECES]
        owner = np.repeat(np.arange(len(lengths)), lengths)
        place = np.minimum(np.searchsorted(values, some), len(values) - 1)
        here = values[place] == some
        keys = np.sort(owner[here] * len(values) + rank[place[here]])
        blocks.append((keys % len(values)).astype(np.int32))
        owners = np.bincount(keys // len(values), minlength=1)
        kept[begin + 1 : begin + 1 + len(owners)] = owners
    return np.concatenate(blocks), np.cumsum(kept), len(values)


def _prefixes(sizes: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many of its shared shingles each set is found by.

    A set of n has at least n / 2 in common with a similar one, so the rarest n - n / 2 + 1 do.
    """
    shared = np.diff(starts)
    found: NDArray[np.int64] = np.clip(sizes // 2 + 1 - (sizes - shared), 0, shared)
    return found


def _places(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return start, start + 1, …, start + length - 1 of each pair, one after the other."""
    ends = np.cumsum(lengths)
    places = np.arange(int(ends[-1]) if len(ends) else 0)
    places += np.repeat(starts - (ends - lengths), lengths)
    return places


class _Holders:
    """The earlier pieces that hold a shingle among their rarest."""

    def __init__(
        self,
        ids: NDArray[np.int32],
        starts: NDArray[np.int64],
        prefixes: NDArray[np.int64],
        count: int,
    ) -> None:
        self._ids, self._starts, self._prefixes = ids, starts, prefixes
        room = np.zeros(count, np.int64)
        for begin in range(0, len(prefixes), _PIECES):
            some = slice(begin, begin + _PIECES)
            room += np.bincount(ids[_places(starts[:-1][some], prefixes[some])], minlength=count)
        self._filled = np.zeros(count, np.int32)
        self._room = np.cumsum(room) - room
        self._pieces = np.zeros(int(room.sum()), np.int32)

    def _rare(self, piece: int) -> NDArray[np.int32]:
        start = self._starts[piece]
        return self._ids[start : start + self._prefixes[piece]]

    def waves(self, piece: int) -> Iterator[NDArray[np.int32]]:
        """Yield earlier pieces, those with the rarest shingles first, some repeatedly."""
        rare = self._rare(piece)
        filled = self._filled[rare].astype(np.int64)
        cuts = np.searchsorted(np.cumsum(filled), _WAVES, "right")
        for begin, end in zip((0, *cuts), (*cuts, len(rare)), strict=True):
            if filled[begin:end].any():
                places = _places(self._room[rare[begin:end]], filled[begin:end])
                yield self._pieces[places]

    def add(self, piece: int) -> None:
        """Enter a piece."""
        rare = self._rare(piece)
        self._pieces[self._room[rare] + self._filled[rare]] = piece
        self._filled[rare] += 1


class _Components:
    """Components of a growing graph. `of[i]` is the component of i."""

    def __init__(self, count: int) -> None:
        self.of = np.arange(count, dtype=np.int32)
        self._members: dict[int, list[int]] = {}

    def join(self, a: int, b: int) -> None:
        """Unite the components of a and b; the larger one keeps its number."""
        one, other = int(self.of[a]), int(self.of[b])
        if one == other:
            return
        members = self._members.pop(one, [one]), self._members.pop(other, [other])
        small, large = sorted(members, key=len)
        name = one if large is members[0] else other
        self.of[small] = name
        large += small
        self._members[name] = large

    def firsts(self) -> list[int]:
        """Return the first member of each one's component."""
        _, first, which = np.unique(self.of, return_index=True, return_inverse=True)
        return [int(i) for i in first[which]]


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
