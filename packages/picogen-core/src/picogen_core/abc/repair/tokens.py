"""Repairs of one voice's tokens within a line. Each takes the tokens and returns those to keep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from picogen_core.abc.interleaved.interleave import merge_barlines
from picogen_core.abc.reading.lexer import SOUNDING, TIMED, Token, format_length, lex, parse_length
from picogen_core.abc.reading.timing import read_tuplet, split_length
from picogen_core.abc.repair.draft import Log
from picogen_core.abc.repair.header import field_is_legal

MAX_LENGTH = 128
_NO_MUSIC = frozenset({"bad", "comment", "continuation", "beam", "newline"})
_TIED = SOUNDING | {"broken"}
_SHORT = frozenset(".~HLMOPSTuv")
_DECORATION = re.compile(r"!\+!|([!+])[\w.<>()^/~=\-]{1,24}\1")
_IN_GRACE = TIMED | {"slur", "tie", "space", "decoration", "short"}
_BARLINE = re.compile(r"(\.?[|:\[\]]*?)(\[?\d[\d,.\-]*)?")
_CORES = frozenset(
    ["|", "||", "|]", "[|", "|:", ":|", "::", ":|:", ":||:", ":|]", ":||", ".|", "[|]"]
)
_OCTAVES = re.compile(r"(?<=[A-Ga-g])[,']+")
_ENDING = re.compile(r"\[?[1-9]\d?(?:[,\-][1-9]\d?)*")


def drop_bad_symbols(tokens: list[Token], log: Log) -> list[Token]:
    """Take out characters that are no music, comments, and what reads as one within quotes.

    A `%` hides the rest of its line even there, and `[V:` begins a voice.
    """
    kept = []
    for token in tokens:
        if token.kind in _NO_MUSIC or (token.kind == "short" and token.text not in _SHORT):
            log.append(token.text[:20])
        elif "%" in token.text or (token.kind == "quote" and re.search(r"[\[\]]", token.text)):
            log.append(token.text[:20])
            kept.append(Token(token.kind, re.sub(r"[%\[\]]", "", token.text), token.start))
        else:
            kept.append(token)
    return kept


def drop_bad_fields(tokens: list[Token], log: Log) -> list[Token]:
    """Take out inline fields other than K, L, M, P and Q, and those with a broken value."""
    kept = []
    for token in tokens:
        if token.kind == "field" and not field_is_legal(token.text[1], token.text[3:-1]):
            log.append(token.text[:40])
        else:
            kept.append(token)
    return kept


def drop_bad_decorations(tokens: list[Token], log: Log) -> list[Token]:
    """Take out `!…!` with a space or a sign that no decoration has, and a `!` alone."""
    kept, opened = [], False
    for i, token in enumerate(tokens):
        lone = token.kind == "break" and token.text == "!"
        if lone or (opened and token.kind != "bar"):
            if lone:  # two of a bar stand for a line's end in old files, but not here
                log.append("!")
                rest = [t.kind for t in tokens[i + 1 :]]
                bar = rest.index("bar") if "bar" in rest else len(rest)
                opened = not opened and any(t.text == "!" for t in tokens[i + 1 : i + 1 + bar])
        elif token.kind == "decoration" and not _DECORATION.fullmatch(token.text):
            log.append(token.text[:40])
        else:
            kept.append(token)
    return kept


def drop_bad_graces(tokens: list[Token], log: Log) -> list[Token]:
    """Take out grace notes that do not read; those that do come apart, for their slurs' sake."""
    kept: list[Token] = []
    for token in tokens:
        if token.kind != "grace":
            kept.append(token)
            continue
        inner = list(lex(token.text[1:-1].removeprefix("/")))
        kinds = {part.kind for part in inner}
        if kinds <= _IN_GRACE and kinds & SOUNDING and all(map(_length_is_legal, inner)):
            opening = token.text[: 2 if token.text[1:2] == "/" else 1]
            parts = [t if t.kind == "slur" else Token("grace", t.text, t.start) for t in inner]
            kept += [Token("grace", opening, 0), *parts, Token("grace", "}", 0)]
        else:
            log.append(token.text[:40])
    return kept


def _length_is_legal(token: Token) -> bool:
    """Whether every length in the token is at least 1/64 and at most 128 unit lengths."""
    if token.kind not in TIMED and token.kind != "spacer":
        return True
    stem, spelt = split_length(token)
    lengths = [spelt]
    if token.kind == "chord":
        lengths += [split_length(t)[1] for t in lex(stem[1:-1]) if t.kind in ("note", "rest")]
    return all(_is_length(text) for text in lengths)


def _is_length(text: str) -> bool:
    try:
        length = parse_length(text)
    except ValueError:
        return False
    under = length.denominator
    return under & (under - 1) == 0 and under <= 64 and length <= MAX_LENGTH


def mend_pitches(tokens: list[Token], log: Log) -> list[Token]:
    """Spell pitches as the converter reads them: marks of one direction, no quarter tones."""
    kept = []
    for token in tokens:
        if token.kind not in SOUNDING | {"grace"}:
            kept.append(token)
            continue
        text = re.sub(r"([_^])/(?=[A-Ga-g])", r"\1", token.text)
        text = _OCTAVES.sub(lambda marks: marks.group()[0] * min(4, _same_marks(marks)), text)
        if text != token.text:
            log.append(token.text[:20])
        kept.append(Token(token.kind, text, token.start))
    return kept


def _same_marks(marks: re.Match[str]) -> int:
    return marks.group().count(marks.group()[0])


