"""NotaGen's tags in pieces, datasets and manifests; `tag_table` assigns them to pieces.

They are the lines `%Period`, `%Composer, First`, `%Instrumentation`, `%end`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from picogen_core.abc.patches import PATCH_SIZE, decode
from picogen_core.data.prepared.store import Dataset

LONGEST = 80

_LINES = re.compile(r"%(?!%)(.+)\n%(?!%)(.+)\n%(?!%)(.+)\n%end\n")
_HEAD = 1 + 3 * -(-(LONGEST + 2) // PATCH_SIZE) + 1  # patches: BOS, three tags, %end


class Triple(NamedTuple):
    """The tags of a piece, in ASCII."""

    period: str
    composer: str
    instrumentation: str

    @property
    def lines(self) -> str:
        """The tags as lines in front of a piece."""
        return "".join(f"%{value}\n" for value in (*self, "end"))


def tags_of(text: str) -> Triple | None:
    """Return the tags of a piece in NotaGen's form."""
    found = _LINES.match(text)
    return Triple(*found.groups()) if found else None


def has_tags(text: str) -> bool:
    """Return whether a piece begins with a tag of any kind; `%%score` is none."""
    return re.match(r"%(?!%)", text) is not None


def count_tags(dataset: Dataset) -> list[dict[str, Any]]:
    """Return each triple of a dataset with its number of `pieces`, as in a checkpoint's manifest.

    A piece in several keys counts once. Tags are read from the music itself, so for any index.
    """
    return tally(
        tags_of(decode(dataset[i].patches[:_HEAD]))
        for i, row in enumerate(dataset.rows)
        if row.get("original", True)
    )


def tally(found: Iterable[Triple | None]) -> list[dict[str, Any]]:
    """Return each triple once, with the number of `pieces` that have it."""
    counts = Counter(tags for tags in found if tags)
    return [{**tags._asdict(), "pieces": count} for tags, count in sorted(counts.items())]


def known_tags(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the triples of a checkpoint's training, by its manifest, each with its `pieces`.

    Those of its own run come first, then those of its `init`. Empty if unknown, as for a `.pth`.
    """
    init = manifest.get("init")
    own = _listed(manifest.get("tags"))
    earlier = _listed(init.get("tags") if isinstance(init, Mapping) else None)
    return [*own.values(), *(tags for triple, tags in earlier.items() if triple not in own)]


def _listed(stored: Any) -> dict[Triple, dict[str, Any]]:
    """Return the entries of the right form; the file is not trusted."""
    found = {}
    for tags in stored if isinstance(stored, list) else []:
        values = [tags.get(name) for name in Triple._fields] if isinstance(tags, Mapping) else []
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) == len(Triple._fields):
            found[Triple(*texts)] = dict(tags)
    return found
