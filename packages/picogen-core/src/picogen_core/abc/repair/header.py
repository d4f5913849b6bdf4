"""Repairs of the header."""

from __future__ import annotations

import re
from collections import Counter

from picogen_core.abc.fields import ANY_CLEF, METER, MODE_WORDS, UNIT, signature_place
from picogen_core.abc.reading.header import normal_key, normal_meter, normal_unit
from picogen_core.abc.repair.draft import Log, RepairDraft

MAX_TEXT = 200
_ORDER = ("X:", "T:", "C:", "%%score", "L:", "Q:", "M:", "K:", "V:")
_METER = re.compile(rf"{METER}|C\|?|none")
_UNIT = re.compile(UNIT)
_TEMPO = re.compile(
    r'(?:"[^"]*"\s*)?(?:\d{1,2}/\d{1,2}\s*=\s*\d{1,4}(?:\.\d{1,3})?)?(?:\s*"[^"]*")?'
)
_KEY = re.compile(
    rf"(?:none|([A-G])([#b]?) ?(|exp|m|minor|major|{'|'.join(MODE_WORDS)})(?![a-z]))"
    r"((?: +(?:[\w=+\-]+|\^\^?[A-Ga-g]))*)"
)
_CLEF_ONLY = re.compile(rf"(?:clef=)?(?:{ANY_CLEF}|none)\d?(?:[-+]8)?")
_VOICE = re.compile(r'V:(\w{1,8})((?: +(?:[\w=+\-,\']+|\w+="[^"\[\]]*"))*) *')
_SCORE_WORD = re.compile(r"\s+|(\w+)|([\[\](){}|])")
_PAIRS = {")": "(", "]": "[", "}": "{"}


def mend_header(draft: RepairDraft, log: Log) -> None:
    """Keep the lines that NotaGen's header has, the first of each; drop broken and other ones."""
    kept: list[str] = []
    for line in draft.header:
        mended = _mend_line(line.strip())
        name = mended and next(start for start in _ORDER if mended.startswith(start))
        twice = name not in ("", "T:", "C:") and any(_same(mended, other) for other in kept)
        if not mended or twice:
            log.append(line[:40])
            continue
        if mended != line:
            log.append(line[:40])
        kept.append(mended)
    draft.header = kept


def _same(line: str, other: str) -> bool:
    if line.startswith("V:"):
        return other.split()[0] == line.split()[0]
    return other.startswith(line[:2])


def _mend_line(line: str) -> str:
    """The line, the nearest legal one, or "" for none."""
    start, value = line[:2], line[2:].strip()
    if line.startswith("%%score"):
        return line
    if start in ("T:", "C:"):
        text = re.sub(r"[%\\]", "", line)[:MAX_TEXT]
        return text if text[2:].strip() else ""
    if start == "X:":
        return line if re.fullmatch(r"\d{1,6}", value) else ""
    if start == "V:":
        match = _VOICE.fullmatch(line)
        number = re.match(r"V:(\d{1,3})\b", line)
        return line if match else f"V:{number.group(1)} treble" if number else ""
    if start == "Q:":
        return line if value and "%" not in value and _TEMPO.fullmatch(value) else ""
    if start in ("L:", "M:", "K:"):
        if field_is_legal(start[0], value):
            return line
        normal = {"L": normal_unit, "M": normal_meter, "K": normal_key}[start[0]](value)
        return start + normal if normal and field_is_legal(start[0], normal) else ""
    return ""


def field_is_legal(letter: str, value: str) -> bool:
    """Return whether the converter can read a K:, L:, M:, P: or Q: field.

    A meter is held to digits: the converter hands what stands before its `/` to `eval`.
    """
    value = value.strip()
    if letter == "M":
        return bool(_METER.fullmatch(value)) and not re.match(r"0|.*\+0", value)
    if letter == "L":
        return bool(_UNIT.fullmatch(value))
    if letter == "Q":
        return bool(value) and bool(_TEMPO.fullmatch(value))
    if letter == "P":
        return bool(re.fullmatch(r"[\w .\-]{1,20}", value))
    if letter != "K":
        return False
    key = _KEY.fullmatch(value)
    if key is None:
        return bool(_CLEF_ONLY.fullmatch(value))
    if not key.group(1):
        return True
    return abs(signature_place(key.group(1), key.group(2), key.group(3))) <= 7


def mend_score_line(draft: RepairDraft, log: Log) -> None:
    """Drop a %%score that does not parse or names a voice twice; add the voices it lacks."""
    for i, line in enumerate(draft.header):
        if not line.startswith("%%score"):
            continue
        named = _score_voices(line[7:])
        voices = draft.voices()
        if named is None or not set(named) <= set(voices):
            log.append(line)
            del draft.header[i]
            return
        missing = [voice for voice in voices if voice not in named]
        if missing:
            log.append(f"voice {', '.join(missing)}")
            draft.header[i] = f"{line.rstrip()} {' '.join(missing)}"
        return


def _score_voices(text: str) -> list[str] | None:
    """The voices of a %%score in order; None if its groups do not nest or one is empty."""
    voices: list[str] = []
    open_groups: list[str] = []
    last, end = "", 0
    for match in _SCORE_WORD.finditer(text):
        if match.start() != end:
            return None
        end = match.end()
        name, sign = match.groups()
        if name:
            voices.append(name)
        elif sign in _PAIRS:
            if not open_groups or open_groups.pop() != _PAIRS[sign] or last in "([{|":
                return None
        elif sign and sign != "|":
            if len(open_groups) >= 3 or "(" in open_groups:
                return None
            open_groups.append(sign)
        last = name or sign or last
    whole = end == len(text) and not open_groups and voices
    return voices if whole and len(set(voices)) == len(voices) else None


def rename_stray_voices(draft: RepairDraft, log: Log) -> None:
    """Take a voice that the header lacks, in few lines, for the one that its place is of."""
    defined = [line[2:].split()[0] for line in draft.header if line.startswith("V:")]
    counts = Counter(voice for line in draft.lines for voice in line)
    stray = {v for v, n in counts.items() if v not in defined and n * 4 <= len(draft.lines)}
    for line in draft.lines if defined and stray else ():
        names = list(line)
        for i, voice in enumerate(names):
            place = defined.index(names[i - 1]) + 1 if i and names[i - 1] in defined else i
            if voice in stray and defined[place : place + 1] and defined[place] not in names:
                log.append(f"{voice} for {defined[place]}")
                names[i] = defined[place]
        renamed = dict(zip(names, list(line.values()), strict=True))
        line.clear()
        line.update(renamed)


def define_voices(draft: RepairDraft, log: Log) -> None:
    """Give voices that the header does not define a line of their own."""
    defined = {line[2:].split()[0] for line in draft.header if line.startswith("V:")}
    for voice in draft.voices():
        if voice not in defined:
            log.append(f"V:{voice} treble")
            draft.header.append(f"V:{voice} treble")


def complete_header(draft: RepairDraft, log: Log) -> None:
    """Fill in L:, M: and K: where they are missing and put lines that come too late in order."""
    for line in ("L:1/8", "M:none", "K:C"):
        if not draft.field(line[:2]):
            log.append(line)
            draft.header.append(line)
    ranks = [_rank(line) for line in draft.header]
    key, voice = _ORDER.index("K:"), _ORDER.index("V:")
    at = ranks.index(key)
    if any(rank == voice for rank in ranks[:at]) or any(rank < key for rank in ranks[at:]):
        if not log:
            log.append("order of lines")
        draft.header.sort(key=_rank)


def _rank(line: str) -> int:
    return next(i for i, start in enumerate(_ORDER) if line.startswith(start))
