"""A piece as metrics see it, its text, notes and bars, and how pieces come from files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from picogen_core.abc.reading.notes import Note, read_tune
from picogen_core.abc.reading.voices import Bar
from picogen_core.errors import BadInput, PassingFault, reason
from picogen_core.runtime.reading import read_json
from picogen_core.runtime.shards import WHOLE, Shard
from picogen_core.score import file as score_file
from picogen_core.score.formats import SUFFIXES
from picogen_core.score.xml.file import unzip_mxl
from picogen_core.score.xml.notes import read_xml_notes

MAX_TUNE = 500_000
"""Characters of one tune: Beethoven's opus 132 has 145,000. A book may be longer."""

MAX_LINE, MAX_VOICES, MAX_CHORD = 16 * 1024, 256, 1000
"""Characters of a line; voices, overlays counted; notes of a voice that begin together."""

_RECORDED = ("repairs", "raw", "complete", "error")
_MAX_RECORD = 4_000_000


@dataclass(frozen=True)
class Piece:
    """One score.

    name:   the path relative to its folder, with `#2` for the second tune of an ABC book.
    text:   ABC, or MusicXML as it stands in the file.
    voices: voice name -> its notes, rests included, in the order of the text.
    bars:   voice name -> its bars; overlays (`1&2`) have none of their own.
    record: what `picogen generate` wrote beside it: repairs, raw text, complete; else empty.
    fault:  why nothing could be read (then there are no voices), or None.
    """

    name: str
    text: str
    voices: dict[str, tuple[Note, ...]]
    bars: dict[str, tuple[Bar, ...]] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True)
class Unreadable:
    """A file, or a tune of a book, that gave no notes, and why; `passing` if that was the machine's
    fault and nothing may be concluded from it."""

    name: str
    reason: str
    passing: bool = False


@dataclass(frozen=True)
class ScoreText:
    """A score that has not been read yet: one tune of ABC (kern and MIDI are made ABC), or the
    bytes of a MusicXML file.

    path: the file it is from; None if it is from none.
    """

    name: str
    data: str | bytes
    path: Path | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def form(self) -> Literal["abc", "musicxml"]:
        return "abc" if isinstance(self.data, str) else "musicxml"

    def digest(self) -> str:
        """sha256 of all that a metric can see of it but its name."""
        data = self.data.encode(errors="surrogatepass") if isinstance(self.data, str) else self.data
        seen = hashlib.sha256(f"{self.form} {len(data)} ".encode() + data)
        seen.update(json.dumps(self.record, sort_keys=True).encode())
        return seen.hexdigest()


def open_scores(path: Path, shard: Shard = WHOLE) -> Iterator[ScoreText | Unreadable]:
    """Every score of a file or, recursively, of a folder, sorted by name; of a shard every n-th
    file.

    A faulty file does not stop the others: an `Unreadable` comes in its place, so that a caller
    has to count it; likewise for a piece of which `picogen generate` left nothing but its JSON.
    Files that differ only in their suffix are one score (`generate --to` leaves several formats
    side by side) and are read once, from the first of `SUFFIXES`.

    Raises:
        BadInput: `path` is not there, or there is no score in it.
    """
    if path.is_dir():
        files = _one_of_each(score_file.files_below(path))
        if not files:
            raise BadInput(f"{path}: no scores ({', '.join(SUFFIXES)}) in this folder.")
        files = [file for number, file in enumerate(files) if shard.holds(number)]
        return _open_files(path, files, within=path)
    if not path.exists():
        raise BadInput(f"{path}: there is no such file or folder.")
    if path.suffix.lower() not in SUFFIXES and not score_file.is_score(path):
        raise BadInput(f"{path}: not a score; these are read: {', '.join(SUFFIXES)}.")
    return _open_files(path.parent, [path] if shard.holds(0) else [])


