"""References to compare scores with: a folder, prepared data, or numbers that a metric ships.

A shipped reference is a JSON file: {"name", "pieces", "provenance", "metrics": {metric: {"values":
{name: [value, low, high]}, "condensed": result of `Metric.condense`, or null}}}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from picogen_core.abc.counters import strip_counters
from picogen_core.abc.patches import decode
from picogen_core.data.prepared.index import open_data
from picogen_core.data.prepared.store import Dataset
from picogen_core.errors import BadInput
from picogen_core.plugins.registry import registry
from picogen_core.plugins.suggest import did_you_mean
from picogen_core.runtime.reading import read_json
from picogen_core.score.reading import ScoreText, Unreadable, open_scores


@dataclass(frozen=True)
class Reference:
    """A reference: its scores or, if it is shipped, the numbers of each metric."""

    name: str
    scores: Iterable[ScoreText | Unreadable] = ()
    shipped: dict[str, Any] = field(default_factory=dict)
    pieces: int = 0


def shipped_references() -> dict[str, Path]:
    """Return the files that installed metrics ship, by name. PiCo-Gen's own keep their names."""
    return {
        name: file
        for entry in sorted(registry().all("metric"), key=lambda entry: entry.shipped)
        for name, file in entry.spec.references.items()
    }


def open_reference(where: str | Path) -> Reference:
    """Return the reference at a path, or else the shipped one of that name.

    From prepared data it takes the split `train`, each piece once, in its own key.

    Raises:
        BadInput: neither a path nor a name, or nothing readable there.
    """
    if isinstance(where, str) and not where.strip():
        raise BadInput("the reference is empty. Give a folder or a name, or leave it out.")
    path, known = Path(where), shipped_references()
    if not path.exists():
        if str(where) in known:
            return read_reference(known[str(where)])
        raise BadInput(
            f"reference {where}: there is no such file or folder."
            f"{did_you_mean(str(where), known)} Shipped: {', '.join(sorted(known)) or 'none'}."
        )
    if (path.suffix == ".jsonl" and not path.is_dir()) or (path / "index.jsonl").is_file():
        data = open_data(path)
        train = data.split("train")
        return Reference(str(path), dataset_scores(train if len(train) else data))
    return Reference(str(path), open_scores(path))


def read_reference(file: Path) -> Reference:
    """Return a shipped reference. Raises `BadInput` if the file is damaged."""
    try:
        data = read_json(file)
        return Reference(data["name"], shipped=data["metrics"], pieces=data["pieces"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{file}: not a reference ({error!r}). Install the package again.") from None


def dataset_scores(data: Dataset) -> Iterator[ScoreText]:
    """Yield prepared pieces as scores, each once, in its own key."""
    for i, row in enumerate(data.rows):
        if row.get("original", True):
            yield ScoreText(str(row["path"]), strip_counters(decode(data[i].patches)))
