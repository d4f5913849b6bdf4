"""Translation of regular expressions to JavaScript, which has no possessive quantifiers.

`X*+` becomes `(?=(X*))` and a reference to that group, which does not backtrack either.
"""

# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import json
import re
from re import _constants as codes
from re import _parser as parser
from typing import Any

_CLASSES = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\p{L}\p{N}_",
    codes.CATEGORY_NOT_WORD: r"\W",
}
_WORD = r"[\p{L}\p{N}_]"
_AT = {
    codes.AT_BEGINNING: "^",
    codes.AT_BEGINNING_STRING: "(?<![^])",
    codes.AT_END_STRING: "(?![^])",
    codes.AT_BOUNDARY: rf"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))",
    codes.AT_NON_BOUNDARY: rf"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))",
}


def spell_pattern(pattern: re.Pattern[Any]) -> str:
    """Return a `$Pattern` with the groups of `pattern`, by number and by name."""
    return _Pattern(pattern).javascript()


class _Pattern:
    def __init__(self, pattern: re.Pattern[Any]) -> None:
        source = pattern.pattern
        text = source.decode("latin-1") if isinstance(source, bytes) else source
        self.flags = pattern.flags
        self.tree = parser.parse(text, pattern.flags & ~re.UNICODE)
        self.names = dict(pattern.groupindex)
        self.count = pattern.groups
        self._atoms = 0

    def javascript(self) -> str:
        source = self._sequence(self.tree)
        flags = "u" + ("i" if self.flags & re.I else "") + ("s" if self.flags & re.S else "")
        flags += "m" if self.flags & re.M else ""
        return f"$pattern({json.dumps(source)},{json.dumps(flags)},{json.dumps(self.names)})"

    def _sequence(self, items: Any) -> str:
        return "".join(self._item(kind, value) for kind, value in items)

    def _item(self, kind: Any, value: Any) -> str:
        if kind is codes.LITERAL:
            return _literal(value)
        if kind is codes.NOT_LITERAL:
            return f"[^{_literal(value)}]"
        if kind is codes.ANY:
            return "."
        if kind is codes.IN:
            return _set(value)
        if kind is codes.AT:
            if value is codes.AT_END:
                return "$" if self.flags & re.M else r"(?=\n?(?![^]))"
            return _AT[value]
        if kind is codes.BRANCH:
            return f"(?:{'|'.join(self._sequence(one) for one in value[1])})"
        if kind is codes.SUBPATTERN:
            number, _, _, inside = value
            inner = self._sequence(inside)
            return f"(?:{inner})" if number is None else f"(?<g{number}>{inner})"
        if kind is codes.GROUPREF:
            return rf"\k<g{value}>"
        if kind in (codes.ASSERT, codes.ASSERT_NOT):
            sign = "=" if kind is codes.ASSERT else "!"
            behind = "<" if value[0] < 0 else ""
            return f"(?{behind}{sign}{self._sequence(value[1])})"
        if kind in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            return self._repeat(value) + ("?" if kind is codes.MIN_REPEAT else "")
        if kind is codes.POSSESSIVE_REPEAT:
            return self._atomic(self._repeat(value))
        if kind is codes.ATOMIC_GROUP:
            return self._atomic(self._sequence(value))
        raise TypeError(f"{kind} in a regular expression has no form in JavaScript")

    def _repeat(self, value: Any) -> str:
        least, most, inside = value
        known = {(0, 1): "?", (0, parser.MAXREPEAT): "*", (1, parser.MAXREPEAT): "+"}
        upper = "" if most == parser.MAXREPEAT else most
        sign = known.get((least, most), f"{{{least},{upper}}}")
        return f"(?:{self._sequence(inside)}){sign}"

    def _atomic(self, inner: str) -> str:
        self._atoms += 1
        return rf"(?:(?=(?<a{self._atoms}>{inner}))\k<a{self._atoms}>)"


def _literal(code: int) -> str:
    character = chr(code)
    plain = character.isascii() and (character.isalnum() or character in " \"'%!#&,:;<=>@_`~")
    return character if plain else f"\\u{{{code:x}}}"


def _set(items: Any) -> str:
    made, inverse = "", ""
    for kind, value in items:
        if kind is codes.NEGATE:
            inverse = "^"
        elif kind is codes.LITERAL:
            made += _literal(value)
        elif kind is codes.RANGE:
            made += f"{_literal(value[0])}-{_literal(value[1])}"
        else:
            made += _CLASSES[value]
    return f"[{inverse}{made}]"
