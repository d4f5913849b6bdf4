"""MusicXML to ABC with abctoolkit's xml2abc. For the worker process only: xml2abc keeps its state
in globals and prints.
"""

from __future__ import annotations

import contextlib
import io
import re
from types import SimpleNamespace
from typing import Any

from lxml import etree

from picogen_core.abc.compare import Difference, Heard, crossing_ties
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.reading.mend import Mended, mend
from picogen_core.abc.reading.plain import write_plain
from picogen_core.errors import BadInput
from picogen_core.score.files.as_abc import AsAbc
from picogen_core.score.files.straighten import straighten
from picogen_core.score.xml.file import parse_score
from picogen_core.score.xml.notes import XmlScore, read_parts

_CREDITS = ("T:", "C:")
_TITLES, _NO_TITLE = ("work/work-title", "movement-title"), "T:Title"

# NotaGen's call is `xml2abc -d 8 -c 6 -x`; the others are its defaults.
_OPTIONS: dict[str, Any] = {
    "u": None, "m": 0, "c": 6, "d": 8, "n": 0, "b": 0, "o": "", "v": 0, "x": True, "p": [],
    "j": None, "t": None, "s": None, "v1": None, "ped": True, "stm": False, "i": None,
}  # fmt: skip


def load_xml2abc() -> Any:
    """Return the converter's module."""
    from abctoolkit import xml2abc

    return xml2abc


def musicxml_to_abc(data: bytes, *, sounding: bool = True) -> AsAbc:
    """Return the score as ABC. Bars that xml2abc misreads are rewritten from the file's notes.

    Transposing instruments are written as they sound; without `sounding`, as in the file, with
    `transpose=`.

    Raises:
        BadInput: it is no score, or has no notes.
    """
    root = parse_score(data)
    score = read_parts(root)
    if not any(note.pitch is not None for notes in score.voices.values() for note in notes):
        raise BadInput("it has no notes")
    source = Heard.of(score.voices, score.all_bars())
    credit = ""
    try:
        straighten(root, score if sounding else read_parts(root, sounding=False), sounding)
        abc = _xml2abc(etree.tostring(root))
        named = any(root.findtext(name) for name in _TITLES)
        credit = "".join(
            line + "\n"
            for line in abc.splitlines()
            if line[:2] in _CREDITS and (named or line != _NO_TITLE)
        )
        made = mend(interleave(abc, sounding=sounding), source)
    except BadInput as error:
        made = _as_plain(score, source, str(error))
    else:
        if made.left:
            with contextlib.suppress(BadInput):  # bars that ABC cannot express stay listed
                made = min(made, _as_plain(score, source, ""), key=lambda m: len(m.left))
    crossing = tuple(crossing_ties(source))
    return AsAbc("X:1\n" + credit + made.text, made.mended, made.left, crossing)


def _as_plain(score: XmlScore, source: Heard, reason: str) -> Mended:
    try:
        text = write_plain(score.voices, score.measures)
    except ValueError as error:
        raise BadInput(f"{reason}; {error}" if reason else str(error)) from None
    made = mend(text, source)
    mark = Difference(1, "all", reason or "written anew: the converter has other bars")
    return Mended(made.text, (mark, *made.mended), made.left)


def _xml2abc(data: bytes) -> str:
    xml2abc = load_xml2abc()
    options = SimpleNamespace(**_OPTIONS)
    xml2abc.abcOut = output = xml2abc.ABCoutput("score.abc", "", 0, options)
    output.outfile = io.StringIO()
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            xml2abc.Parser(options).parse(io.BytesIO(data))
    except MemoryError:
        raise
    except Exception as error:  # any exception means that it cannot read the file
        reason = str(error).split("\n")[0][:120]
        raise BadInput(f"xml2abc: {type(error).__name__}: {reason}") from None
    # A name may hold breaks that are a new line to Python but not to ABC.
    return re.sub(r"[\r\v\f\x1c-\x1e\x85\u2028\u2029]+", " ", output.outfile.getvalue())
