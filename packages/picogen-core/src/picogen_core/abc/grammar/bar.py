"""Rules of one voice's bar: well-formed continuations, and the remaining length.

`wanted` are the characters of the grammar at a place. `rare` ones occur in music although they are
not well formed or have no meaning: `)` without `(`, spaces within a rhythm's sign. Time is counted
after both. After another character, in a prompt or in real music, the bar is lost: then every
character is wanted until the next bar.
"""

from __future__ import annotations

from picogen_core.abc.grammar.bar_state import CHANGES, PUSH, BarState
from picogen_core.abc.grammar.charsets import DIGITS, PRINTABLE, bits
from picogen_core.abc.grammar.fields import DECORATIONS, inline_fields, meter_change
from picogen_core.abc.grammar.lengths import Room, Spellings, lengths, longest, one_of, tuplets

WHOLE = 32  # steps of a whole note
MAX_TEXT, MAX_TONES, MAX_GRACES, MAX_SLURS, MAX_MARKS = 40, 8, 6, 6, 3

_TONE_NAMES = "ABCDEFGabcdefg"
_TONES = bits(_TONE_NAMES)
_SIGNS = bits("^_=")
_SHORTS = bits(".~HLMOPSTuv")
_ENDINGS = bits("~HLMOPSTuv")  # also after the last note
_STARTS = _TONES | _SIGNS | _SHORTS | bits("zx[!")
_TEXT = PRINTABLE & ~bits('"%[]|\\+$`{}*')
_QUOTE, _BRACE, _PAREN, _SHUT, _BRACKET = map(bits, '"{()[')
_SPACE, _TIE, _LONG, _SHORT, _TEXTS = bits(" "), bits("-"), bits(">"), bits("<"), bits('!"')
_SOUND = ("tone", "tie", "close")
_ENDED = ("rest", "bang", "quote")
_HANGING = ("broken", "grace", "dot", "short", "close")
_CLOSERS = {"quote": '"', "bang": "!", "field": "]", "chord": "]", "grace": "}"}


def wanted_in(bar: BarState) -> int:
    """Return the characters that keep the bar well formed, except barlines; 0 if it is lost."""
    if bar.memo is None:
        bar.memo = 0 if bar.lost else _WANTED[bar.place](bar)
    return bar.memo


def rare_in(bar: BarState) -> int:
    """Return further harmless characters; 0 if it is lost."""
    if bar.lost or bar.place not in _RARE:
        return 0
    return _RARE[bar.place](bar) & ~wanted_in(bar)


def may_end(bar: BarState) -> bool:
    """Return whether a barline may come next.

    Nothing is open and the bar has its length, or nothing fits and repair will add rests.
    """
    if bar.lost:
        return True
    if bar.place == "event":
        return _stops(bar) and may_end(_taken(bar))
    if bar.place != "between" or bar.owes or not bar.begun or bar.room.left:
        return False
    if bar.previous == "dot":  # `.|` is a dotted barline
        return False
    return bar.free or not bar.exact or not bar.room.steps or not bar.fits()


def missing_in(bar: BarState) -> int:
    """Return the steps from here to the end of the bar, or of its meter."""
    if bar.lost or bar.free or bar.exact:
        return 0
    return missing_in(_taken(bar)) if bar.place == "event" else bar.room.steps


def _between(bar: BarState) -> int:
    previous = bar.previous
    wanted = 0
    if bar.due:
        return _BRACKET
    if bar.fits():
        wanted = _STARTS
        wanted |= _QUOTE
        if previous != "grace" and not bar.broken:
            wanted |= _BRACE
        if bar.slurs < MAX_SLURS or _tuplets(bar):
            wanted |= _PAREN
        if previous not in ("", "space", "short", "dot", "open", "broken"):
            wanted |= _SPACE
    if not bar.owes:
        wanted |= 0 if _follows_field(bar) and not bar.fits() else _BRACKET
        if previous in _SOUND or previous in _ENDED:
            wanted |= _TEXTS
    if previous in _SOUND:
        wanted |= _SHUT if bar.slurs else 0
    if previous == "tone" or previous == "rest":
        wanted |= _TIE if previous == "tone" else 0
        wanted |= _LONG if _breaks(bar, ">") else 0
        wanted |= _SHORT if _breaks(bar, "<") else 0
    elif previous == "broken" and len(bar.broken) == 1 and _breaks(bar, 2 * bar.broken):
        wanted |= bits(bar.broken)
    return wanted


