"""Parts of charts: a frame, axes with round numbers, texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lxml import etree

SVG = "http://www.w3.org/2000/svg"
WIDTH, HEIGHT = 480, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 40, 44
COLOURS = 8
"""Number of series with a colour of their own."""

Numbers: TypeAlias = Sequence[float | None]
Scale: TypeAlias = Callable[[float], float]


@dataclass(frozen=True)
class Series:
    """A line, or one of the bars at each name; `low` and `high` are its 95 % interval."""

    name: str
    x: Sequence[float]
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()


def frame(title: str, x_label: str, y_label: str, series: Sequence[Series]) -> etree._Element:
    """Return an empty chart with title, names of axes, and a legend if there is room."""
    label = f"{title}: {y_label} by {x_label}"
    label += f"; {', '.join(one.name for one in series)}" if series else ""
    box = f"0 0 {WIDTH} {HEIGHT}"
    attributes = {"viewBox": box, "class": "chart", "role": "img", "aria-label": plain(label)}
    chart = element("svg", attributes)
    write(chart, title, LEFT, 16, "start", "title")
    write(chart, x_label, WIDTH - RIGHT, HEIGHT - 8, "end", "label")
    if x_label != y_label:
        write(chart, y_label, 4, TOP - 8, "start", "label")
    names = [one.name for one in series]
    left = WIDTH - RIGHT - legend_width(names)
    if len(series) > 1 and left > LEFT + 30:
        legend(chart, names, left, 24)
    return chart


def legend(chart: etree._Element, names: Sequence[str], x: float, y: float) -> None:
    """Draw each series' colour and name, from left to right."""
    for number, name in enumerate(names):
        place = {"x": fixed(x), "y": fixed(y), "width": "10", "height": "8"}
        add(chart, "rect", {"class": f"key s{number % COLOURS}", **place})
        write(chart, name, x + 14, y + 8, "start")
        x += legend_width([name])


def legend_width(names: Sequence[str]) -> float:
    """Return the approximate width of a legend."""
    return sum(6.2 * len(name) + 24 for name in names)


def axis_x(chart: etree._Element, low: float, high: float, log: bool) -> Scale:
    scale = _scale(low, high, LEFT, WIDTH - RIGHT, log)
    for tick in _ticks(low, high, log):
        write(chart, f"{tick:.4g}", scale(tick), HEIGHT - BOTTOM + 14, "middle")
    return scale


def axis_y(chart: etree._Element, low: float, high: float, log: bool) -> Scale:
    room = 0.04 * (high - low) if not log and low else 0.0
    scale = _scale(low - room, high + room, HEIGHT - BOTTOM, TOP, log)
    for tick in _ticks(low, high, log):
        y = fixed(scale(tick))
        add(chart, "path", {"class": "grid", "d": f"M{LEFT} {y}H{WIDTH - RIGHT}"})
        write(chart, f"{tick:.4g}", LEFT - 5, scale(tick) + 4, "end")
    return scale


def _scale(low: float, high: float, begin: float, end: float, log: bool) -> Scale:
    def at(value: float) -> float:
        a, b, x = (math.log(v) for v in (low, high, value)) if log else (low, high, value)
        return begin + (end - begin) * ((x - a) / (b - a) if b > a else 0.5)

    return at


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Return three to eight round numbers from `low` to `high`."""
    if low == high:
        return [low]
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
            found = [d * 10.0**p for p in powers for d in digits if low <= d * 10.0**p <= high]
            if len(found) > 2:
                return found
        return [low, high]
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(d for d in (1, 2, 2.5, 5, 10) if (high - low) / (step * d) <= 6)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def is_drawn(y: float | None, log: bool) -> bool:
    return y is not None and math.isfinite(y) and (y > 0 or not log)


def nothing(chart: etree._Element) -> etree._Element:
    write(chart, "nothing to draw", WIDTH / 2, HEIGHT / 2, "middle")
    return chart


def svg_name(tag: str) -> str:
    return f"{{{SVG}}}{tag}"


def element(tag: str, attributes: dict[str, str]) -> etree._Element:
    return etree.Element(svg_name(tag), attributes, nsmap={None: SVG})


def add(parent: etree._Element, tag: str, attributes: dict[str, str]) -> etree._Element:
    return etree.SubElement(parent, svg_name(tag), attributes)


def write(
    chart: etree._Element, text: str, x: float, y: float, anchor: str, kind: str = "tick"
) -> None:
    place = {"class": kind, "x": fixed(x), "y": fixed(y), "text-anchor": anchor}
    add(chart, "text", place).text = plain(text)


def fixed(number: float) -> str:
    """Return a coordinate, rounded to a tenth."""
    return f"{number:.1f}".removesuffix(".0")


def plain(text: str) -> str:
    """Return text that XML and HTML allow: no control characters, no lone surrogates."""
    return "".join(
        c
        for c in text
        if (c >= " " or c in "\t\n")
        and not "\ud800" <= c <= "\udfff"
        and c not in "\x7f\ufffe\uffff"
    )
