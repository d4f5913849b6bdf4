"""One piece of a source made ready: read, interleaved, checked, in its keys. Runs in workers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from picogen_core.abc.compare import Heard, are_same
from picogen_core.abc.counters import strip_counters
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.interleaved.reduce import leave_out_rests
from picogen_core.abc.interleaved.rests import complete_lines
from picogen_core.abc.patches import check_characters, drop_empty_lines, split_body
from picogen_core.abc.reading.mend import Mended, mend
from picogen_core.abc.reading.notes import melody, read_notes, read_tune
from picogen_core.abc.reading.tune import is_interleaved, names_one_voice
from picogen_core.data.keys import InKey, in_keys
from picogen_core.data.prepared.store import encode_and_read
from picogen_core.data.tags import has_tags, tags_of
from picogen_core.data.types import SourcePiece
from picogen_core.errors import BadInput, PassingFault, reason
from picogen_core.score.files.reader import FileReader, ReadFile
from picogen_core.score.reading import MAX_LINE

MIN_NOTES = 8
MAX_TUNE = 4_000_000


@dataclass(frozen=True)
class Task:
    """A piece to make, with its tag lines."""

    piece: SourcePiece
    tags: str


@dataclass(frozen=True)
class Made:
    """A piece in its keys.

    text:     the interleaved piece in its own key.
    row:      its line of the index, the same in every key.
    pitches:  the melodies of its voices, one after the other.
    left_out: keys that failed their check, and why.
    """

    name: str
    text: str
    row: dict[str, Any]
    pitches: list[int]
    keys: list[InKey]
    left_out: dict[str, str]
    midi: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Rejected:
    """A piece that cannot be used, and why; `passing` if that was the machine's fault."""

    name: str
    reason: str
    passing: bool = False


def make(task: Task, keys: str, seed: int, reader: FileReader) -> Made | Rejected:
    """One piece; whatever is wrong with it, the run goes on."""
    piece = task.piece
    if piece.fault:
        return Rejected(piece.name, piece.fault)
    try:
        read = reader.read(piece.file) if piece.file else ReadFile(piece.abc)
        return _make(task, read, keys, seed)
    except Exception as error:
        passing = isinstance(error, PassingFault | MemoryError)
        return Rejected(piece.name, reason(error), passing)


def _make(task: Task, read: ReadFile, keys: str, seed: int) -> Made:
    piece = task.piece
    check_size(read.abc)
    text, tags = _unmended(read.abc), ""
    if task.tags and not has_tags(text):
        tags = task.tags
    encoded, voices = encode_and_read(tags + text)
    left = read.left
    if not left and not are_same(Heard.of(read_notes(read.abc), {}), Heard.of(voices, {})):
        made = to_interleaved(read.abc)
        text, left = made.text, "".join(map(str, made.left[:1]))
        encoded, voices = encode_and_read(tags + text)
    if left:
        raise BadInput(f"its notes would change: {left}")
    text = tags + text
    pitches = [pitch for voice in voices.values() for pitch in melody(voice)]
    if len(pitches) < MIN_NOTES:
        raise BadInput(f"only {len(pitches)} notes")
    versions, left_out = in_keys(text, keys, f"{seed}:{piece.name}", (encoded, voices))
    row = _row(piece, text, len(pitches))
    midi = None
    if read.notes is not None:
        midi = (read.notes, read.moved, read.lost)
        row["approximate"] = (
            f"{read.moved} of {read.notes} notes moved to the grid, {read.lost} lost on others"
        )
    elif read.remarks:
        row["remarks"] = list(read.remarks)
    return Made(piece.name, text, row, pitches, versions, left_out, midi)


def check_size(abc: str) -> None:
    """Raises `BadInput` for what no piece has and would take minutes."""
    if len(abc) > MAX_TUNE:
        raise BadInput(f"it has {len(abc):,} characters; at most {MAX_TUNE:,}")
    longest = max(map(len, abc.splitlines()), default=0)
    if longest > MAX_LINE:
        raise BadInput(f"a line has {longest:,} characters; at most {MAX_LINE:,}")


def to_interleaved(abc: str) -> Mended:
    """NotaGen's form of a tune: a line a bar without the voices that only rest.

    Bars whose notes came out otherwise are written anew from the notes. A text that has this form
    already passes, without its counters.

    Raises:
        BadInput: it has no key, no note, or a character outside ASCII.
    """
    if _is_ready(abc):
        return Mended(_unmended(abc))
    whole = _whole(abc)
    made = mend(interleave(whole), Heard.of(*read_tune(whole)))
    made = replace(made, text=leave_out_rests(made.text))
    check_characters(made.text)
    return made


def _unmended(abc: str) -> str:
    """The same before its notes are compared."""
    if _is_ready(abc):
        text = drop_empty_lines(strip_counters(abc))
    else:
        text = leave_out_rests(interleave(_whole(abc)))
    check_characters(text)
    return text


def _is_ready(abc: str) -> bool:
    """Whether the text has NotaGen's form and header."""
    header, _ = split_body(abc)
    return _is_marked(abc) and "\nK:" in "\n" + header and not header.startswith("X:")


def _is_marked(abc: str) -> bool:
    return "[V:" in abc and (is_interleaved(abc) or names_one_voice(abc))


def _whole(abc: str) -> str:
    return complete_lines(abc) if _is_marked(abc) else abc


def _row(piece: SourcePiece, text: str, notes: int) -> dict[str, Any]:
    fields = dict(line.split(":", 1) for line in text.splitlines() if line[1:2] == ":")
    tags = tags_of(text)
    return {
        "path": piece.name,
        **({"tags": list(tags)} if tags else {}),
        "meter": fields.get("M", ""),
        "voices": text.count("\nV:"),
        "bars": text.count("\n[V:"),
        "notes": notes,
        "provenance": piece.provenance,
        "licence": piece.licence,
    }