def _between_rare(bar: BarState) -> int:
    previous = bar.previous
    rare = _SPACE if previous not in ("", "space") else 0
    if not bar.begun:
        return rare
    if bar.slurs or previous != "close":
        rare |= _SHUT
    rare |= _TIE if previous in _HANGING else 0
    if not bar.owes and not bar.broken and previous != "field":
        rare |= _LONG if _breaks(bar, ">") else 0
        rare |= _SHORT if _breaks(bar, "<") else 0
    if not bar.owes and (previous in _SOUND or previous in _ENDED):
        rare |= _BRACE | _ENDINGS
    elif not bar.owes and previous == "space":
        rare |= _TEXTS
    return rare


def _tuplets(bar: BarState) -> Spellings:
    if bar.room.left or bar.broken or bar.previous in ("broken", "dot"):
        return {}  # `.(` is a dotted slur
    return tuplets(bar.room, bar.compound)


def _breaks(bar: BarState, sign: str) -> bool:
    """Return whether a broken rhythm fits after the last event."""
    if bar.paired:
        return False
    gain, factor = CHANGES[sign]
    change = (gain - CHANGES[bar.broken][0]) * bar.last
    if change % 4 or bar.unit * factor % 4:
        return False
    return bool(lengths(bar.unit * factor // 4, bar.room.less(change // 4)))


def _event(bar: BarState) -> int:
    following, stops = bar.fits().get(bar.spelt, (0, None))
    if bar.inner:  # a chord whose tones have its length
        following, stops = 0, 0
    if bar.previous == "tone" and not bar.spelt and bar.inner is None:
        following |= _octaves(bar)
    return following | (wanted_in(_taken(bar)) if stops is not None else 0)


def _event_rare(bar: BarState) -> int:
    return rare_in(_taken(bar)) if _stops(bar) else 0


def _octaves(bar: BarState) -> int:
    return bits(bar.marks[:1] or "',") if len(bar.marks) < MAX_MARKS else 0


def _stops(bar: BarState) -> bool:
    return bool(bar.inner) or bar.fits().get(bar.spelt, (0, None))[1] is not None


def _sign(bar: BarState) -> int:
    return _TONES | (bits(bar.spelt) if bar.spelt in "^_" else 0)


def _paren(bar: BarState) -> int:
    """Return continuations of `(`: a tuplet's number, or the notes of a slur."""
    following, stops = _tuplets(bar).get(bar.spelt, (0, None))
    slurs = bar.slurs
    if bar.spelt == "(":  # else every digit of a tuplet is in `following`
        if slurs >= MAX_SLURS:
            return following
        more = slurs + 1 < MAX_SLURS or following
        return following | _STARTS | bits('"{') | (bits("(") if more else 0)
    more = bits("(") if slurs < MAX_SLURS else 0
    return following | (_STARTS | bits('"{') | more if stops is not None else 0)


def _paren_rare(bar: BarState) -> int:
    stops = _tuplets(bar).get(bar.spelt, (0, None))[1] is not None
    return _SPACE if stops or (bar.spelt == "(" and bar.slurs < MAX_SLURS) else 0


def _bracket(bar: BarState) -> int:
    """Return continuations of `[`: a chord, or a field; a second field in a row is rare."""
    wanted = _TONES | _SIGNS if bar.fits() and not bar.due else 0
    return wanted if bar.owes or (wanted and _follows_field(bar)) else wanted | _fields(bar)


def _follows_field(bar: BarState) -> bool:
    return bar.previous == "field" and not bar.due


def _fields(bar: BarState) -> int:
    """Return the letters of fields; the meter changes only at a bar's start, in all voices."""
    fields = inline_fields(bar.choices, bar.alone)[""][0]
    if bar.due:
        return fields | bits("M")
    changes = bar.leads and not bar.begun and not bar.exact
    return fields if changes else fields & ~bits("M")


def _field(bar: BarState) -> int:
    if bar.spelt.startswith("M") and bar.due:
        known = meter_change(bar.due)
    else:
        known = inline_fields(bar.choices, bar.alone)
    following, stops = known.get(bar.spelt, (0, None))
    return following | (bits("]") if stops is not None else 0)


def _chord(bar: BarState) -> int:
    """Return continuations of a tone of a chord, its octave marks, length and tie."""
    more = bits("]") | (_TONES | _SIGNS if bar.count < MAX_TONES else 0)
    if bar.previous == "tie":
        return more
    marks = _octaves(bar) if not bar.spelt else 0
    if bar.inner is not None and bar.spelt != bar.inner:
        return marks | bits(bar.inner[len(bar.spelt)])
    more |= bits("-") | marks
    if bar.inner is not None:
        return more
    following, stops = bar.fits().get(bar.spelt, (0, None))
    return following | (more if stops is not None or not bar.spelt else 0)


def _chord_rare(bar: BarState) -> int:
    """Return whether a tone differs in length from the first, which sets the chord's length."""
    if bar.inner is None or bar.spelt == bar.inner or bar.broken:
        return 0
    return bits("]") | (_TONES | _SIGNS if bar.count < MAX_TONES else 0)


def _grace(bar: BarState) -> int:
    if bar.previous == "sign":
        return _sign(bar)
    if bar.previous == "close" and bar.count:  # the converter misreads other continuations
        return bits("}")
    wanted = _TONES | _SIGNS if bar.count < MAX_GRACES else 0
    if not bar.count:
        return wanted | (bits("/") if not bar.spelt else 0)
    wanted |= bits("}")
    if not bar.spelt:
        wanted |= _octaves(bar) | bits("/")
    return wanted


def _grace_rare(bar: BarState) -> int:
    return _SHUT if bar.previous == "tone" and bar.count else 0


def _quote(bar: BarState) -> int:
    text = _TEXT & ~DIGITS if bar.marks else _TEXT
    return (text if bar.count < MAX_TEXT else 0) | (bits('"') if bar.count else 0)


def _bang(bar: BarState) -> int:
    """Return continuations of a known decoration; readers take others for line breaks."""
    following, stops = one_of(*DECORATIONS)[bar.spelt]
    return following | (bits("!") if stops is not None else 0)


def closing_in(bar: BarState) -> int:
    """Return continuations on a short way to the bar's end: tones of maximal length."""
    wanted = wanted_in(bar)
    if bar.place == "event" and not bar.inner:
        longest = _longest(bar)
        if len(longest) > len(bar.spelt):
            return bits(longest[len(bar.spelt)])
    for characters in (_CLOSERS.get(bar.place, ""), "M" if bar.due else "", _TONE_NAMES, "z"):
        if wanted & bits(characters):
            return wanted & bits(characters)
    return wanted & -wanted


def _longest(bar: BarState) -> str:
    """Return the longest fitting length that continues the spelling; a whole note if free."""
    room = bar.room
    if bar.free and not room.left:
        room = Room(min(room.steps, WHOLE))
    scale = bar.scale()
    return longest(scale, room, bar.spelt) or longest(scale, bar.room, bar.spelt)


def advance(bar: BarState, character: str) -> None:
    """Advance by a character of the bar. One neither wanted nor rare loses the bar."""
    if not (wanted_in(bar) >> ord(character) & 1 or rare_in(bar) >> ord(character) & 1):
        bar.lost = True
    if not bar.lost:
        PUSH[bar.place](bar, character)
    bar.memo = bar.after = None


def end_bar(bar: BarState) -> int | None:
    """Return the steps of the bar that ends at this barline, None if they are unknown."""
    if not bar.lost and bar.place == "event":
        bar.take_event()
    return None if bar.lost else bar.steps


def _taken(bar: BarState) -> BarState:
    """Return the bar after the event that is being spelt."""
    if bar.after is None:
        after = bar.copy()
        after.memo = None
        after.take_event()
        bar.after = after
    return bar.after


_RARE = {
    "between": _between_rare,
    "event": _event_rare,
    "paren": _paren_rare,
    "bracket": _fields,
    "chord": _chord_rare,
    "grace": _grace_rare,
}
_WANTED = {
    "between": _between,
    "event": _event,
    "sign": _sign,
    "paren": _paren,
    "bracket": _bracket,
    "field": _field,
    "chord": _chord,
    "chord_sign": _sign,
    "grace": _grace,
    "quote": _quote,
    "bang": _bang,
}
