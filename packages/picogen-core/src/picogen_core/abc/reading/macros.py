"""Macros of ABC 2.1, 9: `m:~g2={a}g{f}g`, and `m:~n={o}n` for every note n."""

from __future__ import annotations

import re

_MACRO = re.compile(r"\s*([^\s=](?:[^=]*[^\s=])?)\s*=\s*(.*\S)")
_INLINE = re.compile(r"\[m:([^\]\n]*)\]")
_NOT_NOTES = re.compile(r'(![^!]*!|"[^"]*")')
_MAX_LINE = 64 * 1024


class Macros:
    """Definitions so far; if several fit, the longest is used."""

    def __init__(self) -> None:
        self._made: dict[str, str] = {}
        self._regex: re.Pattern[str] | None = None

    def __bool__(self) -> bool:
        return bool(self._made)

    def add(self, definition: str) -> None:
        """Add the content of an m: field; text that is no definition has no effect."""
        if found := _MACRO.match(definition):
            self._made[found.group(1)] = found.group(2)
            longest_first = sorted(self._made, key=len, reverse=True)
            self._regex = re.compile("|".join(map(_pattern, longest_first)))

    def expand(self, line: str) -> str:
        """Return a line of music with expanded macros; one defined in it, `[m:…]`, holds later."""
        before, *others = _INLINE.split(line)
        made = self._expanded(before)
        for definition, music in zip(others[::2], others[1::2], strict=True):
            self.add(definition)
            made += self._expanded(music)
        return made if len(made) <= _MAX_LINE else line

    def _expanded(self, music: str) -> str:
        return self._regex.sub(self._replacement, music) if self._regex else music

    def _replacement(self, match: re.Match[str]) -> str:
        for target in sorted(self._made, key=len, reverse=True):
            if found := re.fullmatch(_pattern(target), match.group()):
                made = self._made[target]
                return _relative(made, *found.groups()) if found.groups() else made
        return match.group()


def _pattern(target: str) -> str:
    """Return a target as a regular expression; its n is any note."""
    head, n, tail = target.partition("n")
    return re.escape(head) + (r"([A-Ga-g])([,']*)" if n else "") + re.escape(tail)


def _relative(text: str, letter: str, marks: str) -> str:
    """Return the replacement for one note: `n` is that note, `o` the one above, `m` below, …"""
    octave = (5 if letter.islower() else 4) + marks.count("'") - marks.count(",")
    step = 7 * octave + "CDEFGAB".index(letter.upper())

    def note(match: re.Match[str]) -> str:
        octave, place = divmod(step + ord(match.group()) - ord("n"), 7)
        name = "CDEFGAB"[place]
        return name.lower() + "'" * (octave - 5) if octave >= 5 else name + "," * (4 - octave)

    parts = _NOT_NOTES.split(text)
    return "".join(p if p[:1] in '!"' else re.sub("[h-z]", note, p) for p in parts)
