"""Bars of an interleaved piece whose notes a conversion changed, rewritten from the notes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain

from picogen_core.abc.compare import (
    Difference,
    Heard,
    are_same,
    base,
    differences,
    differing_bars,
    group_notes,
    pair_voices,
    sounds,
)
from picogen_core.abc.interleaved.rests import cut_bars, rest_symbols, split_line
from picogen_core.abc.patches import split_body
from picogen_core.abc.pitch.keys import (
    default_unit,
    key_signature,
    octave_shift,
    transposition,
    unit_length,
)
from picogen_core.abc.pitch.spell import Place, layers_of, sign_of, spell_bar, spelling
from picogen_core.abc.reading.lexer import SOUNDING, TIMED, Token, lex
from picogen_core.abc.reading.notes import Note, read_tune
from picogen_core.abc.reading.timing import bar_length
from picogen_core.abc.reading.voices import TONE, Bar


@dataclass(frozen=True)
class Mended:
    """The text, the rewritten bars, and those whose notes still differ."""

    text: str
    mended: tuple[Difference, ...] = ()
    left: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class _Wrong:
    """A bar of the source and its conversion; notes by voice, its own and its overlays."""

    bar: Bar
    wanted: list[list[Note]]
    came: list[list[Note]]
    came_bar: Bar


_Wrongs = dict[tuple[str, int], _Wrong]


def mend(text: str, source: Heard) -> Mended:
    """Return the piece with the notes of its source.

    First accidentals are written where pitches differ, then whole bars, which lose all but notes. A
    bar counts as kept if its notes are, in any place. If bars are counted differently from the
    source, rewriting them would double notes, so they stay.
    """
    found: list[Difference] = []
    made = Heard.of(*read_tune(text))
    for rewrite in (_with_accidentals, _as_notes):
        if are_same(source, made) or not (wrong := _wrong_bars(source, made)):
            break
        found = found or differences(source, made)
        rewritten = _rewrite_bars(text, wrong, rewrite)
        heard = Heard.of(*read_tune(rewritten))
        if _count(heard) <= max(_count(source), _count(made)):
            text, made = rewritten, heard
    left = differences(source, made)
    places = {(d.bar, d.voice) for d in left}
    done = tuple(d for d in found if (d.bar, d.voice) not in places)
    return Mended(text, done, tuple(left))


def _count(heard: Heard) -> int:
    return sum(len(sounds(notes)) for notes in heard.notes.values())


def write_bars(text: str, heard: Heard, bars: set[tuple[str, int]]) -> str:
    """Return the piece with some bars (voice, number from 0) as bare notes with accidentals."""
    wrong = {}
    for voice, i in {(base(voice), i) for voice, i in bars}:
        notes = _layers(heard, voice)
        if i < len(notes):
            bar = next(heard.bars[name] for name in heard.notes if base(name) == voice)[i]
            wrong[voice, i] = _Wrong(bar, notes[i], notes[i], bar)
    return _rewrite_bars(
        text,
        wrong,
        lambda tokens, bar, place: _as_notes(tokens, bar, replace(place, explicit=True)),
    )


def _wrong_bars(source: Heard, made: Heard) -> _Wrongs:
    """Return the bars that differ, by voice and number in `made`, of voices with the same bars."""
    wrong: _Wrongs = {}
    pairs = dict(pair_voices(source, made))
    for name, other in pairs.items():
        bars, same_bars = differing_bars(source, made, name, other)
        main = pairs.get(base(name)) or other
        if main is None or not (same_bars or other is None):
            continue
        wanted, came = _layers(source, base(name)), _layers(made, base(main))
        for i in bars:
            if i < min(len(source.bars[name]), len(made.bars[main])):
                bar, came_bar = source.bars[name][i], made.bars[main][i]
                wrong[base(main), i] = _Wrong(bar, wanted[i], came[i], came_bar)
    return wrong


def _layers(heard: Heard, name: str) -> list[list[list[Note]]]:
    """Return for each bar the notes of a voice and of its overlays."""
    voices = [other for other in heard.notes if base(other) == name]
    grouped = [group_notes(heard.notes[voice], heard.bars[voice]) for voice in voices]
    return [list(bars) for bars in zip(*grouped, strict=True)]


_Rewrite = Callable[[list[Token], _Wrong, Place], list[Token]]


def _rewrite_bars(text: str, wrong: _Wrongs, rewrite: _Rewrite) -> str:
    header, body = split_body(text)
    places = _places(header)
    seen: dict[str, int] = {}
    lines = []
    for line in body.splitlines():
        cells = []
        for voice, cell in split_line(line):
            left, bars = cut_bars(list(lex(cell)))
            place = places.setdefault(voice, places[""])
            made = [*left]
            for tokens, right in bars:
                place = _after_fields(place, tokens)
                if any(t.kind in TIMED for t in tokens) and bar_length(tokens) != 0:
                    number = seen[voice] = seen.get(voice, -1) + 1
                    if bar := wrong.get((voice, number)):
                        tokens = rewrite(tokens, bar, place)
                made += [*tokens, *right]
            places[voice] = place
            cells.append(f"[V:{voice}]{''.join(token.text for token in made)}")
        lines.append("".join(cells) + "\n")
    return header + "".join(lines)


def _with_accidentals(tokens: list[Token], wrong: _Wrong, place: Place) -> list[Token]:
    """Return the bar with accidentals on its notes, if it differs only in pitch."""
    wanted = _placed(chain.from_iterable(wrong.wanted), wrong.bar, place)
    came = _placed(chain.from_iterable(wrong.came), wrong.came_bar, place)
    if [where for where, _ in wanted] != [where for where, _ in came]:
        return tokens
    pairs = [(a, b) for (_, a), (_, b) in zip(wanted, came, strict=True)]
    letters = {b.step % 7 for a, b in pairs if (a.pitch, a.cents) != (b.pitch, b.cents)}
    signs = iter(
        sign_of(a, place) if b.step % 7 in letters else None
        for a, b in sorted(pairs, key=lambda pair: pair[1].start)
    )

    def signed(match: re.Match[str]) -> str:
        sign = next(signs, None) if match.group(2) else None
        return match.group() if sign is None else sign + match.group().lstrip("^_=/")

    made = []
    for token in tokens:
        if token.kind in SOUNDING:
            parts = re.split(r"(![^!]*!)", token.text)
            text = "".join(p if p[:1] == "!" else TONE.sub(signed, p) for p in parts)
            token = Token(token.kind, text, token.start)
        made.append(token)
    return made


def _placed(
    notes: Iterable[Note], bar: Bar, place: Place
) -> list[tuple[tuple[Fraction, Fraction, int], Note]]:
    """Return the notes by onset in the bar, duration and staff step."""
    return sorted(
        (((n.onset - bar.start, n.duration, spelling(n, place)[0]), n) for n in notes),
        key=lambda placed: placed[0],
    )


def _as_notes(tokens: list[Token], wrong: _Wrong, place: Place) -> list[Token]:
    """Return the bar as its notes and its fields alone."""
    fields = "".join(token.text for token in tokens if token.kind == "field")
    layers = [
        layer
        for i, notes in enumerate(wrong.wanted)
        if notes or i == 0
        for layer in layers_of(notes, wrong.bar.start, wrong.bar.length)
    ]
    try:
        return list(lex(fields + spell_bar(layers, place)))
    except ValueError:
        return tokens


def _places(header: str) -> dict[str, Place]:
    """Return the context of each voice at the start; "" for one that the header does not name."""
    fields = [line.split(":", 1) for line in header.splitlines() if line[1:2] == ":"]
    meter = next((value for letter, value in fields if letter == "M"), "4/4")
    score = next((s[7:] for s in header.splitlines() if s.startswith("%%score")), "")
    names = [value.split()[0] for letter, value in fields if letter == "V" and value.split()]
    rests = rest_symbols(score, names)
    places = {"": Place({}, unit=default_unit(meter) * 4)}
    voice = ""
    for letter, value in fields:
        if letter == "V" and value.split():
            voice = value.split()[0]
            places[voice] = replace(places[""], rest=rests[voice])
        if letter in "KLV":
            places[voice] = _changed(places[voice], letter, value)
    return places


def _after_fields(place: Place, tokens: Sequence[Token]) -> Place:
    for token in tokens:
        if token.kind == "field":
            place = _changed(place, token.text[1], token.text[3:-1])
    return place


def _changed(place: Place, letter: str, value: str) -> Place:
    """Return the context after a field."""
    if letter == "L":
        unit = unit_length(value)
        return place if unit is None else replace(place, unit=unit * 4)
    if letter not in "KV":
        return place
    key: Mapping[str, int] | None = key_signature(value) if letter == "K" else None
    shift, transpose = octave_shift(value), transposition(value)
    return replace(
        place,
        key=place.key if key is None else key,
        shift=place.shift if shift is None else shift,
        transpose=place.transpose if transpose is None else transpose,
    )
