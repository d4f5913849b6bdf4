"""Crops of pieces longer than the context: fixed ones that cover the music, or random ones.

A crop is the header and a run of body patches. Fixed crops are the same in every epoch, so that a
teacher's outputs can be cached. Together they hold every patch of the body once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picogen_core.abc.patches import PATCH_SIZE, line_starts
from picogen_core.data.prepared.store import Dataset, Encoded, characters_before


def take(piece: Encoded, header: int, first: int, end: int) -> Encoded:
    """Patches 0 … header − 1 and first … end − 1, with their notes."""
    count = len(piece.patches)
    if header + end - first == count:
        return piece
    keep = np.concatenate([np.arange(header), np.arange(first, end)])
    place = np.full(count, -1)
    place[keep] = np.arange(len(keep))
    notes = piece.notes.copy()
    patch, char = np.divmod(notes[:, 0], PATCH_SIZE)
    notes[:, 0] = place[patch] * PATCH_SIZE + char
    return Encoded(piece.patches[keep], notes[place[patch] >= 0])


def crop(piece: Encoded, max_patches: int, rng: np.random.Generator | None) -> Encoded:
    """At most `max_patches`: the header always, then body lines from a drawn line start on.

    With `rng` None the crop is the head of the body, as evaluation uses it.
    """
    count = len(piece.patches)
    if count <= max_patches:
        return piece
    starts = line_starts(piece.patches)
    header = int(starts[0]) if len(starts) else 0
    room = max_patches - header
    if room <= 0:  # a header longer than the context
        return take(piece, 0, 0, max_patches)
    first = header
    if rng is not None and len(starts):
        candidates = starts[starts <= count - room]
        late = starts[starts > count - room][:1]  # the tail, cut at a line start
        first = int(rng.choice(np.concatenate([candidates, late])))
    return take(piece, header, first, min(count, first + room))


def windows(patches: NDArray[np.uint8], max_patches: int) -> Iterator[tuple[int, int, int]]:
    """(header, first, end) of each fixed crop of a piece longer than `max_patches`.

    Each ends before the first body line that does not fit, or within a line that is longer than the
    context alone. A header of more than half the context is not repeated. Such a piece is cut
    without it, and each crop begins with the last patch of the one before. So all but the first
    patch of the piece are predicted once.
    """
    count = len(patches)
    starts = line_starts(patches)
    header = int(starts[0]) if len(starts) else 0
    if header > max_patches // 2:
        header = 0
    first = end = header
    while end < count:
        end = first + max_patches - header
        if end < count:
            fitting = starts[(starts > first + 1) & (starts <= end)]
            end = int(fitting[-1]) if len(fitting) else end
        end = min(end, count)
        yield header, first, end
        first = end if header else end - 1


@dataclass(frozen=True)
class Crops:
    """The K fixed crops of a dataset, by piece: header patches, first and end of the body."""

    piece: NDArray[np.int64]
    header: NDArray[np.int64]
    first: NDArray[np.int64]
    end: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.piece)

    def lengths(self) -> NDArray[np.int64]:
        """[K] patches of each crop."""
        return self.header + self.end - self.first

    def cut(self, data: Dataset, i: int) -> Encoded:
        """Crop i."""
        piece = data[int(self.piece[i])]
        return take(piece, int(self.header[i]), int(self.first[i]), int(self.end[i]))

    def characters(self, data: Dataset) -> NDArray[np.int64]:
        """[K] characters of each crop that a loss counts: its first patch is no target."""
        found = np.empty(len(self), np.int64)
        before, last = np.zeros(0, np.int64), -1
        for i, piece in enumerate(self.piece.tolist()):
            if piece != last:
                before, last = characters_before(data[piece].patches), piece
            header, first, end = int(self.header[i]), int(self.first[i]), int(self.end[i])
            lead = 0 if header else first
            kept = before[header] + before[end] - before[first]
            found[i] = kept - (before[lead + 1] - before[lead])
        return found


def fixed_crops(data: Dataset, max_patches: int) -> Crops:
    """Every piece in crops of at most `max_patches`."""
    rows: list[tuple[int, int, int, int]] = []
    for piece, count in enumerate(data.lengths()):
        if count <= max_patches:
            rows.append((piece, 0, 0, int(count)))
        else:
            rows += [(piece, *window) for window in windows(data[piece].patches, max_patches)]
    return Crops(*np.array(rows, np.int64).reshape(-1, 4).T)