def read_score(score: ScoreText) -> Piece | Unreadable:
    """The notes and bars of a score. Whatever a reader raises costs this score alone."""
    try:
        if isinstance(score.data, str):
            if len(score.data) > MAX_TUNE:
                raise BadInput(f"a tune of {len(score.data):,} characters; at most {MAX_TUNE:,}")
            longest = max(map(len, score.data.splitlines()), default=0)
            if longest > MAX_LINE:
                raise BadInput(f"a line has {longest:,} characters; at most {MAX_LINE:,}")
            piece = piece_from_abc(score.name, score.data, score.record)
        else:
            packed = score.data[:2] == b"PK"
            text, voices, bars = read_xml_notes(unzip_mxl(score.data) if packed else score.data)
            piece = Piece(score.name, text, voices, bars, score.record)
        _check_texture(piece.voices)
    except Exception as error:
        return Unreadable(score.name, reason(error), isinstance(error, MemoryError | PassingFault))
    return piece if piece.voices else Unreadable(score.name, "no notes in it")


def _check_texture(voices: Mapping[str, Sequence[Note]]) -> None:
    """Raises `BadInput` for what no score has, and what compares its notes in pairs would take
    hours and gigabytes for."""
    if len(voices) > MAX_VOICES:
        raise BadInput(f"it has {len(voices):,} voices; at most {MAX_VOICES:,}")
    for notes in voices.values():
        most = max(Counter(note.onset for note in notes).values(), default=0)
        if most > MAX_CHORD:
            raise BadInput(f"{most:,} notes of a voice begin at once; at most {MAX_CHORD:,}")


def read_pieces(path: Path) -> Iterator[Piece | Unreadable]:
    """The same scores, read. Raises `BadInput` as `open_scores`."""
    return (read_score(s) if isinstance(s, ScoreText) else s for s in open_scores(path))


def piece_from_abc(name: str, abc: str, record: Mapping[str, Any] | None = None) -> Piece:
    """A tune that is in no file."""
    voices, bars = read_tune(abc)
    return Piece(name, abc, voices, bars, record or {})


def _one_of_each(files: Sequence[Path]) -> list[Path]:
    """The scores, and the JSON files that have no score beside them."""
    chosen: dict[Path, Path] = {}
    order = (*SUFFIXES, ".json")
    known = (file for file in files if file.suffix.lower() in order)
    for file in sorted(known, key=lambda file: (order.index(file.suffix.lower()), file)):
        chosen.setdefault(file.with_suffix(""), file)
    kept = (file for file in chosen.values() if file.suffix != ".json" or "error" in _record(file))
    return sorted(kept, key=lambda file: file.as_posix())


def _open_files(
    folder: Path, files: list[Path], within: Path | None = None
) -> Iterator[ScoreText | Unreadable]:
    for file in files:
        name = file.relative_to(folder).as_posix()
        if file.suffix == ".json":
            yield Unreadable(
                name, f"nothing could be made of the draft: {_record(file).get('error')}"
            )
            continue
        try:
            found = _open_file(name, file, within)
        except Exception as error:
            yield Unreadable(name, reason(error))
        else:
            yield from found


def _open_file(name: str, file: Path, within: Path | None) -> list[ScoreText]:
    record = _record(file.with_suffix(".json"))
    scores = score_file.read_scores(score_file.read_file(file, within)).scores
    if len(scores) == 1:
        return [ScoreText(name, scores[0], file, record)]
    return [ScoreText(f"{name}#{count}", tune, file) for count, tune in enumerate(scores, 1)]


def _record(file: Path) -> dict[str, Any]:
    """What `picogen generate` wrote of a piece, as far as metrics use it; {} if it is not that."""
    try:
        data = read_json(file, _MAX_RECORD)
    except (OSError, ValueError):
        return {}
    if not isinstance(data, dict) or not isinstance(data.get("raw"), str):
        return {}
    return {key: data[key] for key in _RECORDED if key in data}
