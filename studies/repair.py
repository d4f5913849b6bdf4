"""How much of damaged music the repairs save: seeded mutations of real pieces, by kind.

    python studies/repair.py --count 2000 --jobs 2

Prints for each kind of damage: how many end valid (MusicXML 4.0 schema, voices aligned, as many
measures as bars), the polyphonic ones among them, and how many of the notes that the damage left
alone are still there with pitch and length. `--clean` repairs the undamaged pieces instead.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import Path

from picogen_core.abc.reading.notes import Note, read_notes
from picogen_core.abc.repair import repair
from picogen_core.errors import PicogenError
from picogen_core.score.helper import Converter
from picogen_core.score.validity import validity_faults
from repair_mutations import MUTATIONS, Edit, apply
from repair_pieces import BOOKS, Source, scores, tunes

# Of 20 mutants: 9 of tunes, 8 of chorales, 3 of string quartets.
GROUPS = (("tunes", 9), ("bach", 8), ("quartets", 2), ("beethoven", 1))
_TOKEN = re.compile(r"[\^_=]*[A-Ga-g][,']*\d*/*\d*|\[[^\]\n|]*\]\d*/*\d*")


@dataclass(frozen=True)
class Outcome:
    """One mutant. fault: "" if it ended valid; kept of the `left` notes left alone."""

    kind: str
    source: str
    seed: int
    polyphonic: bool
    fault: str
    left: int
    kept: int


def load(every: int = 1) -> dict[str, list[Source]]:
    """The pieces by group; Bach and the tune books thinned, as converting them all takes long."""
    return {
        "tunes": [piece for book in BOOKS for piece in tunes(book, 7 * every)],
        "bach": list(scores("bach", 4 * every)),
        "quartets": list(scores("quartets", every)),
        "beethoven": list(scores("beethoven", 2 * every)),
    }


def plan(
    pieces: dict[str, list[Source]], count: int, seed: int
) -> Iterator[tuple[Source, str, int]]:
    """(piece, kind, seed) of each mutant: all kinds equally often, groups by their share."""
    groups = [name for name, share in GROUPS for _ in range(share) if pieces[name]]
    kinds = list(MUTATIONS)
    chance = random.Random(seed)
    for number in range(count):
        group = chance.choice(groups)
        yield chance.choice(pieces[group]), kinds[number % len(kinds)], seed * 1_000_003 + number


@lru_cache(maxsize=1)
def _converter() -> Converter:
    return Converter()


def judge(job: tuple[Source, str, int]) -> Outcome:
    """Damage a piece, repair and convert it, and count what is left."""
    source, kind, seed = job
    edits = MUTATIONS[kind](source.text, random.Random(seed))
    left = untouched(source.text, edits)
    count = sum(map(len, left.values()))
    kept, fault = 0, ""
    try:
        mended = repair(apply(source.text, edits)).text
        kept = count_kept(left, read_notes(mended))
        faults = validity_faults(_converter().to_musicxml(mended), mended)
        fault = faults[0] if faults else ""
    except PicogenError as error:
        fault = str(error)
    return Outcome(kind, source.name, seed, source.polyphonic, fault, count, kept)


def untouched(text: str, edits: list[Edit]) -> dict[str, list[Note]]:
    """The sounding notes of the text that no edit touches or stands beside."""
    touched = [(start - 1, max(end, start + 1)) for start, end, _ in edits]
    ends = {m.start() + k: m.end() for m in _TOKEN.finditer(text) for k in range(len(m.group()))}
    return {
        voice: [
            note
            for note in notes
            if note.pitch is not None
            and not any(
                a <= ends.get(note.start, note.start) and note.start <= b for a, b in touched
            )
        ]
        for voice, notes in read_notes(text).items()
    }


def count_kept(before: dict[str, list[Note]], after: dict[str, tuple[Note, ...]]) -> int:
    """Notes of `before` that `after` has in the same voice, in the same order, as long."""
    kept = 0
    for voice, notes in before.items():
        a = [(note.pitch, note.duration) for note in notes]
        b = [(n.pitch, n.duration) for n in after.get(voice, ()) if n.pitch is not None]
        same = 0
        while same < min(len(a), len(b)) and a[same] == b[same]:
            same += 1
        a, b = a[same:], b[same:]
        tail = 0
        while tail < min(len(a), len(b)) and a[-1 - tail] == b[-1 - tail]:
            tail += 1
        a, b = a[: len(a) - tail], b[: len(b) - tail]
        blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
        kept += same + tail + sum(block.size for block in blocks)
    return kept


def table(outcomes: Iterable[Outcome]) -> str:
    """Markdown: a row a kind and one for all."""
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.kind].append(outcome)
        by_kind["all"].append(outcome)
    rows = [
        "| damage | n | valid | polyphonic n | valid | notes kept |",
        "|---|---|---|---|---|---|",
    ]
    for kind in [*MUTATIONS, "all"]:
        some = by_kind[kind]
        poly = [o for o in some if o.polyphonic]
        notes = sum(o.left for o in some)
        rows.append(
            f"| {kind} | {len(some)} | {_percent(sum(not o.fault for o in some), len(some))} | "
            f"{len(poly)} | {_percent(sum(not o.fault for o in poly), len(poly))} | "
            f"{_percent(sum(o.kept for o in some), notes)} |"
        )
    return "\n".join(rows)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def clean(pieces: dict[str, list[Source]]) -> str:
    """How many undamaged pieces are valid without repair, and of those how many it leaves alone."""
    rows = ["| pieces | n | valid as they are | of those unchanged | of all unchanged |"]
    rows.append("|---|---|---|---|---|")
    for group, some in pieces.items():
        valid = same = unchanged = 0
        for piece in some:
            try:
                is_valid = not validity_faults(_converter().to_musicxml(piece.text), piece.text)
                is_same = repair(piece.text).text == piece.text
            except PicogenError:
                is_valid = is_same = False
            valid += is_valid
            same += is_same and is_valid
            unchanged += is_same
        rows.append(f"| {group} | {len(some)} | {valid} | {same} | {unchanged} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="mutants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--clean", action="store_true", help="repair the pieces undamaged")
    parser.add_argument("--json", help="write every outcome to this file, a line each")
    given = parser.parse_args()
    pieces = load()
    print({name: len(some) for name, some in pieces.items()}, f"seed {given.seed}")
    if given.clean:
        print(clean(pieces))
        return
    with ProcessPoolExecutor(given.jobs) as pool:
        outcomes = list(pool.map(judge, plan(pieces, given.count, given.seed), chunksize=8))
    print(table(outcomes))
    for fault, count in Counter(re.sub(r"\d+", "#", o.fault) for o in outcomes if o.fault).items():
        print(f"{count:5d}  {fault[:150]}")
    if given.json:
        Path(given.json).write_text("".join(json.dumps(vars(o)) + "\n" for o in outcomes))


if __name__ == "__main__":
    main()
