"""Marks around the notes of MusicXML, reduced to those that xml2abc reads."""

from __future__ import annotations

import re
from typing import Any

_NUMBER = re.compile(r"\s*-?\d{1,9}(?:\.\d{1,9})?\s*")
_RATE = re.compile(r"\d{1,4}(?:\.\d{1,4})?")  # `c. 120`, `60-66`: the first number
_NOT_TEXT = re.compile(r'["|%\\\[\]{}!\s]+')  # ends a text of ABC, or could begin music
_SPANS = {
    "wedge": ("crescendo", "diminuendo", "stop"),
    "octave-shift": ("up", "down", "stop"),
    "pedal": ("start", "stop"),
}
_DIRECTIONS = frozenset({"metronome", "words", "rehearsal", "dynamics", "coda", "segno", *_SPANS})
_JUMPS = frozenset({"dacapo", "dalsegno", "tocoda", "fine", "coda", "segno", "tempo"})
_NOT_READ = ("lyric", "play", "listen", "instrument", "notehead-text", "footnote", "level")


def clean_direction(element: Any) -> bool:
    """Remove what xml2abc cannot read from a <direction> or <sound>; return whether any is left."""
    sounds = [element] if element.tag == "sound" else element.findall("sound")
    for sound in sounds:
        for child in list(sound):
            sound.remove(child)
        for name, value in list(sound.attrib.items()):
            if name not in _JUMPS or (name == "tempo" and not _NUMBER.fullmatch(value)):
                del sound.attrib[name]
    for kind in element.findall("direction-type"):
        for mark in list(kind):
            if not _is_read(mark):
                kind.remove(mark)
        if not len(kind):
            element.remove(kind)
    for words in element.iter("words", "rehearsal", "other-dynamics"):
        words.text = _NOT_TEXT.sub(" ", words.text or "")
        if not _NUMBER.fullmatch(words.get("default-y", "0")):
            del words.attrib["default-y"]
    return element.find("direction-type") is not None or any(sound.attrib for sound in sounds)


def _is_read(mark: Any) -> bool:
    if mark.tag in _SPANS:
        return mark.get("type") in _SPANS[mark.tag]
    if mark.tag == "metronome":
        found = _RATE.search(mark.findtext("per-minute") or "")
        if found:
            mark.find("per-minute").text = found.group()
        return found is not None
    return mark.tag in _DIRECTIONS


def clean_harmony(element: Any) -> bool:
    """Return whether a <harmony> is a chord symbol with a root."""
    kind = element.find("kind")
    if kind is None or not element.findtext("root/root-step"):
        return False
    if (kind.text or "").count("-") > 1:
        kind.text = "none"
    return True


def clean_note(element: Any) -> None:
    """Remove from a <note> what ABC cannot express or xml2abc would take for a number."""
    for child in list(element):
        if child.tag in _NOT_READ or (child.tag == "notehead" and not child.text):
            element.remove(child)
    for mark in [*element.iterfind("notations/*"), *element.iterfind("notations/*/*")]:
        text = (mark.text or "").strip()
        odd = mark.tag == "tremolo" and not (text.isdigit() and 0 < int(text) <= 8)
        odd |= mark.tag == "fingering" and not re.fullmatch(r"[0-5]", text)
        if odd or mark.tag in ("string", "fret", "glissando", "slide"):
            mark.getparent().remove(mark)
