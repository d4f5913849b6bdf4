"""From sources to prepared data: interleave, encode, cluster, split, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picogen_core.abc.interleave import interleave
from picogen_core.abc.notes import melody, read_notes
from picogen_core.abc.patches import check_characters, split_body, strip_marks
from picogen_core.data.clusters import cluster, shingles, split_clusters
from picogen_core.data.store import Dataset, Encoded, encode_piece, from_encoded, write_dataset
from picogen_core.data.types import SourcePiece
from picogen_core.errors import BadInput
from picogen_core.progress import Quiet, Reporter

MIN_NOTES = 8


@dataclass(frozen=True)
class Prepared:
    """The data, and the report that lies beside it."""

    dataset: Dataset
    report: dict[str, Any]


def prepare(
    pieces: Iterable[SourcePiece],
    folder: Path,
    *,
    eval_ratio: float = 0.1,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> Prepared:
    """Interleave and encode tunes, split them by cluster of near-duplicates, write to `folder`.

    A tune that cannot be used is left out and its reason stands in the report. A tune whose text
    equals that of an earlier one is left out as a copy.

    Raises:
        BadInput: no tune could be used.
    """
    reporter = reporter or Quiet()
    reporter.start("Preparing music", None, "tunes")
    rows: list[dict[str, Any]] = []
    encoded: list[Encoded] = []
    sets = []
    seen: dict[str, str] = {}
    rejected: list[dict[str, str]] = []
    for count, piece in enumerate(pieces, 1):
        try:
            text = to_interleaved(piece.abc)
            if text in seen:
                raise BadInput(f"a copy of {seen[text]}")
            notes = read_notes(text)
            pitches = [pitch for voice in notes.values() for pitch in melody(voice)]
            if len(pitches) < MIN_NOTES:
                raise BadInput(f"only {len(pitches)} notes")
        except BadInput as error:
            rejected.append({"path": piece.name, "reason": str(error)})
            continue
        seen[text] = piece.name
        encoded.append(encode_piece(text))
        sets.append(shingles(pitches))
        rows.append(_row(piece, text, len(pitches), len(encoded[-1].patches)))
        reporter.advance(count)
    if not rows:
        reasons = Counter(entry["reason"] for entry in rejected).most_common(1)
        raise BadInput(f"no tune could be used{f' ({reasons[0][0]})' if reasons else ''}.")
    clusters = cluster(sets)
    splits = split_clusters(clusters, eval_ratio, seed)
    for row, name, split in zip(rows, clusters, splits, strict=True):
        row |= {"cluster": name, "split": split}
    report = {
        "pieces": len(rows),
        "clusters": len(set(clusters)),
        "splits": dict(Counter(splits)),
        "notes": sum(row["notes"] for row in rows),
        "patches": sum(row["patches"] for row in rows),
        "eval_ratio": eval_ratio,
        "seed": seed,
        "licences": dict(Counter(row["licence"] for row in rows)),
        "rejected": rejected,
    }
    dataset = from_encoded(rows, encoded)
    write_dataset(folder, dataset, report)
    reporter.finish()
    return Prepared(dataset, report)


def to_interleaved(abc: str) -> str:
    """NotaGen's form of a tune; a text that has it already passes, without its counters."""
    header, body = split_body(abc)
    already = bool(body) and "\nK:" in "\n" + header and not header.startswith("X:")
    text = strip_marks(abc) if already else interleave(abc)
    check_characters(text)
    return text


def _row(piece: SourcePiece, text: str, notes: int, patches: int) -> dict[str, Any]:
    fields = dict(line.split(":", 1) for line in text.splitlines() if line[1:2] == ":")
    return {
        "path": piece.name,
        "key": fields.get("K", ""),
        "meter": fields.get("M", ""),
        "voices": text.count("\nV:"),
        "bars": text.count("\n[V:"),
        "notes": notes,
        "patches": patches,
        "provenance": piece.provenance,
        "licence": piece.licence,
    }
