"""Interleaved lines with every voice in them: NotaGen leaves out the voices that only rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from picogen_core.abc.counters import strip_counters
from picogen_core.abc.pitch.keys import default_unit, meter_length, unit_length
from picogen_core.abc.reading.lexer import Token, format_length, lex
from picogen_core.abc.reading.timing import bar_length

VOICE_MARK = re.compile(r"\[V:\s*(\w+)\s*\]")
_GROUP = re.compile(r"\(([^()]*)\)")


def split_line(line: str) -> list[tuple[str, str]]:
    """Return (voice, text) in the order of the line, without the text before the first `[V:`."""
    _, *parts = VOICE_MARK.split(line)  # voice, text, voice, text …
    return list(zip(parts[::2], parts[1::2], strict=True))


def rest_symbols(score: str, voices: Iterable[str]) -> dict[str, str]:
    """Return `x` (unseen) for voices that are not first of a `( )` group of %%score, else `z`.

    A group shares one staff, where the first voice's rest stands for all.
    """
    unseen = {name for group in _GROUP.findall(score) for name in group.split()[1:]}
    return {voice: "x" if voice in unseen else "z" for voice in voices}


def cut_bars(tokens: Sequence[Token]) -> tuple[list[Token], list[tuple[list[Token], list[Token]]]]:
    """Return (barlines before the first bar, [(bar, barlines after it)]) of one voice.

    The barlines are the run of `bar` and `space` tokens that ends a bar, empty for an open bar.
    Fields alone make no bar: `[K:G]|:C4|` is one bar, as in the converter.
    """
    left: list[Token] = []
    bars: list[tuple[list[Token], list[Token]]] = []
    begun = False
    for token in tokens:
        ended = bool(bars and bars[-1][1])
        if (token.kind == "bar" and begun) or (token.kind == "space" and ended):
            bars[-1][1].append(token)
        elif not bars and token.kind in ("bar", "space"):
            left.append(token)
        elif not bars or ended:
            bars.append(([token], []))
            begun = token.kind != "field"
        else:
            bars[-1][0].append(token)
            begun = begun or token.kind not in ("field", "space", "bar")
    return left, bars


def common_length(lengths: Sequence[Fraction | None]) -> Fraction | None:
    """Return the most frequent length; the first voice decides a tie. None if all are unknown."""
    counts = Counter(length for length in lengths if length)
    return max(counts, key=counts.__getitem__) if counts else None


def complete_line(line: str, symbols: Mapping[str, str], default: Fraction) -> str:
    """Return the line with a rest for every missing voice of `symbols`, in their order.

    The rest lasts as long as most voices of the line do, or `default` if all are unknown, and has
    their change of meter.
    """
    present = dict(split_line(line))
    if not present or all(voice in present for voice in symbols):
        return line
    cut = {voice: cut_bars(list(lex(text))) for voice, text in present.items()}
    counts = Counter(len(bars) for _, bars in cut.values())
    count = max(counts, key=counts.__getitem__)
    model = next(bars for bars in cut.values() if len(bars[1]) == count)
    rests = []
    for i, (bar, right) in enumerate(model[1]):
        here = [bars[i][0] for _, bars in cut.values() if i < len(bars)]
        length = common_length([bar_length(bar) for bar in here]) or default
        meter = "".join(token.text for token in bar if token.text.startswith("[M:"))
        rests.append((meter, format_length(length), "".join(token.text for token in right)))
    left = "".join(token.text for token in model[0])
    missing = {
        voice: left + "".join(meter + symbol + length + right for meter, length, right in rests)
        for voice, symbol in symbols.items()
        if voice not in present
    }
    order = [*symbols, *(voice for voice in present if voice not in symbols)]
    return "".join(f"[V:{voice}]{present.get(voice, missing.get(voice, ''))}" for voice in order)


def complete_lines(text: str) -> str:
    """Return an interleaved text with every voice in each of its lines, without counters."""
    lines = strip_counters(text).splitlines()
    marked = [line for line in lines if line.startswith("[V:")]
    voices = [line[2:].split()[0] for line in lines if re.match(r"V:\s*\S", line)]
    voices += [voice for line in marked for voice, _ in split_line(line)]
    score = next((line[7:] for line in lines if line.startswith("%%score")), "")
    fields = dict(line.split(":", 1) for line in lines if re.match(r"[LM]:", line))
    meter = fields.get("M", "none").strip()
    unit = unit_length(fields.get("L", "")) or default_unit(meter)
    symbols = rest_symbols(score, dict.fromkeys(voices))
    bar = (meter_length(meter) or Fraction(1)) / unit
    made = [complete_line(s, symbols, bar) if s.startswith("[V:") else s for s in lines]
    return "\n".join(made) + "\n"
