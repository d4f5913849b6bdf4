"""All voices of a line get the same bars: as many, as long, ended by the same barline.

The reference is what most voices of the line do, the first voice on ties. It is never the meter:
pickups and bars cut in two by a repeat are shorter than it, and right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from picogen_core.abc.interleaved.rests import complete_line, cut_bars, rest_symbols
from picogen_core.abc.patches import split_body
from picogen_core.abc.reading.lexer import Token, format_length, lex
from picogen_core.abc.reading.timing import bar_length, event_lengths, split_overlays
from picogen_core.abc.repair.draft import Log, RepairDraft, read_line, spell
from picogen_core.abc.repair.slurs import close_slurs

Bar = tuple[list[Token], list[Token]]
_NOTATED = sorted(
    [Fraction(2) ** k * dot for k in range(-6, 6) for dot in (Fraction(1), Fraction(3, 2))],
    reverse=True,
)


def complete_rests(draft: RepairDraft, log: Log) -> None:
    """Give voices that a line leaves out their rest back: NotaGen leaves out those that rest."""
    symbols = _symbols(draft)
    default = meter_length(draft)
    for i, line in enumerate(draft.lines):
        missing = [voice for voice in symbols if voice not in line]
        if not missing:
            continue
        log.extend(f"line {i + 1}, voice {voice}" for voice in missing)
        text = "".join(f"[V:{voice}]{spell(tokens)}" for voice, tokens in line.items())
        whole = read_line(complete_line(text, symbols, default))
        draft.lines[i] = {voice: line.get(voice, tokens) for voice, tokens in whole.items()}


def drop_leading_barlines(draft: RepairDraft, log: Log) -> None:
    """Take out barlines that start a voice's line, but `|:` and endings: they make empty bars."""
    for line, voice in draft.segments():
        tokens = line[voice]
        first = next((i for i, t in enumerate(tokens) if t.kind not in ("space", "field")), 0)
        if not tokens or tokens[first].kind != "bar":
            continue
        text = tokens[first].text
        if not text.startswith(("|:", "[|:")) and text.rstrip("0123456789,-[") not in ("|", ""):
            log.append(text)
            del tokens[first]


def align_bars(draft: RepairDraft, log: Log) -> None:
    """Give the voices of a line equal bars: longer ones are cut at a note, shorter ones padded."""
    symbols = _symbols(draft)
    default = meter_length(draft)
    scale = dict.fromkeys(symbols, Fraction(1))
    mended: set[str] = set()
    for number, line in enumerate(draft.lines, 1):
        cut = {voice: cut_bars(tokens) for voice, tokens in line.items()}
        cut = {voice: (left if bars else [], bars) for voice, (left, bars) in cut.items()}
        bars_of = {voice: bars for voice, (_, bars) in cut.items()}
        changed = _equal_counts(bars_of)
        for i in range(len(next(iter(cut.values()))[1])):
            column = {voice: bars[i] for voice, (_, bars) in cut.items()}
            for voice, (bar, _) in column.items():
                scale[voice] = _unit(draft, bar, scale[voice])
                _fill_overlays(voice, bar, symbols[voice], changed)
            default = _align_column(column, scale, symbols, default, changed)
        _equal_barlines(bars_of, number == len(draft.lines), changed)
        mended |= changed
        for voice in sorted(changed):
            left, bars = cut[voice]
            line[voice] = left + [token for bar, right in bars for token in bar + right]
            log.append(f"line {number}, voice {voice}")
    close_slurs(draft, mended)  # what was cut may have held one end of a slur


def pad_bars(text: str) -> str:
    """Give the shorter bars of a line rests, as many as the longest lasts; nothing is cut."""
    header, body = split_body(text)
    draft = RepairDraft(header.splitlines(), [read_line(line) for line in body.splitlines()])
    symbols, scale = _symbols(draft), dict.fromkeys(draft.voices(), Fraction(1))
    for line in draft.lines:
        cut = {voice: cut_bars(tokens) for voice, tokens in line.items()}
        counts = {len(bars) for _, bars in cut.values()}
        for i in range(min(counts)):
            bars = {voice: bars[i][0] for voice, (_, bars) in cut.items()}
            for voice, bar in bars.items():
                scale[voice] = _unit(draft, bar, scale[voice])
            lengths = {v: (bar_length(bar) or Fraction(0)) * scale[v] for v, bar in bars.items()}
            longest = max(lengths.values())
            for voice, bar in bars.items():
                missing = (longest - lengths[voice]) / scale[voice]
                if missing > 0 and _can_rest(missing):
                    bar += _rests(missing, symbols[voice])
        for voice, (left, bars_of) in cut.items():
            line[voice] = left + [token for bar, right in bars_of for token in bar + right]
    return draft.text()


def _symbols(draft: RepairDraft) -> dict[str, str]:
    return rest_symbols(draft.field("%%score"), draft.voices())


def meter_length(draft: RepairDraft) -> Fraction:
    """A full bar by the header, in unit lengths; a whole note if it has no meter."""
    meter = draft.field("M:", "none")
    unit = Fraction(draft.field("L:", "1/8"))
    beats, _, value = {"C": "4/4", "C|": "2/2", "none": "4/4"}.get(meter, meter).partition("/")
    return Fraction(sum(int(part) for part in beats.split("+")), int(value)) / unit


def _unit(draft: RepairDraft, bar: list[Token], scale: Fraction) -> Fraction:
    """The voice's unit length relative to the header's, from the last `[L:]` so far."""
    fields = [t.text for t in bar if t.kind == "field" and t.text.startswith("[L:")]
    return Fraction(fields[-1][3:-1]) / Fraction(draft.field("L:")) if fields else scale


