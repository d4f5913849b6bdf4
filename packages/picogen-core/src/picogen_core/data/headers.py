"""Counts of header values in a dataset: values that a model has learnt well, and rare ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from picogen_core.abc.patches import decode, split_body
from picogen_core.data.prepared.store import Dataset

KINDS = ("L", "Q", "M", "K", "voices", "instruments")
RARE = 500  # a value is rare if fewer than one piece in so many has it
_MOST = 400  # stored values of a kind
_LONGEST = 40
_NAME = re.compile(r'nm="([^"]+)"')


@dataclass(frozen=True)
class Headers:
    """Header values by kind, with the number of `pieces` that have them; the most usual first.

    Kinds are the letters L, Q, M and K, `voices` (how many there are) and `instruments`.
    """

    pieces: int
    counts: Mapping[str, Mapping[str, int]]

    def known(self, kind: str) -> list[str]:
        """Return the values that the model knows well; the most usual first."""
        counts = self.counts.get(kind, {})
        return [value for value, count in counts.items() if count * RARE >= self.pieces]

    def as_json(self) -> dict[str, Any]:
        """Return the counts as in the manifest of a checkpoint."""
        return {"pieces": self.pieces, **{kind: dict(self.counts[kind]) for kind in KINDS}}


def count_headers(dataset: Dataset) -> Headers:
    """Return the headers of the music itself; a piece in several keys counts once for each."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for i in range(len(dataset)):
        header = _header(dataset, i).splitlines()
        for line in header:
            if line[:2] in ("L:", "Q:", "M:", "K:"):
                counts[line[0]][line[2:].strip()] += 1
        voices = [line for line in header if line.startswith("V:")]
        counts["voices"][str(max(1, len(voices)))] += 1
        counts["instruments"].update({name for line in voices for name in _NAME.findall(line)})
    kept = {kind: dict(found.most_common(_MOST)) for kind, found in counts.items()}
    return Headers(len(dataset), kept)


def _header(dataset: Dataset, i: int) -> str:
    patches = dataset[i].patches
    body = (patches[:, 0] == ord("[")).argmax()
    return split_body(decode(patches[: body or len(patches)]))[0]


def known_headers(manifest: Mapping[str, Any]) -> Headers | None:
    """Return the headers of a checkpoint's training data and of the one it started from.

    They come from its manifest; None without them. The file is not trusted: values of another form
    are left out.
    """
    init = manifest.get("init")
    own = _read(manifest.get("headers"))
    earlier = _read(init.get("headers") if isinstance(init, Mapping) else None)
    if own is None or earlier is None:
        return own or earlier
    merged = {
        kind: dict((Counter(own.counts[kind]) + Counter(earlier.counts[kind])).most_common())
        for kind in KINDS
    }
    return Headers(own.pieces + earlier.pieces, merged)


def _read(stored: Any) -> Headers | None:
    if not isinstance(stored, Mapping) or not isinstance(stored.get("pieces"), int):
        return None
    return Headers(max(1, stored["pieces"]), {kind: _counts(stored.get(kind)) for kind in KINDS})


def _counts(stored: Any) -> dict[str, int]:
    found = {
        value: count
        for value, count in (stored.items() if isinstance(stored, Mapping) else ())
        if isinstance(count, int) and 0 < len(value) <= _LONGEST
        and value.isascii() and value.isprintable()
    }  # fmt: skip
    return dict(Counter(found).most_common(_MOST))
