"""The reader of notes, for metrics, the loss and all other code that needs the notes of a text.

It never raises. It reads tune books, `V:` lines, inline `[V:1]`, and NotaGen's interleaved form,
where one line holds the same bars of all voices.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from picogen_core.abc.reading.lexer import lex
from picogen_core.abc.reading.reader import read_voices
from picogen_core.abc.reading.voices import Bar, NoteDraft


@dataclass(frozen=True, slots=True)
class Note:
    """A note, chord tone or rest; tied notes are separate, with `tied` on the first.

    pitch:    MIDI number of the sounding pitch, or None for a rest or a note of percussion.
    step:     diatonic step 7 · octave + letter without the clef's octaves, C = 0 (middle C, `C`, is
              28); 0 for a rest, but not for percussion.
    onset:    quarters since the start of the piece.
    duration: quarters.
    start:    index in the text of its letter; -1 where a macro wrote it.
    octave:   octave marks follow the letter.
    tied:     a tie binds it to the next note of its pitch.
    chord:    0 for a single note; 1, 2, … for the tones of one chord, in the order of the text.
    cents:    50 or -50 for a quarter tone, of which `pitch` is the natural.
    """

    pitch: int | None
    step: int
    onset: Fraction
    duration: Fraction
    start: int
    octave: bool = False
    tied: bool = False
    chord: int = 0
    cents: int = 0


def read_notes(text: str) -> dict[str, tuple[Note, ...]]:
    """Return the notes and rests of every voice of one tune, in the order of the text.

    - Voices are in the order of their names in the text. A tune without V: has the voice "1"; an
      overlay after `&` is voice "1&2".
    - Repeats are not expanded, and grace notes are dropped.
    - An accidental holds for its letter and octave to the end of the bar, unless
      `propagate-accidentals` is set.
    - Pitches are sounding ones: `octave=`, `transpose=` and the octave of a clef count.
    - Unreadable text is skipped; a length of zero or out of all proportion counts as one unit.
    - In the interleaved form all voices start together on each line, so a voice that is left out of
      a line rests.
    """
    return read_tune(text)[0]


def read_tune(text: str) -> tuple[dict[str, tuple[Note, ...]], dict[str, tuple[Bar, ...]]]:
    """Return `read_notes`, and the bars of every voice but overlays. `Z4` is four bars."""
    voices = read_voices(text)
    notes = {name: tuple(map(_finish, v.drafts)) for name, v in voices.items() if v.drafts}
    return notes, {name: tuple(v.bars) for name, v in voices.items() if "&" not in name and v.bars}


def _finish(d: NoteDraft) -> Note:
    start = max(d.start, -1)
    return Note(d.pitch, d.step, d.onset, d.duration, start, d.octave, d.tied, d.chord, d.cents)


def melody(notes: Iterable[Note]) -> list[int]:
    """Return MIDI pitches of a voice: no rests, top notes of chords, ties to one pitch merged."""
    return [top.pitch for top in _line(notes) if top.pitch is not None]


def _line(notes: Iterable[Note]) -> Iterator[Note]:
    """Yield the top notes of a voice without rests and without continuations of ties."""
    bound: int | None = None
    for top in _tops(notes):
        if top.pitch is not None and top.pitch != bound:
            yield top
        bound = top.pitch if top.tied else None


def _tops(notes: Iterable[Note]) -> Iterator[Note]:
    best: Note | None = None
    for note in notes:
        if best is not None:
            if note.chord > 1 and note.pitch is not None and best.pitch is not None:
                best = note if note.pitch > best.pitch else best
                continue
            yield best
        best = note
    if best is not None:
        yield best


_TUNE = re.compile(r"^X:[ \t]*\d*", re.M)
_TEXT_BLOCK = re.compile(r"^%%begin(\w+).*?^%%end\1[^\n]*\n?", re.M | re.S)
_FILE_HEADER = re.compile(r"[CILMmU]:|%%(?:propagate-accidentals|linebreak)")


def split_tunes(book: str) -> list[str]:
    """Return the tunes of an ABC book, each from its X: line; a text without X: is one tune.

    The fields of the file header follow each X: line (ABC 2.1, 2.2.2). Prose between tunes is
    dropped: a paragraph without barline and field is music only after a header.
    """
    book = _TEXT_BLOCK.sub("", book.replace("\r\n", "\n").replace("\r", "\n"))
    starts = [match.start() for match in _TUNE.finditer(book)]
    before = book[: starts[0]] if starts else ""
    if not starts or re.search(r"^K:", before, re.M):
        starts, before = [0, *starts], ""
    header = _file_header(before)
    tunes = [book[a:b] for a, b in zip(starts, [*starts[1:], len(book)], strict=True)]
    if header:
        tunes = [re.sub(r"\A[^\n]*\n", lambda x: x.group() + header, tune) for tune in tunes]
    return [tune for tune in map(_without_prose, tunes) if tune.strip()]


def _file_header(text: str) -> str:
    """Return the fields of paragraphs of fields alone before the first tune."""
    paragraphs = (part.split("\n") for part in re.split(r"\n(?:[ \t]*\n)+", text))
    lines = [
        line
        for part in paragraphs
        if all(re.match(r"[A-Za-z+]:|%|\s*\Z", line) for line in part)
        for line in part
        if _FILE_HEADER.match(line)
    ]
    return "".join(line + "\n" for line in lines)


def _without_prose(tune: str) -> str:
    kept, *others = re.split(r"\n(?:[ \t]*\n)+", tune)
    for part in others:
        if "|" in part or re.match(r"[A-Za-z]:|%", part) or _begins_music(kept, part):
            kept += "\n" + part
    return kept.rstrip("\n") + "\n" if tune.strip() else ""


def _begins_music(before: str, part: str) -> bool:
    """Return whether a paragraph is music alone and follows a header."""
    last = before.rstrip("\n").rpartition("\n")[2]
    return last.startswith("K:") and all(token.kind != "bad" for token in lex(part))
