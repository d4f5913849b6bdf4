"""The notes of a score by each command, as `onset:MIDI pitch:duration` in quarters, in order."""

from __future__ import annotations

from pathlib import Path

from picogen_core.abc.compare import sounds
from picogen_core.abc.reading.notes import read_notes
from picogen_core.data.piece import to_interleaved
from picogen_core.data.sources import read_file
from picogen_core.generation.request.continued import read_opening
from picogen_core.score import file as score_file
from picogen_core.score.convert import convert_musicxml, convert_text, read_musicxml
from picogen_core.score.files.reader import FileReader, ReadFile
from picogen_core.score.helper import Converter
from picogen_core.score.reading import Piece, ScoreText, open_scores, read_score
from picogen_core.score.xml.notes import read_xml_notes


def told(voices) -> str:
    """All that sounds in all voices; a quarter tone has its cents."""
    heard = sorted(sound for notes in voices.values() for sound in sounds(notes))
    return " ".join(
        f"{on}:{pitch}{f'{cents:+}' if cents else ''}:{long}" for on, long, pitch, cents in heard
    )


def heard(abc: str) -> str:
    """What a tune sounds like."""
    return told(read_notes(abc))


def by_eval(path: Path) -> list[str]:
    pieces = [read_score(s) if isinstance(s, ScoreText) else s for s in open_scores(path)]
    return [told(piece.voices) if isinstance(piece, Piece) else piece.reason for piece in pieces]


def by_data(path: Path, reader: FileReader) -> list[str]:
    made = []
    for piece in read_file(path, path.name, "", ""):
        read = reader.read(piece.file) if piece.file else ReadFile(piece.abc)
        mended = to_interleaved(read.abc)
        assert not read.left and not mended.left
        made.append(heard(mended.text))
    return made


def by_convert(path: Path, converter: Converter) -> list[str]:
    made = []
    for score in score_file.read_scores(path.read_bytes()).scores:
        if isinstance(score, str):
            done = convert_text(score, ["musicxml"], converter)
        else:
            done = convert_musicxml(read_musicxml(score), ["musicxml"], converter)
        assert not done.differences
        made.append(told(read_xml_notes(done.files[".musicxml"])[1]))
    return made


def by_continue(path: Path, reader: FileReader) -> str:
    """Of the first tune."""
    return heard(read_opening(path, None, 500, "", reader).text)
