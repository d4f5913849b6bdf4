"""Tuplets and meters of MusicXML from durations; marked ones are only for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lxml import etree

from picogen_core.abc.pitch.spell import odd_part
from picogen_core.score.xml.notes import Placed
from picogen_core.score.xml.times import number


@dataclass
class Item:
    """The contents of one place of a voice: marks, grace notes, and a note with its chord."""

    onset: Fraction
    duration: Fraction
    notes: list[Placed] = field(default_factory=list)
    before: list[Any] = field(default_factory=list)


def tuplets_of(items: Sequence[Item]) -> dict[int, tuple[int, int, str]]:
    """Return the ratio of each item in a tuplet, and whether it starts or stops the sign."""
    found: dict[int, tuple[int, int, str]] = {}
    run: list[Item] = []
    ratio: tuple[int, int] | None = None
    total = Fraction(0)

    def close() -> None:
        if ratio and run:
            for item in run:
                found[id(item)] = (*ratio, "")
            found[id(run[0])] = (*ratio, "start stop" if len(run) == 1 else "start")
            if len(run) > 1:
                found[id(run[-1])] = (*ratio, "stop")

    for item in items:
        now = _ratio(item)
        if now != ratio or (run and run[-1].onset + run[-1].duration != item.onset):
            close()
            run, ratio, total = [], now, Fraction(0)
        if now is None:
            continue
        run.append(item)
        total += item.duration
        if odd_part(total) == 1 and odd_part(total * now[0] / now[1] / now[0]) == 1:
            close()
            run, total = [], Fraction(0)
    close()
    return found


def _ratio(item: Item) -> tuple[int, int] | None:
    """Return the ratio in the file if the duration agrees with it, else that of the duration."""
    element = item.notes[0].element
    if element.find("notations/ornaments/tremolo[@type='start']") is not None or (
        element.find("notations/ornaments/tremolo[@type='stop']") is not None
    ):
        return None
    count = number(element, "time-modification/actual-notes") or 0
    into = number(element, "time-modification/normal-notes") or 0
    if 1 < count <= 64 and 0 < into <= 64 and odd_part(item.duration * count / into) == 1:
        return int(count), int(into)
    odd = odd_part(item.duration)
    return (odd, 1 << (odd.bit_length() - 1)) if odd > 1 else None


def mark_tuplet(element: Any, tuplet: tuple[int, int, str] | None) -> None:
    for old in [*element.findall("time-modification"), *element.findall("notations/tuplet")]:
        old.getparent().remove(old)
    if tuplet is None:
        return
    count, into, kinds = tuplet
    made = etree.SubElement(element, "time-modification")
    etree.SubElement(made, "actual-notes").text = str(count)
    etree.SubElement(made, "normal-notes").text = str(into)
    notations = element.find("notations")
    if kinds and notations is None:
        notations = etree.SubElement(element, "notations")
    for kind in kinds.split():
        etree.SubElement(notations, "tuplet", type=kind)


def sum_of_beats(time: Any) -> tuple[int, int] | None:
    """Return a <time> as one fraction: 3+2/8 is 5/8, 2/4 and 3/8 are 7/8; None if it is free."""
    pairs = zip(time.iterfind("beats"), time.iterfind("beat-type"), strict=False)
    try:
        parts = [
            (sum(int(beat) for beat in (beats.text or "").split("+")), int(kind.text or ""))
            for beats, kind in pairs
        ]
    except ValueError:
        return None
    if not parts or any(beats <= 0 or kind <= 0 for beats, kind in parts):
        return None
    under = max(kind for _, kind in parts)
    return int(sum(Fraction(beats * under, kind) for beats, kind in parts)), under
