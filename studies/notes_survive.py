"""Whether every note of every piece survives its way into the interleaved form.

    python studies/notes_survive.py [--corpora oneills,bach,…] [--detour 100] [--json OUT]

For each piece of a corpus of music21 the notes of its source (the book's own text by the reader of
ABC, MusicXML by the reader of MusicXML) and of its interleaved form are compared per voice: onset,
duration, pitch. What had to be written anew for that counts as `mended`. Where a voice of the
source has a bar that is longer or shorter than that of the others, all its later onsets are out of
step with them in the source and in step in the interleaved form, whose lines start all voices
together. Such pieces are compared bar by bar and counted as `same by bar`.

`--detour N` compares the native path of N seeded tunes a book with the way over MusicXML (what
`picogen convert` makes of it, read as `picogen data` does).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from picogen_core import BadInput, PicogenError
from picogen_core.abc.compare import Heard, are_same, differences
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.interleaved.separate import separate
from picogen_core.abc.reading.notes import Note, read_notes, read_tune
from picogen_core.data.corpora import read_corpus
from picogen_core.data.piece import to_interleaved
from picogen_core.score.convert import convert_text
from picogen_core.score.files.reader import FileReader, ReadFile
from picogen_core.score.helper import Converter
from picogen_core.score.xml.notes import read_xml_score

BOOKS = ("oneills", "ryans", "airds")
SCORES = ("bach", "quartets", "beethoven", "monteverdi")

Sounds = list[tuple[Fraction, Fraction, int]]
"""Onset, duration and pitch of the notes of one voice."""


def sounds(notes: tuple[Note, ...]) -> Sounds:
    """What a voice sounds, without its rests."""
    return [(n.onset, n.duration, n.pitch) for n in notes if n.pitch is not None]


def voices_of(text: str) -> Counter[tuple[Any, ...]]:
    """The voices as they sound, in no order: the interleaved form gives them other names."""
    voices = (tuple(sorted(sounds(notes))) for notes in read_notes(text).values())
    return Counter(voice for voice in voices if voice)


def compare(source: str, made: str) -> str:
    """`same`, `same by bar` or `differs`."""
    wanted = voices_of(source)
    if wanted == voices_of(made):
        return "same"
    return "same by bar" if wanted == voices_of(separate(made)) else "differs"


def compare_score(file: Path, made: str) -> str:
    """The same of a MusicXML file and the ABC that was made of it."""
    score = read_xml_score(file.read_bytes())
    source, result = Heard.of(score.voices, score.all_bars()), Heard.of(*read_tune(made))
    if are_same(source, result):
        return "same"
    return "differs" if differences(source, result) else "same by bar"


def study(which: str) -> dict[str, Any]:
    """Counts of one corpus, and the names of the pieces that are not the same."""
    counts: Counter[str] = Counter()
    odd: dict[str, str] = {}
    with FileReader() as reader:
        for piece in read_corpus(which):
            counts["pieces"] += 1
            try:
                read = reader.read(piece.file) if piece.file else ReadFile(piece.abc)
                made = to_interleaved(read.abc)
            except BadInput as error:
                counts["refused"] += 1
                odd[piece.name] = f"refused: {error}"
                continue
            if piece.file is None or piece.file.suffix == ".krn":
                verdict = compare(read.abc, made.text)
            else:
                verdict = compare_score(piece.file, made.text)
            counts[verdict] += 1
            counts["mended"] += bool(made.mended or read.remarks)
            counts["notes"] += sum(len(v) * n for v, n in voices_of(made.text).items())
            if verdict != "same":
                odd[piece.name] = verdict
    return {**counts, "odd": odd}


def detour(which: str, count: int, seed: int) -> dict[str, Any]:
    """Of `count` seeded tunes of a book: how many have the same notes over MusicXML."""
    pieces = random.Random(seed).sample(list(read_corpus(which)), count)
    counts: Counter[str] = Counter()
    odd: dict[str, str] = {}
    with FileReader() as reader, Converter() as converter, TemporaryDirectory() as folder:
        for piece in pieces:
            file = Path(folder) / "tune.musicxml"
            try:
                done = convert_text(piece.abc, ["musicxml"], converter)
                file.write_bytes(done.files[".musicxml"])
                abc = reader.read(file).abc
                equal = voices_of(interleave(piece.abc)) == voices_of(interleave(abc))
                verdict = "same" if equal else "differs"
            except PicogenError as error:
                verdict = "not converted"
                odd[piece.name] = str(error)
            counts[verdict] += 1
            if verdict != "same":
                odd.setdefault(piece.name, verdict)
    return {"tunes": count, **counts, "odd": odd}


def main() -> None:
    """Print the counts of each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", default=",".join((*BOOKS, *SCORES)))
    parser.add_argument("--detour", type=int, default=0, metavar="N", help="seeded tunes a book")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for which in filter(None, options.corpora.split(",")):
        results[which] = study(which)
        show(which, results[which])
    for which in BOOKS if options.detour else ():
        name = f"{which} over MusicXML"
        results[name] = detour(which, options.detour, options.seed)
        show(name, results[name])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def show(name: str, result: dict[str, Any]) -> None:
    """Counts on stdout, the first of the odd pieces on stderr."""
    counts = {key: value for key, value in result.items() if key != "odd"}
    print(name, counts, flush=True)
    for piece, reason in list(result["odd"].items())[:12]:
        print(f"  {piece}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
