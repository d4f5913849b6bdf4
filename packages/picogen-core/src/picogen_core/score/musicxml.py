"""ABC to MusicXML with abctoolkit's abc2xml. For the worker process only: abc2xml keeps its state
in globals, prints, reads files that a text names, and evaluates meters as Python code.
"""

from __future__ import annotations

import contextlib
import io
import re
from functools import reduce
from math import gcd
from typing import Any

from picogen_core.score.limits import ConversionError, safe_abc

_DOCTYPE = (
    "<?xml version='1.0' encoding='utf-8'?>\n"
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 3.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_MAX_WARNINGS = 20
_DIVISIONS = 720_720  # of a quarter: 64ths in tuplets up to 13 come out whole (its own: 2520)


def load_abc2xml() -> Any:
    """The converter, with what lets a text reach beyond itself taken out of its reach."""
    from abctoolkit import abc2xml

    module: Any = abc2xml
    module.eval = _sum_of_digits  # a meter `M:os.system("…")/4` would run
    module.open = module.readfile = _refuse
    reset = module.MusicXml.reset
    if reset.__module__ != __name__:

        def reset_finely(self: Any, *args: Any) -> None:
            reset(self, *args)
            self.divisions = _DIVISIONS

        module.MusicXml.reset = reset_finely
    return module


def _sum_of_digits(beats: str) -> int:
    if not re.fullmatch(r"\d{1,2}(?:\+\d{1,2})*", beats.strip()):
        raise ValueError(f"{beats[:20]!r} is no number of beats")
    return sum(int(part) for part in beats.split("+"))


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError("a score opens no files")


def abc_to_musicxml(abc: str) -> tuple[str, list[str]]:
    """(MusicXML, the converter's warnings).

    Raises:
        ConversionError: the text is refused or does not parse.
    """
    abc2xml = load_abc2xml()
    text = safe_abc(abc)
    if not re.search(r"^X:", text, re.M):
        text = "X:1\n" + text
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            score = abc2xml.mxm.parse(text)
    except Exception as error:  # whatever it raises, the text is at fault and its name the reason
        reason = str(error).split("\n")[0][:120]
        raise ConversionError(f"abc2xml: {type(error).__name__}: {reason}") from None
    _shorten_durations(score)
    for encoding in score.iter("encoding"):
        for date in encoding.findall("encoding-date"):
            encoding.remove(date)  # the same text gives the same file on any day
    xml = abc2xml.E.tostring(score, encoding="unicode")
    said_lines = [line for line in said.getvalue().splitlines() if line.startswith(("**", "-- "))]
    warnings = [line.lstrip("-* ") for line in said_lines if "(field X," not in line]
    return _DOCTYPE + xml + "\n", warnings[:_MAX_WARNINGS]


def _shorten_durations(score: Any) -> None:
    """Divide durations and divisions by what they have in common."""
    durations = list(score.iter("duration"))
    divisions = list(score.iter("divisions"))
    common = reduce(gcd, (int(element.text) for element in durations + divisions), 0) or 1
    for element in durations + divisions:
        element.text = str(int(element.text) // common)
