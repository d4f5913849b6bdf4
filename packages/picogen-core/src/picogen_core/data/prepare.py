"""From sources to prepared data: interleave, transpose, encode, cluster, split, write."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from picogen_core.data import FORMAT
from picogen_core.data.clusters import cluster, shingles, split_clusters
from picogen_core.data.keys import ORIGINAL, check_keys
from picogen_core.data.parts import Part, Settings, cut_parts, make_parts, read_facts, read_part
from picogen_core.data.piece import Task
from picogen_core.data.prepared.store import Dataset, Encoded, read_dataset, write_shards
from picogen_core.data.tag_table import Tags
from picogen_core.data.tags import Triple, tally
from picogen_core.data.types import SourcePiece
from picogen_core.errors import BadInput
from picogen_core.runtime.progress import Quiet, Reporter

PARTS = "parts"


@dataclass(frozen=True)
class Prepared:
    """The data and its report."""

    dataset: Dataset
    report: dict[str, Any]


def prepare(
    pieces: Iterable[SourcePiece],
    folder: Path,
    *,
    eval_ratio: float = 0.1,
    seed: int = 0,
    keys: str = ORIGINAL,
    tags: Tags | None = None,
    jobs: int = 1,
    reporter: Reporter | None = None,
) -> Prepared:
    """Read, interleave and encode pieces, split them by cluster of near-duplicates, write them.

    A piece that cannot be used is left out, with its reason in the report; a piece whose text
    equals an earlier one is left out as a copy. `keys` (`original`, `all`, or a number) gives a row
    for each key that passes its check. The rows of a piece share its cluster and its split.

    Results are stored in `folder`/parts until the end, so that an interrupted preparation does not
    repeat them. The result depends neither on `jobs` nor on interruptions.

    Raises:
        BadInput: no piece could be used, or none has tags although they were given.
        ConfigError: `keys` is none of the three.
    """
    reporter = reporter or Quiet()
    reporter.start("Preparing music", None, "tunes")
    settings = Settings(check_keys(keys), seed)
    tags, named, tagging = tags or Tags(), _unique_names(pieces), dict[str, Any]()
    if tags.source:
        named = iter(listed := list(named))
        tagging = tags.report(listed)
    tasks = (Task(piece, tags.lines(piece)) for piece in named)
    parts: list[Part] = []
    count = 0
    for part in make_parts(cut_parts(tasks, settings, folder / PARTS), jobs):
        parts.append(part)
        count += len(part.tasks)
        reporter.advance(count)
    plan = _plan(parts, eval_ratio, seed)
    report = plan.report(eval_ratio, seed, keys) | tagging
    report = write_shards(folder, plan.rows, _shards(parts, plan), report)
    shutil.rmtree(folder / PARTS)
    reporter.finish()
    return Prepared(read_dataset(folder), report)


@dataclass(frozen=True)
class _Plan:
    """The contents of the data. `chosen[part]` are the places of its shards, in order."""

    rows: list[dict[str, Any]]
    chosen: list[list[int]]
    rejected: list[dict[str, str]]
    left_out: Counter[str]
    midi: Counter[str]
    pieces: int

    def report(self, eval_ratio: float, seed: int, keys: str) -> dict[str, Any]:
        originals = [row for row in self.rows if row["original"]]
        report: dict[str, Any] = {
            "format": FORMAT,
            "pieces": self.pieces,
            "rows": len(self.rows),
            "clusters": len({row["cluster"] for row in self.rows}),
            "splits": dict(Counter(row["split"] for row in originals)),
            "notes": sum(row["notes"] for row in originals),
            "eval_ratio": eval_ratio,
            "seed": seed,
            "keys": keys,
            "licences": dict(Counter(row["licence"] for row in originals)),
            "tags": tally(Triple(*row["tags"]) for row in originals if "tags" in row),
        }
        report["keys_left_out"] = dict(self.left_out)
        if self.midi:
            report["midi"] = dict(self.midi)
        return report | {"rejected": self.rejected}


def _plan(parts: list[Part], eval_ratio: float, seed: int) -> _Plan:
    kept: list[tuple[int, dict[str, Any]]] = []
    rejected: list[dict[str, str]] = []
    seen: dict[str, str] = {}
    for number, part in enumerate(parts):
        for fact in read_facts(part.path):
            if "reason" not in fact and fact["text"] in seen:
                fact["reason"] = f"a copy of {seen[fact['text']]}"
            if "reason" in fact:
                rejected.append({"path": fact["name"], "reason": fact["reason"]})
                continue
            seen[fact["text"]] = fact["name"]
            kept.append((number, fact))
    if not kept:
        reasons = Counter(entry["reason"] for entry in rejected).most_common(1)
        raise BadInput(f"no tune could be used{f' ({reasons[0][0]})' if reasons else ''}.")
    clusters = cluster([shingles(fact["pitches"]) for _, fact in kept])
    splits = split_clusters(clusters, eval_ratio, seed)
    plan = _Plan([], [[] for _ in parts], rejected, Counter(), Counter(), len(kept))
    for (number, fact), name, split in zip(kept, clusters, splits, strict=True):
        for place, (key, semitones) in enumerate(fact["keys"]):
            row = {"key": key, "original": place == 0, "semitones": semitones}
            plan.rows.append(fact["row"] | row | {"cluster": name, "split": split})
            plan.chosen[number].append(fact["first"] + place)
        plan.left_out.update(fact["left_out"].values())
        if fact["midi"]:
            notes, moved, lost = fact["midi"]
            plan.midi.update({"files": 1, "notes": notes, "moved": moved, "lost": lost})
    return plan


def _shards(parts: list[Part], plan: _Plan) -> Iterator[Encoded]:
    for part, chosen in zip(parts, plan.chosen, strict=True):
        read = read_part(part.path)
        for place in chosen:
            yield Encoded(read.patches[place], read.notes[place])


def _unique_names(pieces: Iterable[SourcePiece]) -> Iterator[SourcePiece]:
    """Yield the pieces with unique names; the second `movement1` is `movement1~2`."""
    seen: set[str] = set()
    for piece in pieces:
        name, number = piece.name, 1
        while name in seen:
            number += 1
            name = f"{piece.name}~{number}"
        seen.add(name)
        yield piece if name == piece.name else replace(piece, name=name)
