"""MusicXML to ABC with abctoolkit's xml2abc. For the worker process only: xml2abc keeps its state
in globals and prints.
"""

from __future__ import annotations

import contextlib
import io
import re
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

from picogen_core.data.files.limits import MAX_EXPANDED
from picogen_core.errors import BadInput
from picogen_core.xml_notes import unzip_mxl

_ROOT = "score-partwise"

# NotaGen's call is `xml2abc -d 8 -c 6 -x`; the others are its defaults.
_OPTIONS: dict[str, Any] = {
    "u": None, "m": 0, "c": 6, "d": 8, "n": 0, "b": 0, "o": "", "v": 0, "x": True, "p": [],
    "j": None, "t": None, "s": None, "v1": None, "ped": True, "stm": False, "i": None,
}  # fmt: skip


def load_xml2abc() -> Any:
    """The converter's module."""
    from abctoolkit import xml2abc

    return xml2abc


def musicxml_to_abc(data: bytes) -> str:
    """The score as ABC, one V: a voice. An .mxl is expanded.

    Raises:
        BadInput: xml2abc cannot read it, or finds no note in it.
    """
    if data[:2] == b"PK":
        data = unzip_mxl(data, MAX_EXPANDED)
    xml2abc = load_xml2abc()
    options = SimpleNamespace(**_OPTIONS)
    xml2abc.abcOut = output = xml2abc.ABCoutput("score.abc", "", 0, options)
    output.outfile = io.StringIO()
    try:
        root = next(ElementTree.iterparse(io.BytesIO(data), ["start"]))[1].tag
        if root != _ROOT:
            raise BadInput(f"its root is <{root}>; of MusicXML <{_ROOT}> is read")
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            xml2abc.Parser(options).parse(io.BytesIO(data))
    except (MemoryError, BadInput):
        raise
    except Exception as error:  # whatever it raises, the file is at fault and its name the reason
        reason = str(error).split("\n")[0][:120]
        raise BadInput(f"xml2abc: {type(error).__name__}: {reason}") from None
    # A name may hold breaks that are a new line to Python but not to ABC.
    abc = re.sub(r"[\r\v\f\x1c-\x1e\x85\u2028\u2029]+", " ", output.outfile.getvalue())
    if not abc:
        raise BadInput("it has no notes")
    return abc
