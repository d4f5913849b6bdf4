"""The state of a text as a value, by which `QuickConstraint` identifies and restores a place."""

from __future__ import annotations

from typing import Any

from picogen_core.abc.grammar.line import ANY_LENGTH, BarReference, TextGrammar

_ANY_DIGIT = str.maketrans("123456789", "0" * 9)


def text_state(text: TextGrammar) -> tuple[Any, ...] | None:
    """Return what later characters of the header, the counter or a voice's bar depend on.

    None if they depend on more.
    """
    place = text.place
    if text.lost or text.ended or place == "total":
        return None
    if place == "header":
        return place, text.header.state()
    if place == "counter" or place == "voice":
        left = text.counter[-text.due :].translate(_ANY_DIGIT) if text.due else ""
        return place, left, text.spelt, text.choice, _next(text)
    bar = text.bars[text.voice]
    if place == "bar" and bar.in_string:
        return place, bar.state()
    reference = text.reference
    if reference:  # how long it is stays the same, but for the one who is the reference
        _, left, right, missing, _ = reference
        if right:
            reference = BarReference(None, left, right)
        elif len(text.order) == 1:
            reference = BarReference(None, left, right, missing)
    edge = None if reference else (text.index == 0, text.rest == 0, text.owed == ANY_LENGTH)
    planned = text.plan is not None
    line = planned if len(text.order) > 1 else (planned, text.index == 0, bar.meter)
    known = place, edge, bool(text.later()), (text.left, reference, bar.state()), line
    return known if place != "barline" else (*known, text.spelt, text.choice, text.final, text.more)


def takes_tones(text: TextGrammar) -> bool:
    """Return whether a letter here is a tone, and all of them make the same change."""
    if text.place != "bar":
        return False
    bar = text.bars[text.voice]
    return not bar.lost and not bar.in_string


def _next(text: TextGrammar) -> tuple[Any, ...] | None:
    """Return what the bar after the counter depends on besides the line before.

    None if its voice is not yet known.
    """
    return None if len(text.order) > 1 else (text.rest == 0,)


def text_found(text: TextGrammar) -> tuple[Any, Any]:
    """Return the cached results for this place, here and in the bar."""
    if text.place in ("bar", "left", "barline"):
        return text.memo, text.bars[text.voice].memo
    return None if text.place == "counter" else text.memo, None


def restore_text(text: TextGrammar, state: tuple[Any, ...], found: tuple[Any, Any]) -> None:
    """Restore `state`, in the same line and voice, with its cached results."""
    text.memo, known = found
    text.place = state[0]
    if text.place == "header":
        text.header.restore(state[1])
    elif text.place == "counter" or text.place == "voice":
        _, left, text.spelt, text.choice, _ = state
        text.due = len(left)
    elif len(state) == 2:
        text.bars[text.voice].restore(state[1], known)
    else:
        if len(text.order) == 1:
            text.voice = text.order[0]
        text.left, reference, bar = state[3]
        if text.reference and text.reference.right:
            reference = text.reference
        text.reference = reference
        text.bars[text.voice].restore(bar, known)
        if text.place == "barline":
            text.spelt, text.choice, text.final, text.more = state[5:]
