"""ABC to MusicXML with abctoolkit's abc2xml. For the worker process only: abc2xml keeps its state
in globals, prints, reads files that a text names, and evaluates meters as Python code.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import types
from fractions import Fraction
from functools import lru_cache, reduce
from math import gcd
from pathlib import Path
from typing import Any

from picogen_core.score.limits import ConversionError, safe_abc

_DOCTYPE = (
    "<?xml version='1.0' encoding='utf-8'?>\n"
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 3.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_MAX_WARNINGS = 20
_DIVISIONS = 46_126_080  # of a quarter: 1024ths in tuplets up to 13 are integers (its own: 2520)

# Changes of its code for what it cannot read: quarter tones; notes below the 64th, which it rounds
# up; the accidental of a tied note, which holds in its bar as any other; and ties of two tones of
# one letter in a chord, which it takes for one.
_CHANGES = (
    (
        "        if (note, oct) in s.ties:\n"
        "            tied_alter, _, vnum, _ = s.ties [(note,oct)] ",
        "        if acc: s.msreAlts [(nUp, octnum)] = s.alterTab [acc]\n"
        "        tied = [t for p, t in s.ties.items () if p[:2] == (note, oct)]\n"
        "        if tied and not acc:\n"
        "            tied_alter, _, vnum, _ = tied [0] ",
    ),
    ("ptup = (step, oct) ", "ptup = (step, oct, alter or '0') "),
    ("if pts and pt in pts:", "if pts and pt[:2] in pts:"),
    ("converted to slur' % pt)", "converted to slur' % pt[:2])"),
    ("oneOf ('^^ __ ^ _ =')", "oneOf ('^^ __ ^/ _/ ^ _ =')"),
    ("alterTab = {", "alterTab = {'^/':'0.5', '_/':'-0.5', "),
    ("accTab = {", "accTab = {'^/':'quarter-sharp', '_/':'quarter-flat', "),
    ("if den > 64:", "if den > 1024:"),
    ("256:'64th'}", "256:'64th', 512:'128th', 1024:'256th', 2048:'512th', 4096:'1024th'}"),
)
_KEY = re.compile(r"^K:\s*([^\n%]*)|\[K:([^\]\n]*)\]", re.M)
_EXPLICIT = re.compile(r"(?:none|[A-G][#b]?\s*exp\w*|exp\w*)(?![a-z])", re.I)


@lru_cache(maxsize=1)
def load_abc2xml() -> Any:
    """Return the converter, without its access to files and to `eval`."""
    spec = importlib.util.find_spec("abctoolkit.abc2xml")
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin).read_text(encoding="latin-1")
    for old, new in _CHANGES:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    module: Any = types.ModuleType("picogen_abc2xml")
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    module.eval = _sum_of_digits  # a meter `M:os.system("…")/4` would run
    module.open = module.readfile = _refuse
    module.convertBroken = _broken_rhythms
    reset = module.MusicXml.reset

    def reset_finely(self: Any, *args: Any) -> None:
        reset(self, *args)
        self.divisions = _DIVISIONS

    module.MusicXml.reset = reset_finely
    return module


def _broken_rhythms(elements: Any) -> None:
    """Set the lengths of `A>B`, `A>B>C`, `A>{g}B`, `A>>>B`; its own code reads only the first."""
    before, sign = None, ""
    signs = [i for i, element in enumerate(elements) if element.name == "broken"]
    for element in elements:
        if element.name == "broken":
            sign = element.t[0]
        elif element.name in ("note", "chord", "rest") and not getattr(element, "grace", 0):
            if sign and before is not None:
                short = Fraction(1, 2 ** len(sign))
                factors = (2 - short, short) if sign[0] == ">" else (short, 2 - short)
                for part, factor in zip((before, element), factors, strict=True):
                    length = Fraction(*part.dur.t) * factor
                    part.dur.t = length.numerator, length.denominator
            before, sign = element, ""
    for i in reversed(signs):
        del elements[i]


def _plain_key(match: re.Match[str]) -> str:
    """Return `K:none ^f` and `K:D exp ^f` as `K:C ^f`: it misreads both."""
    value = (match.group(1) if match.group(2) is None else match.group(2)).strip()
    key = _EXPLICIT.sub("C", value, count=1) if _EXPLICIT.match(value) else value
    return f"K:{key}" if match.group(2) is None else f"[K:{key}]"


def _sum_of_digits(beats: str) -> int:
    if not re.fullmatch(r"\d{1,2}(?:\+\d{1,2})*", beats.strip()):
        raise ValueError(f"{beats[:20]!r} is no number of beats")
    return sum(int(part) for part in beats.split("+"))


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError("a score opens no files")


def abc_to_musicxml(abc: str) -> tuple[str, list[str]]:
    """Return (MusicXML, the converter's warnings).

    Raises:
        ConversionError: the text is refused or does not parse.
    """
    abc2xml = load_abc2xml()
    text = _KEY.sub(_plain_key, safe_abc(abc))
    if not re.search(r"^X:", text, re.M):
        text = "X:1\n" + text
    captured = io.StringIO()
    try:
        with contextlib.redirect_stderr(captured), contextlib.redirect_stdout(io.StringIO()):
            score = abc2xml.mxm.parse(text)
    except Exception as error:  # any exception means that the text is at fault
        reason = str(error).split("\n")[0][:120]
        raise ConversionError(f"abc2xml: {type(error).__name__}: {reason}") from None
    _shorten_durations(score)
    for key in score.iter("key"):
        for octave in key.findall("key-octave"):
            key.remove(octave)  # it writes them empty
    for encoding in score.iter("encoding"):
        for date in encoding.findall("encoding-date"):
            encoding.remove(date)  # the same text gives the same file on any day
    xml = abc2xml.E.tostring(score, encoding="unicode")
    lines = [line for line in captured.getvalue().splitlines() if line.startswith(("**", "-- "))]
    warnings = [line.lstrip("-* ") for line in lines if "(field X," not in line]
    return _DOCTYPE + xml + "\n", warnings[:_MAX_WARNINGS]


def _shorten_durations(score: Any) -> None:
    """Divide durations and divisions by their common divisor."""
    durations = list(score.iter("duration"))
    divisions = list(score.iter("divisions"))
    common = reduce(gcd, (int(element.text) for element in durations + divisions), 0) or 1
    for element in durations + divisions:
        element.text = str(int(element.text) // common)