def mend_lengths(tokens: list[Token], log: Log) -> list[Token]:
    """Take out lengths that are zero, absurd, or no half of a half: `C0`, `C9999`, `C/7`."""
    kept = []
    for token in tokens:
        if _length_is_legal(token):
            kept.append(token)
            continue
        log.append(token.text[:40])
        stem, spelt = split_length(token)
        if token.kind == "chord":
            tones = "".join(
                split_length(t)[0]
                if t.kind in ("note", "rest") and not _length_is_legal(t)
                else t.text
                for t in lex(stem[1:-1])
            )
            stem = f"[{tones}]"
        kept.append(Token(token.kind, stem + (spelt if _is_length(spelt) else ""), token.start))
    return kept


def mend_bar_rests(tokens: list[Token], log: Log) -> list[Token]:
    """Write `Z` among the notes of a bar as `z`: a rest of a whole bar stands alone."""
    kept = list(tokens)
    for start, end in bars(tokens):
        timed = [i for i in range(start, end) if tokens[i].kind in TIMED]
        for i in timed if len(timed) > 1 else ():
            if tokens[i].text[0] in "ZX":
                log.append(tokens[i].text[:20])
                kept[i] = Token("rest", tokens[i].text.lower(), tokens[i].start)
    return kept


def mend_barlines(tokens: list[Token], log: Log) -> list[Token]:
    """Spell odd barlines as the nearest real one; take out endings that no barline precedes."""
    kept: list[Token] = []
    for i, token in enumerate(tokens):
        if token.kind == "ending":
            before = next(
                (t.kind for t in reversed(kept) if t.kind not in ("space", "field")), "bar"
            )
            if before != "bar" or not (token.text == "[" or _ENDING.fullmatch(token.text)):
                log.append(token.text[:20])
                continue
        elif token.kind == "bar":
            after = next((t.kind for t in tokens[i + 1 :] if t.kind != "space"), "note")
            text = _mend_barline(token.text, more=after != "bar")
            if text != token.text:
                log.append(token.text[:20])
                token = Token("bar", text, token.start)
        kept.append(token)
    return kept


def _mend_barline(text: str, more: bool) -> str:
    """The nearest real barline; an ending stays where music follows it (`more`)."""
    match = _BARLINE.fullmatch(text)
    core, ending = (match.group(1), match.group(2) or "") if match else (text, "")
    core = core if core in _CORES else merge_barlines([core])
    keeps = more and not core.endswith("]") and _ENDING.fullmatch(ending)
    return core + (ending if keeps else "")


def bars(tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """(start, end) of the stretches between barlines and overlays."""
    start = 0
    for i, token in enumerate(tokens):
        if token.kind in ("bar", "overlay"):
            yield start, i
            start = i + 1
    yield start, len(tokens)


def drop_short_tuplets(tokens: list[Token], log: Log) -> list[Token]:
    """Take out tuplet signs that are no tuplet or have fewer notes after them in their bar."""
    dropped = set()
    for start, end in bars(tokens):
        left = 0
        for i in range(end - 1, start - 1, -1):
            left += tokens[i].kind in TIMED
            if tokens[i].kind == "tuplet" and not _tuplet_fits(tokens[i].text, left):
                log.append(tokens[i].text[:20])
                dropped.add(i)
    return [token for i, token in enumerate(tokens) if i not in dropped]


def _tuplet_fits(text: str, notes: int) -> bool:
    try:
        return read_tuplet(text).notes <= notes
    except ValueError:
        return False


def mend_broken_rhythms(tokens: list[Token], log: Log) -> list[Token]:
    """Take out `>` and `<` without a note on both sides; write out those that programs misread.

    They apply the second sign of `A>B>C` to A, take a grace note for a note, and give up on `>>>`.
    """
    mended = list(tokens)
    dropped = set()
    for start, end in bars(tokens):
        before, paired = -1, False
        for i in range(start, end):
            if tokens[i].kind in TIMED:
                paired = before >= 0 and any(tokens[k].kind == "broken" for k in range(before, i))
                before = i
            if tokens[i].kind != "broken":
                continue
            after = next((k for k in range(i + 1, end) if tokens[k].kind in TIMED | {"broken"}), -1)
            if before < 0 or after < 0 or tokens[after].kind == "broken" or len(tokens[i].text) > 5:
                log.append(tokens[i].text[:20])
                dropped.add(i)
            elif (
                paired
                or len(tokens[i].text) > 2
                or any(tokens[k].kind == "grace" for k in range(before, after))
            ):
                log.append(tokens[before].text + tokens[i].text + tokens[after].text)
                _write_out(mended, before, tokens[i].text, after)
                dropped.add(i)
    return [token for i, token in enumerate(mended) if i not in dropped]


def _write_out(tokens: list[Token], before: int, sign: str, after: int) -> None:
    short = Fraction(1, 2 ** len(sign))
    first, second = (2 - short, short) if sign[0] == ">" else (short, 2 - short)
    for i, factor in ((before, first), (after, second)):
        stem, spelt = split_length(tokens[i])
        length = format_length(parse_length(spelt) * factor)
        tokens[i] = Token(tokens[i].kind, stem + length, tokens[i].start)


def drop_stray_ties(tokens: list[Token], log: Log) -> list[Token]:
    """Take out ties that follow no note."""
    kept: list[Token] = []
    for token in tokens:
        if token.kind == "tie":
            before = next((t for t in reversed(kept) if t.kind != "space"), None)
            if before is None or not (before.kind in _TIED or before.text == ")"):
                log.append(token.text)
                continue
        kept.append(token)
    return kept


TOKEN_REPAIRS = (
    drop_bad_symbols,
    drop_bad_fields,
    drop_bad_decorations,
    drop_bad_graces,
    mend_pitches,
    mend_lengths,
    mend_barlines,
    mend_bar_rests,
    drop_short_tuplets,
    mend_broken_rhythms,
    drop_stray_ties,
)
