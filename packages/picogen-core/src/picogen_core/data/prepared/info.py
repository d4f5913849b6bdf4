"""A summary of a dataset for users."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from picogen_core.data.prepared.store import Dataset
from picogen_core.data.tags import count_tags


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return counts of rows, pieces and their properties in the index, and lengths in patches.

    A piece in several keys is one piece; splits, meters, voices and licences count
    pieces, keys count rows. `lengths` are those of all rows: shortest, median, 95th percentile,
    longest.
    """
    lengths = dataset.lengths()
    pieces = [row for row in dataset.rows if row.get("original", True)]

    def counted(rows: list[dict[str, Any]], field: str) -> dict[str, int]:
        return dict(Counter(str(row.get(field, "unknown")) for row in rows).most_common())

    facts: dict[str, Any] = {
        "pieces": len(pieces),
        "rows": len(dataset),
        "clusters": len({row["cluster"] for row in pieces if "cluster" in row}),
        "notes": sum(int(row.get("notes", 0)) for row in pieces),
        "patches": int(lengths.sum()),
    }
    if len(lengths):
        facts["lengths"] = {
            "shortest": int(lengths.min()),
            "median": float(np.median(lengths)),
            "95th percentile": float(np.percentile(lengths, 95)),
            "longest": int(lengths.max()),
        }
    facts["splits"] = counted(pieces, "split")
    facts["keys"] = counted(dataset.rows, "key")
    facts["meters"] = counted(pieces, "meter")
    facts["voices"] = counted(pieces, "voices")
    facts["licences"] = counted(pieces, "licence")
    facts["tags"] = count_tags(dataset)
    approximate = sum("approximate" in row for row in pieces)
    return facts | ({"approximate": approximate} if approximate else {})
