"""From sources to prepared data: interleave, transpose, encode, cluster, split, write."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from picogen_core.data import FORMAT
from picogen_core.data.chunks import (
    Settings,
    cut_chunks,
    make_chunks,
    read_chunk,
    read_facts,
    refuse_missing,
)
from picogen_core.data.clusters import Shingles, cluster, shingles, split_clusters
from picogen_core.data.keys import ORIGINAL, check_keys
from picogen_core.data.piece import Task
from picogen_core.data.prepared.store import (
    Dataset,
    Encoded,
    read_dataset,
    share_strings,
    write_shards,
)
from picogen_core.data.tag_table import Tags
from picogen_core.data.tags import Triple, tally
from picogen_core.data.types import SourcePiece
from picogen_core.errors import BadInput
from picogen_core.runtime.progress import Quiet, Reporter
from picogen_core.runtime.shards import Shard

CHUNKS = "parts"


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
    merge: bool = False,
    reporter: Reporter | None = None,
) -> Prepared:
    """Read, interleave and encode pieces, split them by cluster of near-duplicates, write them.

    A piece that cannot be used is left out, with its reason in the report; a piece whose text
    equals an earlier one is left out as a copy. `keys` (`original`, `all`, or a number) gives a row
    for each key that passes its check. The rows of a piece share its cluster and its split.

    Results are stored in `folder`/parts until the end, so that an interrupted preparation does not
    repeat them. The result depends neither on `jobs` nor on interruptions, nor on how many
    processes made the chunks with `prepare_shard`; with `merge` all chunks have to be there.

    Raises:
        BadInput: no piece could be used, or none has tags although they were given, or a chunk is
            missing.
        ConfigError: `keys` is none of the three.
    """
    reporter = reporter or Quiet()
    reporter.start("Preparing music", None, "tunes")
    tasks, tagging = _tasks(pieces, tags or Tags())
    chunks = cut_chunks(tasks, Settings(check_keys(keys), seed), folder / CHUNKS)
    made: list[Path] = []
    count = 0
    for chunk in make_chunks(refuse_missing(chunks) if merge else chunks, jobs):
        made.append(chunk.path)
        count += len(chunk.tasks)
        reporter.advance(count)
    try:
        report = _write(folder, made, eval_ratio, seed, keys, tagging)
    except BadInput:  # nothing in them is of use
        shutil.rmtree(folder / CHUNKS)
        raise
    shutil.rmtree(folder / CHUNKS)
    reporter.finish()
    return Prepared(read_dataset(folder), report)


def prepare_shard(
    pieces: Iterable[SourcePiece],
    folder: Path,
    shard: Shard,
    *,
    seed: int = 0,
    keys: str = ORIGINAL,
    tags: Tags | None = None,
    jobs: int = 1,
    reporter: Reporter | None = None,
) -> int:
    """Make the chunks of a shard in `folder`/parts, for `prepare` to merge; return their pieces.

    Several processes may do so at once. Chunks that are there are not made again.

    Raises:
        BadInput, ConfigError: as `prepare`.
    """
    reporter = reporter or Quiet()
    reporter.start(f"Preparing music, shard {shard}", None, "tunes")
    tasks, _ = _tasks(pieces, tags or Tags())
    count = 0
    for chunk in make_chunks(
        cut_chunks(tasks, Settings(check_keys(keys), seed), folder / CHUNKS, shard), jobs
    ):
        count += len(chunk.tasks)
        reporter.advance(count)
    reporter.finish()
    return count


def _tasks(pieces: Iterable[SourcePiece], tags: Tags) -> tuple[Iterator[Task], dict[str, Any]]:
    """Return the pieces with their tags, and what the report has on tags."""
    named, tagging = _unique_names(pieces), dict[str, Any]()
    if tags.source:
        named = iter(listed := list(named))
        tagging = tags.report(listed)
    return (Task(piece, tags.lines(piece)) for piece in named), tagging


def _write(
    folder: Path,
    chunks: list[Path],
    eval_ratio: float,
    seed: int,
    keys: str,
    tagging: dict[str, Any],
) -> dict[str, Any]:
    plan = _plan(chunks, eval_ratio, seed)
    report = plan.report(eval_ratio, seed, keys) | tagging
    return write_shards(folder, plan.rows, _shards(chunks, plan), report)


@dataclass(frozen=True)
class _Plan:
    """The contents of the data. `chosen[chunk]` are the places of its shards, in order."""

    rows: list[dict[str, Any]]
    chosen: list[list[int]]
    rejected: list[dict[str, str]]
    left_out: Counter[str]
    midi: Counter[str]

    def report(self, eval_ratio: float, seed: int, keys: str) -> dict[str, Any]:
        originals = [row for row in self.rows if row["original"]]
        report: dict[str, Any] = {
            "format": FORMAT,
            "pieces": len(originals),
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


def _plan(chunks: list[Path], eval_ratio: float, seed: int) -> _Plan:
    plan = _Plan([], [[] for _ in chunks], [], Counter(), Counter())
    seen: dict[bytes, str] = {}
    melodies: list[Shingles] = []
    for number, chunk in enumerate(chunks):
        for fact in read_facts(chunk):
            if "reason" not in fact:
                text = bytes.fromhex(fact["text"])
                if text in seen:
                    fact["reason"] = f"a copy of {seen[text]}"
            if "reason" in fact:
                plan.rejected.append({"path": fact["name"], "reason": fact["reason"]})
                continue
            seen[text] = fact["name"]
            melodies.append(shingles(fact["pitches"]))
            _enter(plan, number, fact)
    if not melodies:
        reasons = Counter(entry["reason"] for entry in plan.rejected).most_common(1)
        raise BadInput(f"no tune could be used{f' ({reasons[0][0]})' if reasons else ''}.")
    del seen
    clusters = cluster(melodies)
    splits = split_clusters(clusters, eval_ratio, seed)
    piece = -1
    for row in plan.rows:
        piece += row["original"]
        row.update({"cluster": clusters[piece], "split": splits[piece]})
    return plan


def _enter(plan: _Plan, chunk: int, fact: dict[str, Any]) -> None:
    """Add the rows of a piece."""
    facts = share_strings(fact["row"])
    for place, (key, semitones) in enumerate(fact["keys"]):
        row = {"key": sys.intern(key), "original": place == 0, "semitones": semitones}
        plan.rows.append(facts | row)
        plan.chosen[chunk].append(fact["first"] + place)
    plan.left_out.update(fact["left_out"].values())
    if fact["midi"]:
        notes, moved, lost = fact["midi"]
        plan.midi.update({"files": 1, "notes": notes, "moved": moved, "lost": lost})


def _shards(chunks: list[Path], plan: _Plan) -> Iterator[Encoded]:
    for chunk, chosen in zip(chunks, plan.chosen, strict=True):
        read = read_chunk(chunk)
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