def _equal_counts(voices: dict[str, list[Bar]]) -> set[str]:
    """Make the lists of bars equally long; returns the voices that changed."""
    counts = Counter(len(bars) for bars in voices.values())
    count = max(counts, key=counts.__getitem__) or 1
    model = next((bars for bars in voices.values() if len(bars) == count), [])
    changed = {voice for voice, bars in voices.items() if len(bars) != count}
    for voice in changed:
        bars = voices[voice]
        for bar, right in bars[count:]:
            bars[count - 1][0].extend(bar)  # one bar that a stray barline cut in two
            bars[count - 1][1][:] = right or bars[count - 1][1]
        del bars[count:]
        bars += [([], list(model[i][1]) if model else []) for i in range(len(bars), count)]
    return changed


def _align_column(
    column: Mapping[str, Bar],
    scale: Mapping[str, Fraction],
    symbols: Mapping[str, str],
    default: Fraction,
    changed: set[str],
) -> Fraction:
    """Make one bar of all voices equally long; returns the length of an empty bar after it."""
    lengths = {
        voice: length * scale[voice] if (length := bar_length(bar)) else None
        for voice, (bar, _) in column.items()
    }
    known = [length for length in lengths.values() if length]
    if len(known) == len(lengths) and len(set(known)) == 1:
        return known[0] if _can_rest(known[0]) else default
    counts = Counter(length for length in known if _can_rest(length))
    target = max(counts, key=counts.__getitem__) if counts else default
    for voice, (bar, _) in column.items():
        if lengths[voice] != target:
            changed.add(voice)
            fit = target / scale[voice]
            first, *overlays = (_fit(layer, fit, symbols[voice]) for layer in split_overlays(bar))
            bar[:] = first
            for overlay in overlays:
                bar += [Token("overlay", "&", 0), *overlay]
    return target


def _fill_overlays(voice: str, bar: list[Token], symbol: str, changed: set[str]) -> None:
    """Give the layers of a bar rests, as many as its longest lasts; one without a note goes."""
    if not any(token.kind == "overlay" for token in bar):
        return
    whole, first, *layers = bar_length(bar), *split_overlays(bar)
    made = first
    for i, layer in enumerate([first, *layers]):
        length = bar_length(layer)
        if i and length == 0:
            made += layer
            continue
        missing = (whole or Fraction(0)) - (length or Fraction(0))
        filled = _rests(missing, "x" if i else symbol) if missing and _can_rest(missing) else []
        made = layer + filled if not i else [*made, Token("overlay", "&", 0), *layer, *filled]
    if made != bar:
        changed.add(voice)
        bar[:] = made


def _fit(bar: list[Token], target: Fraction, symbol: str) -> list[Token]:
    """The bar cut or padded to `target` unit lengths."""
    try:
        events = event_lengths(bar)
    except ValueError:
        events = []
    fields = [token for token in bar if token.kind == "field"]
    kept, total = 0, Fraction(0)
    running = Fraction(0)
    for n, (i, length) in enumerate(events, 1):
        running += length
        after = events[n][0] if n < len(events) else len(bar)
        whole = not _is_inside(bar, n, i, after)
        if running <= target and whole and _can_rest(target - running):
            kept, total = n, running
    if not kept:
        return fields + _rests(target, symbol)
    end = events[kept - 1][0] + 1
    if kept == len(events):
        end = len(bar)
    else:
        while end < len(bar) and bar[end].kind == "slur" and bar[end].text == ")":
            end += 1
    later = [token for token in bar[end:] if token.kind == "field"]
    return bar[:end] + later + _rests(target - total, symbol)


def _is_inside(bar: Sequence[Token], events: int, last: int, after: int) -> bool:
    """Whether the place after `events` events is within a tuplet or a broken pair."""
    if any(token.kind == "broken" for token in bar[last:after]):
        return True
    head = list(bar[: last + 1])
    open_tuplet = bar_length([*head, Token("note", "C", 0)])
    plain = bar_length(head)
    return open_tuplet is None or plain is None or open_tuplet - plain != 1


def _can_rest(length: Fraction) -> bool:
    """Whether rests can fill it: no less than 1/64 of a unit, and only halves of halves."""
    under = length.denominator
    return under & (under - 1) == 0 and under <= 64


def _rests(length: Fraction, symbol: str) -> list[Token]:
    """Rests that one sign each can write, longest last, as a bar that fills up is notated."""
    texts = []
    while length > 0:
        part = next(notated for notated in _NOTATED if notated <= length)
        texts.append(symbol + format_length(part))
        length -= part
    return [token for text in reversed(texts) for token in lex(text)]


def _equal_barlines(cut: Mapping[str, list[Bar]], last: bool, changed: set[str]) -> None:
    """End each bar as most voices end it; only the last line may end with no barline."""
    final = len(next(iter(cut.values()))) - 1
    for i in range(final + 1):
        ends = {voice: _barline(bars[i][1]) for voice, bars in cut.items()}
        counts = Counter(ends.values())
        if len(counts) > 1:
            counts.pop("", None)
        common = max(counts, key=counts.__getitem__)
        if not common and not (last and i == final):
            common = "|"
        for voice, end in ends.items():
            if end != common:
                changed.add(voice)
                cut[voice][i][1][:] = lex(common)


def _barline(right: list[Token]) -> str:
    return spell([token for token in right if token.kind == "bar"])
